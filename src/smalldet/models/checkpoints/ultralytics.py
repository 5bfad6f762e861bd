"""Checkpoints of Ultralytics YOLOv5 and YOLOv3 (`.pt`), without their packages.

Such a file is a pickle of the whole network as Python objects. Here it is read as records
(`safe_pickle`), the records are told as one of our network texts, and their tensors are copied.
Newer models of the same makers, which have no anchors, are not of this family.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
import yaml
from torch import Tensor

from smalldet.models.checkpoints.loaded_model import ImportHints, LoadedModel
from smalldet.models.checkpoints.safe_pickle import Record
from smalldet.models.checkpoints.torch_file import TorchFile
from smalldet.models.checkpoints.ultralytics_modules import (
    FOCUS,
    children_of,
    kind_of,
    state_of,
    told_network,
)
from smalldet.models.yolo.block_writer import Style
from smalldet.models.yolo.builder import with_outputs
from smalldet.models.yolo.config import YoloConfig
from smalldet.models.yolo.description import parse_network
from smalldet.models.yolo.known import KNOWN, known_text
from smalldet.models.yolo.layers import ConvolutionLayer
from smalldet.models.yolo.net import GraphNet
from smalldet.models.yolo.specs import Convolution

# classes of the makers' packages, and of what their training options hold
KNOWN_NAMES = ("models.", "utils.", "ultralytics.", "yolov5.", "numpy.", "pathlib.", "argparse.")
OUTPUT = {
    "scale_xy": 2.0,
    "squared_sides": True,
    "assignment": "side_ratio",
    "box_loss": "ciou",
    "box_weight": 0.05,
    "objectness_weight": 1.0,
    "class_weight": 0.5,
}
# side of the pictures of training by the number of outputs; no file tells more
SIDE_PX = {4: 1280}


def load(path: Path, said: ImportHints) -> LoadedModel:
    """A YOLOv5 or YOLOv3 checkpoint.

    Args:
        path: `.pt`.
        said: `class_names` and `tile_px` take the place of the file's.

    Raises:
        FileNotFoundError: no such file.
        ValueError: it names what a checkpoint must not, is damaged, or holds another network.
    """
    with TorchFile(path, KNOWN_NAMES) as file:
        try:
            return _import(file, said)
        except (AttributeError, IndexError, KeyError, TypeError) as error:
            raise ValueError(f"{path}: not a checkpoint of YOLOv5 or YOLOv3: {error!r}") from error


def _import(file: TorchFile, said: ImportHints) -> LoadedModel:
    model = _model(file)
    modules = list(children_of(children_of(model)["model"]).values())
    detect = modules[-1]
    if kind_of(detect) != "Detect" or "anchors" not in state_of(detect)["_buffers"]:
        raise ValueError(
            f"{file.path}: its last layer, {detect.name}, is no output of YOLOv5 or YOLOv3; "
            "networks without anchors are not supported"
        )
    lines, convolutions = told_network(modules)
    # read first: then the network takes no more memory than the file has bytes for
    values = [_values(file, *pair) for pair in convolutions]
    stride = state_of(detect).get("stride") or state_of(model)["stride"]
    grid_anchors = file.tensor(state_of(detect)["_buffers"]["anchors"]).float()
    anchors = (grid_anchors * file.tensor(stride).view(-1, 1, 1)).flatten(0, 1)
    num_classes = int(state_of(detect)["nc"])
    names = said.class_names or _class_names(state_of(model)["names"], num_classes, file.path)
    if len(names) != num_classes:
        raise ValueError(
            f"{file.path}: the network has {num_classes} classes, "
            f"but {len(names)} class names were given"
        )
    side_px = SIDE_PX.get(len(grid_anchors), 640)
    text = _text(lines, anchors, side_px, convolutions)
    config = _config(text, file.path.stem, num_classes)
    graph = with_outputs(config.graph(), num_classes)
    if graph.num_parameters != sum(value.numel() for group in values for value in group):
        raise ValueError(f"{file.path}: its tensors do not fit its layers")
    detector = config.build(names, said.tile_px or side_px)
    _copy(file.path, values, detector.net)
    return LoadedModel(detector.eval(), config)


def _model(file: TorchFile) -> Record:
    """The averaged network where there is one, else the trained one."""
    content = file.content
    if isinstance(content, dict):
        content = content.get("ema") or content.get("model")
    if not isinstance(content, Record) or not isinstance(content.state, dict):
        raise ValueError(
            f"{file.path}: holds no network; of `.pt` files those of YOLOv5 and YOLOv3 are read"
        )
    return content


def _text(
    lines: Sequence[dict[str, Any]],
    anchors: Tensor,
    side_px: int,
    convolutions: Sequence[tuple[Record, Record | None]],
) -> str:
    """A network text; options that only repeat what holds anyway are left out."""
    activations = Counter(line["activation"] for line in lines if "activation" in line)
    usual: dict[str, Any] = {"stride": 1, "groups": 1, "normalised": True, "repeat": 1}
    usual["activation"] = activations.most_common(1)[0][0] if activations else "swish"
    for line in lines:
        for key, value in usual.items():
            if line.get(key) == value and "pool" not in line:
                del line[key]
    epsilons = {float(state_of(norm)["eps"]) for _, norm in convolutions if norm is not None}
    if len(epsilons) > 1:
        raise ValueError(f"normalisations with epsilons {sorted(epsilons)} are not supported")
    content = {
        "side_px": side_px,
        "activation": usual["activation"],
        "norm_epsilon": epsilons.pop() if epsilons else 1e-3,
        "anchors": [[round(side, 3) for side in anchor] for anchor in anchors.tolist()],
        "output": OUTPUT,
        "layers": list(lines),
    }
    return yaml.safe_dump(content, sort_keys=False, default_flow_style=None)


def _config(text: str, name: str, num_classes: int) -> YoloConfig:
    """The schema, by name where it is one of the networks that come with smalldet."""
    graph = with_outputs(parse_network(text, name), num_classes)
    first = next(layer for layer in graph.layers if isinstance(layer, Convolution))
    for known, (text_name, width, _) in KNOWN.items():
        if not text_name.startswith("yolov5") or Style(width).filters(64) != first.filters:
            continue
        own = parse_network(known_text(known), known)
        if len(own.layers) == len(graph.layers) and with_outputs(own, num_classes) == graph:
            return YoloConfig(network=known)
    return YoloConfig(network=name, text=text)


def _class_names(names: Any, num_classes: int, path: Path) -> tuple[str, ...]:
    found = [names[i] for i in range(len(names))]
    if len(found) != num_classes or not all(isinstance(name, str) for name in found):
        raise ValueError(f"{path}: its class names are not as many as its classes; say them")
    return tuple(found)


def _values(file: TorchFile, conv: Record, norm: Record | None) -> list[Tensor]:
    """Kernel, then bias or the four of the normalisation."""
    parameters = state_of(conv)["_parameters"]
    kernel = file.tensor(parameters["weight"]).float()
    if conv.name == FOCUS:
        kernel = _unfolded(kernel)
    if norm is None:
        return [kernel, file.tensor(parameters["bias"]).float()]
    state = state_of(norm)
    learnt = [state["_parameters"][key] for key in ("weight", "bias")]
    seen = [state["_buffers"][key] for key in ("running_mean", "running_var")]
    return [kernel, *(file.tensor(record).float() for record in learnt + seen)]


def _unfolded(kernel: Tensor) -> Tensor:
    """(O, 4 C, k, k) on pixels laid side by side to (O, C, 2 k, 2 k) on the picture."""
    filters, channels, size, _ = kernel.shape
    # sides of the four: upper left, lower left, upper right, lower right
    parts = kernel.view(filters, 2, 2, channels // 4, size, size)
    return parts.permute(0, 3, 4, 2, 5, 1).reshape(filters, channels // 4, 2 * size, 2 * size)


def _copy(path: Path, values: Sequence[Sequence[Tensor]], net: GraphNet) -> None:
    layers = [layer for layer in net.layers.values() if isinstance(layer, ConvolutionLayer)]
    for layer, found in zip(layers, values, strict=True):
        if layer.norm is None:
            own = [layer.conv.weight, layer.conv.bias]
        else:
            norm = layer.norm
            own = [layer.conv.weight, norm.weight, norm.bias, norm.running_mean, norm.running_var]
        for target, value in zip(own, found, strict=True):
            assert target is not None
            if target.shape != value.shape:
                raise ValueError(
                    f"{path}: a tensor of {tuple(value.shape)} where {tuple(target.shape)} belongs"
                )
            if not torch.isfinite(value).all():
                raise ValueError(f"{path}: holds values that are not finite; it is damaged")
            target.data.copy_(value)
