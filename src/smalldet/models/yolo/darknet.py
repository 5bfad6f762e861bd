"""Darknet cfg to layers.

Source: the format as Darknet's parser reads it (pjreddie.com/darknet, github.com/AlexeyAB/darknet;
both public domain): section names, option names and their defaults.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import get_args

from smalldet.models.yolo.builder import GraphBuilder
from smalldet.models.yolo.sections import Section, read_sections
from smalldet.models.yolo.shapes import MAX_LAYERS, MAX_PARAMETERS, Graph
from smalldet.models.yolo.specs import (
    Activation,
    AveragePool,
    Convolution,
    Dropout,
    Layer,
    MaxPool,
    Product,
    Reorg,
    Route,
    Shortcut,
    Upsample,
    Yolo,
)

MAX_CFG_BYTES = 4 << 20


def read_cfg(path: Path) -> Graph:
    """The network of a `.cfg` file (see `parse_cfg`)."""
    return parse_cfg(read_text(path), str(path))


def read_text(path: Path) -> str:
    """The text of a cfg.

    Raises:
        FileNotFoundError: no such file.
        ValueError: far too large for one.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such cfg")
    if path.stat().st_size > MAX_CFG_BYTES:
        raise ValueError(
            f"{path}: {path.stat().st_size} bytes are no cfg ({MAX_CFG_BYTES} at most)"
        )
    return path.read_text(encoding="utf-8", errors="replace")


def parse_cfg(text: str, file: str = "cfg") -> Graph:
    """Text of a Darknet cfg to its network; takes no memory for weights.

    Args:
        text: of the cfg.
        file: its name, for messages.

    Raises:
        ValueError: with file and line: an unknown section, activation or option value, sources that
            do not fit, or a network of absurd size.
    """
    sections = read_sections(text, file, MAX_LAYERS + 1)
    if not sections or sections[0].name not in ("net", "network"):
        raise ValueError(f"{file}: a cfg begins with [net]")
    net, *rest = sections
    builder = GraphBuilder(net.whole("channels", 3, 1))
    for number, section in enumerate(rest):
        if section.name not in LOWERINGS:
            raise section.error(f"unknown section; known: {', '.join(sorted(LOWERINGS))}")
        layer = LOWERINGS[section.name](section, number)
        try:
            builder.add(layer)
        except ValueError as error:
            raise section.error(str(error)) from None
    return builder.graph(net.whole("width", 416, 1), net.whole("height", 416, 1))


def _convolution(section: Section, number: int) -> Convolution:
    section.refuse("xnor", "binary", "flipped", "antialiasing", "share_index", "stride_x")
    section.refuse("stride_y", "rotate", "sway", "deform", "stretch", "stretch_sway", "cbn")
    section.refuse("assisted_excitation", "coordconv")
    size = section.whole("size", 1, 1)
    dilation = section.whole("dilation", 1, 1, 64) if size > 1 else 1
    padding = size // 2 if section.whole("pad", 0) else section.whole("padding", 0, high=1024)
    return Convolution(
        (number - 1,),
        filters=section.whole("filters", 1, 1, MAX_PARAMETERS),
        size=size,
        stride=section.whole("stride", 1, 1, 64),
        padding_px=padding * dilation,
        dilation=dilation,
        groups=section.whole("groups", 1, 1),
        normalised=section.whole("batch_normalize", 0) > 0,
        activation=_activation(section, "logistic"),
    )


def _maxpool(section: Section, number: int) -> MaxPool:
    section.refuse("maxpool_depth", "antialiasing", "stride_x", "stride_y")
    stride = section.whole("stride", 1, 1, 64)
    size = section.whole("size", stride, 1, 1024)
    padding = section.whole("padding", size - 1, high=2 * size - 2)
    return MaxPool((number - 1,), size, stride, padding)


def _route(section: Section, number: int) -> Route:
    section.refuse("stream")
    groups = section.whole("groups", 1, 1)
    group_id = section.whole("group_id", 0, 0, groups - 1)
    return Route(_sources(section, "layers", number), groups, group_id)


