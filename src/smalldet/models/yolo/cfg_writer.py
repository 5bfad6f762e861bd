"""A graph as the text of a Darknet cfg."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from smalldet.models.yolo.shapes import Graph
from smalldet.models.yolo.specs import (
    PICTURE,
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

Option = tuple[str, object]


def cfg_text(graph: Graph) -> str:
    """A cfg that `parse_cfg` lowers to the same network.

    The epsilon of normalisation is Darknet's own there: `checkpoints.darknet.write_weights` makes
    up for another. Outputs with squared sides get logistic convolutions before them. What only
    YOLOv5's training knows is not told.

    Raises:
        ValueError: a layer that Darknet does not have.
    """
    net = [("channels", graph.in_channels), ("width", graph.width_px), ("height", graph.height_px)]
    logistic = {o.sources[0] for o in graph.outputs if o.squared_sides and not o.activated}
    sections: list[str] = []
    places = {PICTURE: -1}
    for number, layer in enumerate(graph.layers):
        sources = tuple(places[source] for source in layer.sources)
        if not isinstance(layer, Route) and len(sections) - 1 not in sources:
            # all but routes read what stands before them: a route brings it there
            if PICTURE in layer.sources:
                raise ValueError(f"in Darknet layer {number} could not read the picture")
            sections.append(_section("route", [("layers", sources[0] - len(sections))]))
            sources = (len(sections) - 1, *sources[1:])
        name, options = _told(replace(layer, sources=sources), len(sections))
        if number in logistic:
            options = [(key, "logistic" if key == "activation" else v) for key, v in options]
        places[number] = len(sections)
        sections.append(_section(name, options))
    return "\n".join([_section("net", net), *sections])


def _section(name: str, options: Sequence[Option]) -> str:
    return f"[{name}]\n" + "".join(f"{key}={_value(value)}\n" for key, value in options)


def _value(value: object) -> str:
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, tuple):
        return ",".join(_value(part) for part in value)
    return str(int(value)) if isinstance(value, bool) else str(value)


def _told(layer: Layer, number: int) -> tuple[str, Sequence[Option]]:
    """Name and options of the section of a layer."""
    match layer:
        case Convolution():
            return "convolutional", list(_convolution(layer))
        case MaxPool():
            options = [
                ("size", layer.size),
                ("stride", layer.stride),
                ("padding", layer.padding_px),
            ]
            return "maxpool", options
        case Route():
            options: list[Option] = [("layers", _relative(layer.sources, number))]
            if layer.groups > 1:
                options += [("groups", layer.groups), ("group_id", layer.group_id)]
            return "route", options
        case Shortcut():
            others = tuple(s for s in layer.sources if s != number - 1)
            if len(others) != len(layer.sources) - 1:
                raise ValueError("Darknet cannot add a layer to itself")
            options = [("from", _relative(others, number)), ("activation", layer.activation)]
            return "shortcut", options
        case Product():
            values, factors = layer.sources
            name, source = ("scale_channels", values) if factors == number - 1 else ("sam", factors)
            return name, [("from", source - number), ("activation", layer.activation)]
        case Upsample():
            return "upsample", [("stride", layer.stride)]
        case Reorg():
            return "reorg", [("stride", layer.stride)]
        case Dropout():
            return "dropout", [("probability", layer.probability)]
        case AveragePool():
            return "avgpool", []
        case Yolo():
            return "yolo", list(_yolo(layer))
        case _:
            raise ValueError(f"Darknet has no {type(layer).__name__}")


def _convolution(layer: Convolution) -> Iterator[Option]:
    yield "batch_normalize", layer.normalised
    yield "filters", layer.filters
    yield "size", layer.size
    yield "stride", layer.stride
    if layer.size > 1 and layer.padding_px == layer.size // 2 * layer.dilation:
        yield "pad", 1
    elif layer.padding_px:
        yield "padding", layer.padding_px // layer.dilation
    if layer.dilation > 1:
        yield "dilation", layer.dilation
    if layer.groups > 1:
        yield "groups", layer.groups
    yield "activation", layer.activation


def _yolo(layer: Yolo) -> Iterator[Option]:
    yield "mask", layer.mask
    yield "anchors", tuple(side for anchor in layer.anchors for side in anchor)
    yield "classes", layer.num_classes
    yield "num", len(layer.anchors)
    yield "scale_x_y", layer.scale_xy
    yield "ignore_thresh", layer.ignore_iou
    yield "iou_thresh", layer.assign_iou
    yield "iou_loss", layer.box_loss
    yield "iou_normalizer", layer.box_weight
    yield "obj_normalizer", layer.objectness_weight
    yield "cls_normalizer", layer.class_weight
    if layer.squared_sides:
        yield "new_coords", 1


def _relative(sources: Sequence[int], number: int) -> tuple[int, ...]:
    return tuple(source - number for source in sources)
