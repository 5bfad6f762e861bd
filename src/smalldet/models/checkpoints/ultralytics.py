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

import yaml
from torch import Tensor

from smalldet.models.checkpoints.build_checked import check_sound
from smalldet.models.checkpoints.loaded_model import ImportHints, LoadedModel
from smalldet.models.checkpoints.pickle_values import Record
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
from smalldet.models.yolo.description import build_graph, parse_network
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


def load(path: Path, hints: ImportHints) -> LoadedModel:
    """A YOLOv5 or YOLOv3 checkpoint.

    Args:
        path: `.pt`.
        hints: `class_names` and `tile_px` take the place of the file's.

    Raises:
        FileNotFoundError: no such file.
        ValueError: it names what a checkpoint must not, is damaged, or holds another network.
    """
    with TorchFile(path, KNOWN_NAMES) as file:
        return load_file(file, hints)


def load_file(file: TorchFile, hints: ImportHints) -> LoadedModel:
    """As `load`, from a file that was opened with `KNOWN_NAMES`."""
    try:
        return _import(file, hints)
    except (AttributeError, IndexError, KeyError, TypeError) as error:
        raise ValueError(f"{file.path}: not a checkpoint of YOLOv5 or YOLOv3: {error!r}") from error


def is_ultralytics(content: Any) -> bool:
    """Whether a file of torch.save holds a network as objects, not a dict of tensors."""
    if isinstance(content, dict):
        inner = content.get("ema") or content.get("model") or content
        content = inner if isinstance(inner, dict | Record) else content
    return isinstance(content, Record)


def _import(file: TorchFile, hints: ImportHints) -> LoadedModel:
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
    names = hints.names_for(num_classes, file.path, _class_names(state_of(model)["names"]))
    side_px = SIDE_PX.get(len(grid_anchors), 640)
    description = _description(lines, anchors, side_px, convolutions)
    config = _config(description, file.path.stem, num_classes)
    graph = with_outputs(config.graph(), num_classes)
    if graph.num_parameters != sum(value.numel() for group in values for value in group):
        raise ValueError(f"{file.path}: its tensors do not fit its layers")
    detector = config.build(names, hints.tile_px or side_px)
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


def _description(
    lines: Sequence[dict[str, Any]],
    anchors: Tensor,
    side_px: int,
    convolutions: Sequence[tuple[Record, Record | None]],
) -> dict[str, Any]:
    """What a network text would say; options that only repeat what holds anyway are left out."""
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
    return {
        "side_px": side_px,
        "activation": usual["activation"],
        "norm_epsilon": epsilons.pop() if epsilons else 1e-3,
        "anchors": [[round(side, 3) for side in anchor] for anchor in anchors.tolist()],
        "output": OUTPUT,
        "layers": list(lines),
    }


def _config(description: dict[str, Any], name: str, num_classes: int) -> YoloConfig:
    """The schema: by name for a network that comes with smalldet, with a text for another."""
    graph = with_outputs(build_graph(description, name), num_classes)
    first = next(layer for layer in graph.layers if isinstance(layer, Convolution))
    for known, (text_name, width, _) in KNOWN.items():
        if not text_name.startswith("yolov5") or Style(width).filters(64) != first.filters:
            continue
        own = parse_network(known_text(known), known)
        if len(own.layers) == len(graph.layers) and with_outputs(own, num_classes) == graph:
            return YoloConfig(network=known)
    text = yaml.safe_dump(description, sort_keys=False, default_flow_style=None)
    return YoloConfig(network=name, text=text)


def _class_names(names: Any) -> tuple[str, ...] | None:
    """The file's own, a list or {number: name}; None where they are not all names."""
    listed = [names[i] for i in range(len(names))]
    return tuple(listed) if all(isinstance(name, str) for name in listed) else None


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
    for layer, tensors in zip(layers, values, strict=True):
        if layer.norm is None:
            own = [layer.conv.weight, layer.conv.bias]
        else:
            norm = layer.norm
            own = [layer.conv.weight, norm.weight, norm.bias, norm.running_mean, norm.running_var]
        for target, value in zip(own, tensors, strict=True):
            assert target is not None
            if target.shape != value.shape:
                raise ValueError(
                    f"{path}: a tensor of {tuple(value.shape)} where {tuple(target.shape)} belongs"
                )
            target.data.copy_(value)
    check_sound(path, net)
