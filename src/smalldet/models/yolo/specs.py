"""Layers of a network as data: what a description such as a Darknet cfg lowers to.

Every layer names the layers it reads by their absolute number; `PICTURE` is the input. Nothing
here takes memory for weights, so that a network can be checked before it is built.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from smalldet.models.attention import AttentionKind

PICTURE = -1

# As OpenCV's reader of Darknet files takes it; 1e-5 moves scores of a depthwise network by 1e-3.
DARKNET_EPSILON = 1e-6

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
    norm_epsilon: float = DARKNET_EPSILON


@dataclass(frozen=True)
class Pad:
    """Zeros around the picture: `before_px` left and above, `after_px` right and below."""

    sources: tuple[int, ...]
    before_px: int
    after_px: int


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
class Attention:
    """A gate on channels or places, see `models/attention.py`; Darknet has none of its kind."""

    sources: tuple[int, ...]
    kind: AttentionKind


@dataclass(frozen=True)
class Yolo:
    """An output: for each cell and each anchor of `mask`, a box, its objectness, its classes.

    Args:
        sources: the one layer that holds the raw values.
        anchors: (width, height) in pixels, of all outputs of the network.
        mask: which of `anchors` belong to this output.
        num_classes: of each anchor.
        scale_xy: how far past its cell a centre may reach; 1 is not at all.
        squared_sides: sides are (2 sigmoid)^2 anchors, not exp anchors.
        activated: the layer before is logistic: raw values are sigmoids already.
        assignment: an object is learnt by the anchor of the "best_shape" in the cell of its centre
            (YOLOv3, YOLOv4), or by every anchor within a "side_ratio" of 4 in up to three cells
            (YOLOv5); the loss is that of the same generation.
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
    squared_sides: bool = False
    activated: bool = False
    assignment: Literal["best_shape", "side_ratio"] = "best_shape"
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
    | Pad
    | MaxPool
    | Route
    | Shortcut
    | Product
    | Upsample
    | Reorg
    | Dropout
    | AveragePool
    | Attention
    | Yolo
)
