"""What YOLOv3 and YOLOv4 learn: which place answers for which object, and the loss of it.

Sources: Redmon and Farhadi 2018 (YOLOv3), arXiv 1804.02767, section 2.1; Bochkovskiy et al. 2020
(YOLOv4), arXiv 2004.10934, section 3.4; weights and thresholds are the cfg's, as in Darknet.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from smalldet.geometry import overlaps
from smalldet.geometry.boxes import xyxy_to_cxcywh
from smalldet.models.losses import mean_over_processes, mute_mask
from smalldet.models.yolo.anchors import present_anchors, shape_iou
from smalldet.models.yolo.specs import Yolo
from smalldet.models.yolo.yolo_head import Grid, Places
from smalldet.targets import Target

# What a cfg's `iou_normalizer` of an overlap loss is multiplied by. Darknet takes the slope of the
# overlap in sides of the picture, and hands it to the raw values without the factors that lead from
# them to a box: it is steeper than the true one by picture side / anchor for a side, by 4 cells of
# the map for a centre: 7 to 100 times at 416 px. With 0.07 alone boxes would hardly be learnt.
OVERLAP_SLOPE = 30.0

_OVERLAPS = {
    "iou": overlaps.iou,
    "giou": overlaps.giou,
    "diou": overlaps.diou,
    "ciou": overlaps.ciou,
}


class Pairs(NamedTuple):
    """Which place learns which object; a place may learn several that share its cell.

    Args:
        rows: (P,) int64 place.
        objects: (P,) int64 object.
    """

    rows: Tensor
    objects: Tensor


class Sums(NamedTuple):
    """Losses summed over places, not yet divided; `positives` counts pairs."""

    box: Tensor
    objectness: Tensor
    classes: Tensor
    positives: Tensor


def assign(layer: Yolo, grid: Grid, boxes: Tensor, present: Sequence[int]) -> Pairs:
    """Places of one output that learn the objects (N, 4) of a picture.

    An object is learnt in the cell of its centre, by the anchor of the whole network that has its
    shape best, and by every other anchor whose shape IoU is above `assign_iou`.

    Args:
        layer: the output.
        grid: its places.
        boxes: (N, 4) xyxy pixels.
        present: anchors that some output has. YOLOv4-tiny's smallest is in none, and in Darknet
            the objects that it suits best, the smallest, are learnt nowhere; here by the next best.
    """
    cx, cy, w, h = xyxy_to_cxcywh(boxes).unbind(1)
    alike = shape_iou(torch.stack((w, h), 1), boxes.new_tensor(layer.anchors))
    alike[:, [i for i in range(len(layer.anchors)) if i not in present]] = -1
    mask = torch.tensor(layer.mask, device=boxes.device)
    wanted = alike.argmax(1)[:, None] == mask
    wanted |= alike[:, mask] > layer.assign_iou
    objects, anchors = wanted.nonzero(as_tuple=True)
    width, height = (int(side) + 1 for side in grid.cells[-1])
    x = (cx / grid.cell_px[0]).long().clamp(0, width - 1)[objects]
    y = (cy / grid.cell_px[1]).long().clamp(0, height - 1)[objects]
    return Pairs((anchors * height + y) * width + x, objects)


def batch_loss(
    outputs: list[tuple[Yolo, Grid, Places]], targets: list[Target]
) -> dict[str, Tensor]:
    """`box`, `objectness` and `class`, sums over the batch divided by its positives.

    The divisor is averaged over processes, so that several processes step as one would.
    """
    present = present_anchors([layer for layer, _, _ in outputs])
    sums = [
        output_loss(layer, grid, places, picture, target, present)
        for layer, grid, places in outputs
        for picture, target in enumerate(targets)
    ]
    box, objectness, classes, positives = (
        torch.stack(terms).sum() for terms in zip(*sums, strict=True)
    )
    norm = mean_over_processes(positives).clamp(min=1.0)
    return {"box": box / norm, "objectness": objectness / norm, "class": classes / norm}


def output_loss(
    layer: Yolo, grid: Grid, places: Places, picture: int, target: Target, present: Sequence[int]
) -> Sums:
    """Losses of one output for one picture of the batch, weighted as the cfg says."""
    boxes, objectness = places.boxes[picture], places.objectness[picture]
    pairs = assign(layer, grid, target.boxes, present)
    held = torch.zeros_like(objectness, dtype=torch.bool)
    held[pairs.rows] = True
    idle = _near_object(layer, boxes.detach(), target)
    if len(target.mute_boxes):
        idle |= mute_mask((grid.cells + 0.5) * grid.cell_px, target).any(1)
    counted = held | ~idle
    entropy = F.binary_cross_entropy_with_logits(objectness, held.float(), reduction="none")
    if layer.box_loss == "mse":
        box_errors = _offset_errors(layer, grid, places.offsets[picture], pairs, target)
    else:
        overlap = _OVERLAPS[layer.box_loss](boxes[pairs.rows], target.boxes[pairs.objects])
        box_errors = OVERLAP_SLOPE * (1 - overlap)
    return Sums(
        layer.box_weight * box_errors.sum(),
        layer.objectness_weight * entropy[counted].sum(),
        layer.class_weight * _class_sum(places.classes[picture], held, pairs, target),
        torch.tensor(float(len(pairs.rows)), device=boxes.device),
    )


def _class_sum(classes: Tensor, held: Tensor, pairs: Pairs, target: Target) -> Tensor:
    """Cross entropy of the places that hold objects; logits (L, C)."""
    truth = torch.zeros_like(classes)
    truth[pairs.rows, target.labels[pairs.objects]] = 1
    return F.binary_cross_entropy_with_logits(classes[held], truth[held], reduction="sum")


def _offset_errors(
    layer: Yolo, grid: Grid, offsets: Tensor, pairs: Pairs, target: Target
) -> Tensor:
    """(P,) YOLOv3's error of raw offsets; small objects count up to twice."""
    truth = xyxy_to_cxcywh(target.boxes[pairs.objects])
    in_cell = truth[:, :2] / grid.cell_px - grid.cells[pairs.rows]
    in_cell = ((in_cell + (layer.scale_xy - 1) / 2) / layer.scale_xy).clamp(0, 1)
    ratio = truth[:, 2:].clamp(min=1e-3) / grid.anchors[pairs.rows]
    xy, wh = offsets[pairs.rows].split(2, 1)
    if layer.activated:
        place_errors = (xy - in_cell).square() / 2
    else:
        place_errors = F.binary_cross_entropy_with_logits(xy, in_cell, reduction="none")
    if layer.squared_sides:
        wh = wh if layer.activated else wh.sigmoid()
        side_errors = (wh - ratio.sqrt() / 2).square() / 2
    else:
        side_errors = (wh - ratio.log()).square() / 2
    picture_area = (grid.cell_px * (grid.cells[-1] + 1)).prod()
    return (2 - truth[:, 2:].prod(1) / picture_area) * (place_errors + side_errors).sum(1)


def _near_object(layer: Yolo, boxes: Tensor, target: Target) -> Tensor:
    """(L,) bool: predictions so near an object that they are no negatives."""
    if len(target.boxes) == 0:
        return torch.zeros(len(boxes), dtype=torch.bool, device=boxes.device)
    overlap = overlaps.pairwise(overlaps.iou, boxes, target.boxes)
    return overlap.amax(1) > layer.ignore_iou
