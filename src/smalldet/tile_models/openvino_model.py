"""OpenVINO as a runtime of tile models, on the CPU."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from smalldet.class_names import ClassNames
from smalldet.graphs.facts import GraphFacts, from_metadata
from smalldet.graphs.onnx_file import onnx_texts
from smalldet.graphs.openvino_folder import (
    folder_texts,
    graph_files,
    last_line,
    openvino_core,
    read_openvino,
)
from smalldet.hardware import choose_device, choose_precision
from smalldet.models.detector import Decoder
from smalldet.tile_models.graph_model import (
    GraphTileModel,
    checked,
    content_fingerprint,
    refuse_network,
    renamed,
)


def open_openvino(
    path: Path, class_names: ClassNames | None, network: str | None, device: str
) -> GraphTileModel:
    """An exported folder, or an exported .onnx file, as a tile model; see `open_tile_model`."""
    refuse_network(network, path)
    if choose_device(device).type != "cpu" and device != "auto":
        raise ValueError(f"device {device!r}: OpenVINO computes on the CPU here; say --device cpu")
    graph = read_openvino(path)
    texts = folder_texts(path) if path.is_dir() else onnx_texts(path)
    facts, decoder = from_metadata(texts, str(path))
    fingerprint = content_fingerprint(*(file.read_bytes() for file in graph_files(path)))
    decoder = renamed(decoder, class_names, path)
    model = compiled_model(graph, facts, decoder, fingerprint=fingerprint, where=str(path))
    return checked(model, str(path))


def open_exactly(folder: Path) -> GraphTileModel:
    """An exported folder, computed in float32 whatever is fast here."""
    facts, decoder = from_metadata(folder_texts(folder), str(folder))
    return compiled_model(
        read_openvino(folder),
        facts,
        decoder,
        fingerprint="",
        where=str(folder),
        precision=torch.float32,
    )


def compiled_model(
    graph: Any,
    facts: GraphFacts,
    decoder: Decoder,
    *,
    fingerprint: str,
    where: str,
    precision: torch.dtype | None = None,
) -> GraphTileModel:
    """OpenVINO's model of a network, ready to predict.

    Args:
        graph: as OpenVINO reads it.
        facts: of it.
        decoder: of its outputs.
        fingerprint: of its weights.
        where: its file, for messages.
        precision: to compute in; None: bfloat16 where the hardware computes it, else float32.

    Raises:
        ValueError: OpenVINO cannot compute it.
    """
    precision = precision or choose_precision("auto", torch.device("cpu"))
    half = precision == torch.bfloat16
    options = {
        "INFERENCE_NUM_THREADS": torch.get_num_threads(),
        "INFERENCE_PRECISION_HINT": "bf16" if half else "f32",
        "PERFORMANCE_HINT": "LATENCY",
    }
    run = _Graph(graph, options, where, by_shape=facts.weights == "int8")
    return GraphTileModel(
        run,
        facts,
        decoder,
        fingerprint=fingerprint,
        runtime=f"cpu in openvino ({precision}, {facts.weights})",
    )


class _Graph:
    """Computes a graph.

    Args:
        graph: as OpenVINO reads it.
        options: of the compiler.
        where: its file, for messages.
        by_shape: compile it for each shape of tiles by itself. OpenVINO 2026.4 crashes on some
            graphs in 8 bits when the shape changes.
    """

    def __init__(self, graph: Any, options: dict[str, Any], where: str, *, by_shape: bool) -> None:
        self._graph, self._options, self._where = graph, options, where
        self._by_shape = by_shape
        self._requests: dict[tuple[int, ...], Any] = {}
        if not by_shape:
            self._requests[()] = self._compiled(graph)

    def __call__(self, images: NDArray[np.uint8]) -> list[NDArray[np.float32]]:
        shape = images.shape if self._by_shape else ()
        if shape not in self._requests:
            graph = self._graph.clone()
            graph.reshape(list(images.shape))
            self._requests[shape] = self._compiled(graph)
        request = self._requests[shape]
        request.infer([images], share_inputs=True)
        return [tensor.data for tensor in request.output_tensors]

    def _compiled(self, graph: Any) -> Any:
        try:
            return openvino_core().compile_model(graph, "CPU", self._options).create_infer_request()
        except RuntimeError as error:
            raise ValueError(
                f"{self._where}: OpenVINO cannot compile it: {last_line(error)}"
            ) from error
