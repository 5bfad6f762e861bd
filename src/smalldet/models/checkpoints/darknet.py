"""Darknet `.weights`: a header, then float32 values in layer order, nothing else.

Source: Darknet's own reader (parser.c; public domain). Little-endian: int32 major, minor, revision,
then `seen`, the number of training pictures, in 64 bits from version 0.2 on and in 32 before. Each
convolution then has its biases (of a normalised one: beta, gamma, mean, variance) and its kernel.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

import numpy as np
import torch
from torch import Tensor

from smalldet.atomic_write import atomic_write
from smalldet.class_names import read_class_names
from smalldet.models.checkpoints.build_checked import check_sound
from smalldet.models.checkpoints.loaded_model import ImportHints, LoadedModel
from smalldet.models.yolo.cfg_writer import cfg_text
from smalldet.models.yolo.config import YoloConfig
from smalldet.models.yolo.darknet import parse_cfg, read_text
from smalldet.models.yolo.detector import YoloDetector
from smalldet.models.yolo.layers import ConvolutionLayer
from smalldet.models.yolo.net import GraphNet
from smalldet.models.yolo.specs import DARKNET_EPSILON

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


def load(path: Path, hints: ImportHints) -> LoadedModel:
    """The detector of a `.weights` file and the `.cfg` that it was trained with.

    Args:
        path: `.weights`.
        hints: `network` names the cfg or a known network; default: the cfg of the same stem
            beside the weights. `class_names`, in the order of the training's `.names`
            file; default: the `.names` file of the same stem beside the weights.

    Raises:
        FileNotFoundError: the weights, or a cfg for them, are absent.
        ValueError: either file is not understood, or they or the names do not fit each other.
    """
    config = _config(path, hints)
    graph = config.graph()
    with _open(path) as file:
        _read_header(file, path, graph.num_parameters)  # before the network takes memory
    names = hints.class_names or _names_beside(path)
    try:
        detector = YoloDetector(graph, names, tile_px=hints.tile_px, nms_iou=config.nms_iou)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None
    read_weights(path, detector.net)
    return LoadedModel(detector.eval(), config)


def save(path: Path, detector: YoloDetector) -> list[Path]:
    """Write `.weights`, and beside them the `.cfg` and `.names` of the same stem, or none of them.

    Returns:
        The files.

    Raises:
        OSError: a file cannot be written, as on a full disk.
        ValueError: the network has a layer that Darknet does not have.
    """
    cfg, names = path.with_suffix(".cfg"), path.with_suffix(".names")
    graph = replace(detector.net.graph, width_px=detector.tile_px, height_px=detector.tile_px)
    text = cfg_text(graph)
    with atomic_write(names) as names_draft, atomic_write(cfg) as cfg_draft:
        names_draft.write_text("".join(f"{n}\n" for n in detector.class_names), encoding="utf-8")
        cfg_draft.write_text(text, encoding="utf-8")
        write_weights(path, detector.net)  # if that fails, the two others do not appear either
    return [path, cfg, names]


def _config(path: Path, hints: ImportHints) -> YoloConfig:
    if hints.network is not None:
        return YoloConfig(network=hints.network)
    cfg = path.with_suffix(".cfg")
    if not cfg.is_file():
        raise FileNotFoundError(
            f"{cfg}: no such file; a .weights file needs the .cfg that it was trained with, "
            "beside it under the same stem, or named as its network"
        )
    text = read_text(cfg)
    parse_cfg(text, str(cfg))
    return YoloConfig(network=cfg.stem, text=text)


def _names_beside(path: Path) -> tuple[str, ...]:
    names = path.with_suffix(".names")
    if not names.is_file():
        raise ValueError(
            f"{path}: a .weights file holds no class names; say them "
            f"(a file of names or a,b,c), or put them beside it as {names.name}"
        )
    return read_class_names(names)


def read_weights(path: Path, net: GraphNet) -> WeightsHeader:
    """Copy the values of a `.weights` file into a network.

    Returns:
        The file's header; with it `write_weights` gives the same bytes again.

    Raises:
        FileNotFoundError: no such file.
        ValueError: the file has more or fewer values than the network, or values that are no
            numbers. The network is unchanged in the first case.
    """
    expected = net.graph.num_parameters
    with _open(path) as file:
        header = _read_header(file, path, expected)
        for values, shift in _stored(net):
            read = np.fromfile(file, _FLOAT, values.numel()).astype(np.float32, copy=False)
            values.copy_(torch.from_numpy(read).view(values.shape) - shift)
    check_sound(path, net)
    return header


def write_weights(path: Path, net: GraphNet, header: WeightsHeader | None = None) -> None:
    """Write a network's values as a `.weights` file, atomically.

    Darknet adds its own epsilon to a variance: the difference to the layer's goes into the value.
    """
    header = header or WeightsHeader()
    with atomic_write(path) as draft, draft.open("wb") as file:
        fields = (header.major, header.minor, header.revision, header.seen)
        file.write(struct.pack(header.layout, *fields))
        for values, shift in _stored(net):
            shifted = values.cpu().float().contiguous() + shift
            file.write(shifted.numpy().astype(_FLOAT).tobytes())


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
    num_floats, rest = divmod(size, _FLOAT.itemsize)
    if num_floats != expected or rest:
        raise ValueError(
            f"{path}: the network needs {expected} floats after the header, the file has "
            f"{num_floats}"
            + (f" and {rest} bytes" if rest else "")
            + "; cfg and weights do not belong together, or the file is cut"
        )
    (count,) = struct.unpack(f"<{version.layout[-1]}", seen)
    return WeightsHeader(version.major, version.minor, version.revision, count)


def _stored(net: GraphNet) -> Iterator[tuple[Tensor, float]]:
    """Tensors of a network in the order of the file, and what the file's values have more.

    Writing to a tensor writes to the network. Variances differ where an epsilon is not Darknet's.
    """
    for layer in net.layers.values():
        if not isinstance(layer, ConvolutionLayer):
            continue
        if layer.norm is not None:
            assert layer.norm.running_mean is not None and layer.norm.running_var is not None
            yield layer.norm.bias.data, 0.0
            yield layer.norm.weight.data, 0.0
            yield layer.norm.running_mean, 0.0
            yield layer.norm.running_var, layer.norm.eps - DARKNET_EPSILON
        elif layer.conv.bias is not None:
            yield layer.conv.bias.data, 0.0
        yield layer.conv.weight.data, 0.0
