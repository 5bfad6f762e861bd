"""Box voting: what suppression takes away tells the boxes that stay where their edges are."""

from __future__ import annotations

import torch
from torch import Tensor

from smalldet.geometry.log_shapes import axes_of_log_shapes, log_shapes
from smalldet.geometry.oriented import canonical, enclosing_boxes
from smalldet.geometry.overlaps import iou
from smalldet.geometry.pairs import alike_pairs
from smalldet.geometry.rotated import rotated_iou


def vote_boxes(
    boxes: Tensor,
    scores: Tensor,
    labels: Tensor,
    kept: Tensor,
    iou_threshold: float,
    least_share: float,
) -> Tensor:
    """Each kept box moved to the mean of itself and its voters, weighted by score.

    Several places of a detector see one object, and each errs in its own way: their mean errs less
    than the strongest alone. A kept box's voters are boxes of its class that were not kept, overlap
    it by more than a threshold and are no stronger than it, nor much weaker. Of oriented boxes the
    centres and the log shapes are averaged, which have no angle that could jump.

    Args:
        boxes: (N, 4) xyxy pixels or (N, 5) oriented with positive sides, all candidates.
        scores: (N,) positive.
        labels: (N,) int64 from 0.
        kept: (K,) int64, rows that suppression kept.
        iou_threshold: a voter overlaps the kept box by more, in [0, 1).
        least_share: of the kept box's score that a voter has at least.

    Returns:
        (K, 4) or (K, 5), canonical, in the type and on the device of `boxes`.

    Source: Gidaris and Komodakis 2015, arXiv 1505.01749, section 3.3.
    """
    # On the CPU whatever the device: candidates are few, and only near ones are compared there.
    box, score, group, rows = boxes.cpu().double(), scores.cpu().double(), labels.cpu(), kept.cpu()
    oriented = box.shape[1] == 5
    place = torch.full((len(box),), -1)
    place[rows] = torch.arange(len(rows))
    one, other = alike_pairs(enclosing_boxes(box) if oriented else box, iou_threshold, group)
    one, other = torch.cat((one, other)), torch.cat((other, one))
    votes = (place[one] >= 0) & (place[other] < 0) & (score[other] <= score[one])
    votes &= score[other] >= least_share * score[one]
    one, other = one[votes], other[votes]
    overlap = rotated_iou if oriented else iou
    near = overlap(box[one], box[other]) > iou_threshold
    one, other = one[near], other[near]
    edges = torch.cat((box[:, :2], log_shapes(box)), 1) if oriented else box
    shift = torch.zeros(len(rows), box.shape[1], dtype=torch.double)
    shift.index_add_(0, place[one], score[other, None] * (edges[other] - edges[one]))
    weight = score[rows].index_add(0, place[one], score[other])
    moved = edges[rows] + shift / weight[:, None]
    if oriented:  # there and back is not to the bit, so boxes without voters do not go
        moved = torch.where((shift == 0).all(1, keepdim=True), box[rows], _rboxes_of(moved))
        return canonical(moved.to(boxes))
    return moved.to(boxes)


def _rboxes_of(edges: Tensor) -> Tensor:
    """(K, 5) centre and log shape to oriented boxes."""
    axes = axes_of_log_shapes(edges[:, 2:])
    return torch.cat((edges[:, :2], axes[:, :2].exp(), axes[:, 2:]), 1)
