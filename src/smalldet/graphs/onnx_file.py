"""ONNX files and the texts in them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from smalldet.atomic_write import atomic_write

if TYPE_CHECKING:
    import onnx

LEAST_HALVED = 64  # weights of fewer numbers stay as they are


def with_metadata(graph: onnx.ModelProto, texts: Mapping[str, str]) -> onnx.ModelProto:
    """The graph, and in it these texts in place of others of the same names."""
    for key, text in texts.items():
        for entry in [each for each in graph.metadata_props if each.key == key]:
            graph.metadata_props.remove(entry)
        graph.metadata_props.add(key=key, value=text)
    return graph


def write_onnx(path: Path, graph: onnx.ModelProto) -> None:
    """Write a file, atomically."""
    with atomic_write(path) as draft:
        draft.write_bytes(graph.SerializeToString())


def in_half_precision(graph: onnx.ModelProto) -> onnx.ModelProto:
    """A copy whose weights are stored in float16; computing is in float32 as before."""
    import onnx
    from onnx import numpy_helper

    halved = onnx.ModelProto()
    halved.CopyFrom(graph)
    casts = []
    for weight in halved.graph.initializer:
        values = numpy_helper.to_array(weight)
        if values.dtype != np.float32 or values.size < LEAST_HALVED:
            continue
        name, stored = weight.name, f"{weight.name}_half"
        weight.CopyFrom(numpy_helper.from_array(values.astype(np.float16), stored))
        casts.append(
            onnx.helper.make_node("Cast", [stored], [name], to=onnx.TensorProto.FLOAT, name=name)
        )
    nodes = list(halved.graph.node)
    del halved.graph.node[:]
    halved.graph.node.extend([*casts, *nodes])
    return halved


def onnx_texts(path: Path) -> dict[str, str]:
    """What a file says of itself.

    Raises:
        ValueError: not ONNX.
    """
    import onnx
    from google.protobuf.message import DecodeError

    try:
        graph = onnx.load(path, load_external_data=False)
    except (DecodeError, ValueError) as error:
        raise ValueError(f"{path}: not readable as ONNX: {error}") from error
    return {entry.key: entry.value for entry in graph.metadata_props}
