"""Darknet `.weights`: a header, then float32 values in layer order, nothing else.

Source: Darknet's own reader (parser.c; public domain). Little-endian: int32 major, minor, revision,
then `seen`, the number of training pictures, in 64 bits from version 0.2 on and in 32 before. Each
convolution then has its biases (of a normalised one: beta, gamma, mean, variance) and its kernel.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
import torch
from torch import Tensor

from smalldet.models.graph.darknet import read_cfg
from smalldet.models.graph.detector import DarknetYolo
from smalldet.models.graph.layers import ConvolutionLayer
from smalldet.models.graph.net import GraphNet
from smalldet.models.graph.shapes import num_parameters

_FLOAT = np.dtype("<f4")


@dataclass(frozen=True)
class WeightsHeader:
    """What begins a `.weights` file; `seen` counts training pictures."""

    major: int = 0
    minor: int = 2
    revision: int = 5
    seen: int = 0

    @property
    def layout(self) -> str:
        """Of the header, in the notation of `struct`."""
        wide = self.major * 10 + self.minor >= 2 and self.major < 1000 and self.minor < 1000
        return "<3iQ" if wide else "<3iI"


def load_darknet(cfg: Path, weights: Path, class_names: Sequence[str]) -> DarknetYolo:
    """The detector of a Darknet pair of files, in eval mode, on the CPU.

    Args:
        cfg: description of the network.
        weights: trained values.
        class_names: in the order of the training's `.names` file.

    Raises:
        FileNotFoundError: either file is absent.
        ValueError: either file is not understood, or they or the names do not fit each other.
    """
    graph = read_cfg(cfg)
    expected = sum(num_parameters(layer, graph.channels_into(layer)) for layer in graph.layers)
    with _open(weights) as file:
        _read_header(file, weights, expected)  # before the network takes memory
    try:
        detector = DarknetYolo(graph, class_names)
    except ValueError as error:
        raise ValueError(f"{cfg}: {error}") from None
    read_weights(weights, detector.net)
    return detector.eval()


def read_weights(path: Path, net: GraphNet) -> WeightsHeader:
    """Copy the values of a `.weights` file into a network.

    Returns:
        The file's header; with it `write_weights` gives the same bytes again.

    Raises:
        FileNotFoundError: no such file.
        ValueError: the file has more or fewer values than the network, or values that are no
            numbers. The network is unchanged in the first case.
    """
    expected = sum(values.numel() for values in _stored(net))
    with _open(path) as file:
        header = _read_header(file, path, expected)
        for values in _stored(net):
            read = np.fromfile(file, _FLOAT, values.numel()).astype(np.float32, copy=False)
            if not np.isfinite(read).all():
                raise ValueError(f"{path}: holds values that are not finite; the file is damaged")
            values.copy_(torch.from_numpy(read).view(values.shape))
    return header


def write_weights(path: Path, net: GraphNet, header: WeightsHeader | None = None) -> None:
    """Write a network's values as a `.weights` file, atomically."""
    header = header or WeightsHeader()
    part = path.with_name(path.name + ".part")
    with part.open("wb") as file:
        fields = (header.major, header.minor, header.revision, header.seen)
        file.write(struct.pack(header.layout, *fields))
        for values in _stored(net):
            file.write(values.cpu().float().contiguous().numpy().astype(_FLOAT).tobytes())
    part.replace(path)


def _open(path: Path) -> BinaryIO:
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such weights")
    return path.open("rb")


def _read_header(file: BinaryIO, path: Path, expected: int) -> WeightsHeader:
    """Leaves the file at its first value, once its size is what the network needs."""
    start = file.read(12)
    if len(start) < 12:
        raise ValueError(f"{path}: {len(start)} bytes are too few for a Darknet weights file")
    version = WeightsHeader(*struct.unpack("<3i", start))
    seen = file.read(struct.calcsize(version.layout) - 12)
    size = os.fstat(file.fileno()).st_size - 12 - len(seen)
    found, rest = divmod(size, _FLOAT.itemsize)
    if found != expected or rest:
        raise ValueError(
            f"{path}: the network needs {expected} floats after the header, the file has {found}"
            + (f" and {rest} bytes" if rest else "")
            + "; cfg and weights do not belong together, or the file is cut"
        )
    (count,) = struct.unpack(f"<{version.layout[-1]}", seen)
    return WeightsHeader(version.major, version.minor, version.revision, count)


def _stored(net: GraphNet) -> Iterator[Tensor]:
    """Tensors of a network in the order of the file; writing to them writes to the network."""
    for layer in net.layers:
        if not isinstance(layer, ConvolutionLayer):
            continue
        if layer.norm is not None:
            yield layer.norm.bias.data
            yield layer.norm.weight.data
            for running in (layer.norm.running_mean, layer.norm.running_var):
                assert running is not None
                yield running
        elif layer.conv.bias is not None:
            yield layer.conv.bias.data
        yield layer.conv.weight.data
