"""Layers of a network as data: what a description such as a Darknet cfg lowers to.

Every layer names the layers it reads by their absolute number; `PICTURE` is the input. Nothing
here takes memory for weights, so that a network can be checked before it is built.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

PICTURE = -1

Activation = Literal["leaky", "linear", "logistic", "mish", "relu", "relu6", "swish"]


@dataclass(frozen=True)
class Convolution:
    """A square convolution, normalised (then without bias) or not, and an activation.

    `padding_px` is on each side, in pixels of the layer's input.
    """

    sources: tuple[int, ...]
    filters: int
    size: int
    stride: int
    padding_px: int
    dilation: int
    groups: int
    normalised: bool
    activation: Activation


@dataclass(frozen=True)
class MaxPool:
    """Largest of each window; `padding_px` is the sum of both sides, the first gets the floor."""

    sources: tuple[int, ...]
    size: int
    stride: int
    padding_px: int


@dataclass(frozen=True)
class Route:
    """Sources side by side along the channels; of each only part `group_id` of `groups`."""

    sources: tuple[int, ...]
    groups: int
    group_id: int


@dataclass(frozen=True)
class Shortcut:
    """Sum of the sources, then an activation."""

    sources: tuple[int, ...]
    activation: Activation


@dataclass(frozen=True)
class Product:
    """Product of two sources, then an activation; one may hold a single value per channel."""

    sources: tuple[int, ...]
    activation: Activation


@dataclass(frozen=True)
class Upsample:
    """Every pixel repeated `stride` times in both directions."""

    sources: tuple[int, ...]
    stride: int


@dataclass(frozen=True)
class Reorg:
    """Space to channels, in the order of Darknet's `[reorg]`."""

    sources: tuple[int, ...]
    stride: int


@dataclass(frozen=True)
class Dropout:
    sources: tuple[int, ...]
    probability: float


@dataclass(frozen=True)
class AveragePool:
    """The mean over the whole picture: one value per channel."""

    sources: tuple[int, ...]


@dataclass(frozen=True)
class Yolo:
    """An output: for each cell and each anchor of `mask`, a box, its objectness, its classes.

    Args:
        sources: the one layer that holds the raw values.
        anchors: (width, height) in pixels, of all outputs of the network.
        mask: which of `anchors` belong to this output.
        num_classes: of each anchor.
        scale_xy: how far past its cell a centre may reach; 1 is not at all.
        new_coords: raw values are activated already, and sides are squares, not exponentials.
        ignore_iou: a prediction nearer than this to an object is no negative in training.
        assign_iou: anchors of this shape IoU or better learn an object beside the best; 1 is none.
        box_loss: "mse" is the loss of YOLOv3 on offsets, the others are 1 - overlap.
        box_weight: of the box loss.
        objectness_weight: of the objectness loss.
        class_weight: of the class loss.
    """

    sources: tuple[int, ...]
    anchors: tuple[tuple[float, float], ...]
    mask: tuple[int, ...]
    num_classes: int
    scale_xy: float = 1.0
    new_coords: bool = False
    ignore_iou: float = 0.5
    assign_iou: float = 1.0
    box_loss: Literal["mse", "iou", "giou", "diou", "ciou"] = "mse"
    box_weight: float = 0.75
    objectness_weight: float = 1.0
    class_weight: float = 1.0

    @property
    def own_anchors(self) -> tuple[tuple[float, float], ...]:
        """Anchors of this output, (width, height) in pixels."""
        return tuple(self.anchors[i] for i in self.mask)


Layer = (
    Convolution
    | MaxPool
    | Route
    | Shortcut
    | Product
    | Upsample
    | Reorg
    | Dropout
    | AveragePool
    | Yolo
)
