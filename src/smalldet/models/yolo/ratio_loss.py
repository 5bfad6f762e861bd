"""What YOLOv5 learns: objects by anchors of like sides in up to three cells, and the loss of it.

YOLOv5 has no paper. Its rules, from its public documentation: an anchor learns an object if no side
differs by more than a factor of 4; besides the cell of the centre its two nearest neighbours learn
it, which `scale_xy` = 2 lets reach that far; the truth of objectness is the CIoU of the predicted
box; objectness counts more at finer strides.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from smalldet.geometry import overlaps
from smalldet.geometry.boxes import xyxy_to_cxcywh
from smalldet.models.losses import mean_over_processes, mute_masks
from smalldet.models.yolo.specs import Yolo
from smalldet.models.yolo.yolo_head import Grid, Places
from smalldet.targets import Target

MAX_RATIO = 4.0
# by output, finest first
BALANCE_OF_THREE = (4.0, 1.0, 0.4)
BALANCE = (4.0, 1.0, 0.25, 0.06, 0.02)
# the weights of a loss were tuned for three outputs, 80 classes and 640 px
TUNED_OUTPUTS, TUNED_CLASSES, TUNED_PX = 3, 80, 640


def assign(layer: Yolo, grid: Grid, boxes: Tensor) -> tuple[Tensor, Tensor]:
    """Places of one output that learn the objects of pictures.

    An object that no anchor of the network fits, as one of 2 px may be, is learnt by the anchor
    that fits best: none goes without.

    Args:
        layer: the output.
        grid: its places.
        boxes: (N, 4) xyxy pixels.

    Returns:
        (P,) places within a picture, and (P,) rows of `boxes`.
    """
    cx, cy, w, h = xyxy_to_cxcywh(boxes).unbind(1)
    sides = torch.stack((w, h), 1).clamp(min=1e-3)[:, None] / boxes.new_tensor(layer.anchors)
    ratio = torch.maximum(sides, 1 / sides).amax(2)
    fits = ratio < MAX_RATIO
    fits |= ~fits.any(1, keepdim=True) & (ratio == ratio.amin(1, keepdim=True))
    objects, anchors = fits[:, list(layer.mask)].nonzero(as_tuple=True)
    width, height = (int(side) + 1 for side in grid.cells[-1])
    size = boxes.new_tensor((width, height))
    at = torch.stack((cx, cy), 1)[objects] / grid.cell_px
    offset = at % 1
    # neighbours: left, up, right, down; each only where the picture goes on
    low = (offset < 0.5) & (at > 1)
    high = (offset > 0.5) & (at < size - 1)
    wanted = torch.cat((torch.ones_like(low[:, :1]), low, high), 1)
    steps = at.new_tensor(((0, 0), (-1, 0), (0, -1), (1, 0), (0, 1)))
    pair, step = wanted.nonzero(as_tuple=True)
    cell = torch.minimum((at[pair].floor() + steps[step]).clamp(min=0), size - 1).long()
    return (anchors[pair] * height + cell[:, 1]) * width + cell[:, 0], objects[pair]


def batch_loss(
    outputs: list[tuple[Yolo, Grid, Places]], targets: list[Target], side_px: int
) -> dict[str, Tensor]:
    """`box`, `objectness` and `class` of a batch, each a mean, weighted as the layers say.

    Args:
        outputs: of the network.
        targets: one for each picture.
        side_px: longer side of the pictures.
    """
    boxes = torch.cat([target.boxes for target in targets])
    labels = torch.cat([target.labels for target in targets])
    counts = torch.tensor([len(target.boxes) for target in targets], device=boxes.device)
    pictures = torch.arange(len(targets), device=boxes.device).repeat_interleave(counts)
    balance = _balance([grid for _, grid, _ in outputs])
    terms = [
        torch.stack(_output_loss(*output, boxes, labels, pictures, targets))
        * boxes.new_tensor((1.0, weight, 1.0))
        for output, weight in zip(outputs, balance, strict=True)
    ]
    box, objectness, classes = torch.stack(terms).sum(0) * (TUNED_OUTPUTS / len(outputs))
    num_classes = outputs[0][0].num_classes
    batch = len(targets)
    return {
        "box": box * batch,
        "objectness": objectness * batch * (side_px / TUNED_PX) ** 2,
        "class": classes * batch * num_classes / TUNED_CLASSES,
    }


def _output_loss(
    layer: Yolo,
    grid: Grid,
    places: Places,
    boxes: Tensor,
    labels: Tensor,
    pictures: Tensor,
    targets: list[Target],
) -> tuple[Tensor, Tensor, Tensor]:
    """Means of one output, weighted as the layer says."""
    rows, objects = assign(layer, grid, boxes)
    at = (pictures[objects], rows)
    norm = mean_over_processes(boxes.new_tensor(float(len(rows)))).clamp(min=1.0)
    overlap = overlaps.ciou(places.boxes[at], boxes[objects])
    truth = torch.zeros_like(places.objectness)
    quality = overlap.detach().clamp(min=0)
    # where a place learns several objects, the one that it meets best counts
    truth.view(-1).scatter_reduce_(
        0, at[0] * truth.shape[1] + rows, quality.to(truth.dtype), "amax"
    )
    entropy = F.binary_cross_entropy_with_logits(places.objectness, truth, reduction="none")
    muted = mute_masks((grid.cells + 0.5) * grid.cell_px, targets)
    if muted is not None:
        held = torch.zeros_like(truth, dtype=torch.bool)
        held[at] = True
        entropy = entropy.masked_fill(muted.any(-1) & ~held, 0.0)
    named = F.one_hot(labels[objects], layer.num_classes).to(places.classes.dtype)
    classes = F.binary_cross_entropy_with_logits(places.classes[at], named, reduction="none")
    return (
        layer.box_weight * (1 - overlap).sum() / norm,
        layer.objectness_weight * entropy.mean(),
        layer.class_weight * classes.sum() / norm / layer.num_classes,
    )


def _balance(grids: list[Grid]) -> tuple[float, ...]:
    """Weight of each output's objectness: by its rank from the finest."""
    strides = [float(grid.cell_px[0]) for grid in grids]
    ranks = [sorted(strides).index(stride) for stride in strides]
    weights = BALANCE_OF_THREE if len(grids) == 3 else BALANCE
    return tuple(weights[min(rank, len(weights) - 1)] for rank in ranks)
