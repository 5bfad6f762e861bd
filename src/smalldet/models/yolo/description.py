"""Our own network texts: YAML whose lines are blocks that name what they read.

    width: 0.5                        # of all filters; depth: of all repeats
    anchors: [[10, 13], [16, 30]]     # (width, height) in pixels
    output: {scale_xy: 2}             # what all outputs share, as in `OutputStyle`
    layers:
      - {conv: 64, size: 3, stride: 2}
      - {c3: 128, repeat: 3, name: fine}
      - {conv: 256, size: 3, stride: 2}
      - {upsample: 2, name: up}
      - {concat: [up, fine]}
      - {yolo: [0, 1]}

`blocks.BLOCKS` has all blocks and their options.
"""

from __future__ import annotations

from typing import Any, Literal, cast

from pydantic import Field

from smalldet.config.base import Frozen
from smalldet.config.load import checked
from smalldet.config.yaml_text import parse_yaml
from smalldet.models.yolo.block_writer import BlockWriter, Style
from smalldet.models.yolo.blocks import BLOCKS, Block
from smalldet.models.yolo.builder import GraphBuilder
from smalldet.models.yolo.shapes import MAX_LAYERS, Graph
from smalldet.models.yolo.specs import DARKNET_EPSILON, PICTURE, Activation

MAX_TEXT_BYTES = 1 << 20


class OutputStyle(Frozen):
    """What the outputs of a network share; see `specs.Yolo`."""

    scale_xy: float = Field(default=1.0, ge=1, le=4)
    squared_sides: bool = False
    assignment: Literal["best_shape", "side_ratio"] = "best_shape"
    ignore_iou: float = Field(default=0.5, ge=0, le=1)
    assign_iou: float = Field(default=1.0, ge=0, le=1)
    box_loss: Literal["mse", "iou", "giou", "diou", "ciou"] = "mse"
    box_weight: float = Field(default=0.75, ge=0)
    objectness_weight: float = Field(default=1.0, ge=0)
    class_weight: float = Field(default=1.0, ge=0)


class NetworkText(Frozen):
    """Schema of a network text."""

    channels: int = Field(default=3, ge=1, le=64)
    side_px: int = Field(default=640, ge=32, le=65_536)
    width: float = Field(default=1.0, gt=0, le=8)
    depth: float = Field(default=1.0, gt=0, le=8)
    activation: Activation = "leaky"
    norm_epsilon: float = Field(default=DARKNET_EPSILON, gt=0, lt=1)
    num_classes: int = Field(default=80, ge=1, le=10_000)
    anchors: tuple[tuple[float, float], ...]
    output: OutputStyle = OutputStyle()
    layers: tuple[dict[str, Any], ...] = Field(min_length=1, max_length=MAX_LAYERS)


def parse_network(text: str, where: str = "network") -> Graph:
    """A network text to its network; takes no memory for weights.

    Args:
        text: YAML.
        where: its name, for messages.

    Raises:
        ValueError: with the number of the layer: an unknown block, option or name, sources that do
            not fit, or a network of absurd size.
    """
    return build_graph(_read(text, where), where)


def build_graph(description: dict[str, Any], where: str = "network") -> Graph:
    """The network that the content of a network text describes; see `parse_network`."""
    content = checked(NetworkText, description, where)
    if any(side <= 0 for anchor in content.anchors for side in anchor):
        raise ValueError(f"{where}: anchors must be pairs of positive sides")
    style = Style(
        content.width,
        content.depth,
        content.activation,
        content.norm_epsilon,
        content.anchors,
        content.num_classes,
        content.output.model_dump(),
    )
    builder = GraphBuilder(content.channels)
    writer = BlockWriter(builder, style)
    named: dict[str, int] = {}
    last = PICTURE
    for number, line in enumerate(content.layers):
        place = f"{where}: layer {number}"
        block = _block(line, place)
        unknown = [name for name in block.reads if name is not None and name not in named]
        if unknown:
            raise ValueError(f"{place}: no line before is named {unknown[0]!r}")
        sources = [last if name is None else named[name] for name in block.reads]
        try:
            last = block.lower(writer, *sources)
        except ValueError as error:
            raise ValueError(f"{place}: {error}") from None
        if block.name is not None:
            named[block.name] = last
    return builder.graph(content.side_px, content.side_px)


def _read(text: str, where: str) -> dict[str, Any]:
    if len(text) > MAX_TEXT_BYTES:
        raise ValueError(f"{where}: {len(text)} bytes are no network text ({MAX_TEXT_BYTES} most)")
    content = parse_yaml(text, where)
    if not isinstance(content, dict):
        raise ValueError(f"{where}: expected keys such as layers, found {type(content).__name__}")
    return cast("dict[str, Any]", content)


def _block(line: dict[str, Any], place: str) -> Block:
    kinds = [key for key in line if key in BLOCKS]
    if len(kinds) != 1:
        known = ", ".join(sorted(BLOCKS))
        raise ValueError(f"{place}: {line} must have one of the keys {known}")
    return checked(BLOCKS[kinds[0]], line, place)