def _shortcut(section: Section, number: int) -> Shortcut:
    section.refuse("weights_type")
    sources = (number - 1, *_sources(section, "from", number))
    return Shortcut(sources, _activation(section, "linear"))


def _scale_channels(section: Section, number: int) -> Product:
    section.refuse("scale_wh")
    values = _source_alone(section, number)
    return Product((values, number - 1), _activation(section, "linear"))


def _sam(section: Section, number: int) -> Product:
    return Product((number - 1, _source_alone(section, number)), _activation(section, "linear"))


def _upsample(section: Section, number: int) -> Upsample:
    if section.number("scale", 1.0) != 1.0:
        raise section.error("scale is not supported", "scale")
    return Upsample((number - 1,), section.whole("stride", 2, 1, 64))


def _reorg(section: Section, number: int) -> Reorg:
    section.refuse("reverse", "flatten", "extra")
    return Reorg((number - 1,), section.whole("stride", 1, 1, 64))


def _dropout(section: Section, number: int) -> Dropout:
    section.refuse("dropblock")
    return Dropout((number - 1,), section.number("probability", 0.5, 0.0, 1.0))


def _avgpool(section: Section, number: int) -> AveragePool:
    return AveragePool((number - 1,))


def _yolo(section: Section, number: int) -> Yolo:
    sides = section.numbers("anchors")
    if not sides or len(sides) % 2 or min(sides) <= 0:
        raise section.error("anchors must be pairs of positive sides", "anchors")
    anchors = tuple(zip(sides[::2], sides[1::2], strict=True))
    mask = tuple(section.wholes("mask")) or tuple(range(section.whole("num", 1, 1)))
    if not all(0 <= i < len(anchors) for i in mask):
        raise section.error(f"mask must point into {len(anchors)} anchors", "mask")
    box_loss = section.text("iou_loss", "mse")
    if box_loss not in ("mse", "iou", "giou", "diou", "ciou"):
        raise section.error(f"unknown iou_loss={box_loss}", "iou_loss")
    return Yolo(
        (number - 1,),
        anchors,
        mask,
        num_classes=section.whole("classes", 20, 1),
        scale_xy=section.number("scale_x_y", 1.0, 1.0, 4.0),
        squared_sides=section.whole("new_coords", 0) > 0,
        activated=section.whole("new_coords", 0) > 0,
        ignore_iou=section.number("ignore_thresh", 0.5, 0.0, 1.0),
        assign_iou=section.number("iou_thresh", 1.0, 0.0, 1.0),
        box_loss=box_loss,
        box_weight=section.number("iou_normalizer", 0.75),
        objectness_weight=section.number("obj_normalizer", 1.0),
        class_weight=section.number("cls_normalizer", 1.0),
    )


def _activation(section: Section, default: Activation) -> Activation:
    name = section.text("activation", default)
    for known in get_args(Activation):
        if name == known:
            return known
    known = ", ".join(get_args(Activation))
    raise section.error(f"unknown activation {name!r}; known: {known}", "activation")


def _sources(section: Section, key: str, number: int) -> tuple[int, ...]:
    """Absolute numbers of the layers that `key` names; negative ones count from this layer."""
    named = section.wholes(key)
    if not named:
        raise section.error(f"{key} is missing")
    sources = tuple(number + layer if layer < 0 else layer for layer in named)
    for layer, source in zip(named, sources, strict=True):
        if not 0 <= source < number:
            raise section.error(f"{key}: {layer} is no layer before layer {number}", key)
    return sources


def _source_alone(section: Section, number: int) -> int:
    sources: Sequence[int] = _sources(section, "from", number)
    if len(sources) != 1:
        raise section.error("from must name one layer", "from")
    return sources[0]


LOWERINGS: dict[str, Callable[[Section, int], Layer]] = {
    "avgpool": _avgpool,
    "conv": _convolution,
    "convolutional": _convolution,
    "dropout": _dropout,
    "max": _maxpool,
    "maxpool": _maxpool,
    "reorg": _reorg,
    "route": _route,
    "sam": _sam,
    "scale_channels": _scale_channels,
    "shortcut": _shortcut,
    "upsample": _upsample,
    "yolo": _yolo,
}
