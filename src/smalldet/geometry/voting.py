"""Box voting: what suppression takes away tells the boxes that stay where their edges are."""

from __future__ import annotations

import torch
from torch import Tensor

from smalldet.geometry.overlaps import iou
from smalldet.geometry.pairs import alike_pairs


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
    it by more than a threshold and are no stronger than it, nor much weaker.

    Args:
        boxes: (N, 4) xyxy pixels, all candidates.
        scores: (N,) positive.
        labels: (N,) int64 from 0.
        kept: (K,) int64, rows that suppression kept.
        iou_threshold: a voter overlaps the kept box by more, in [0, 1).
        least_share: of the kept box's score that a voter has at least.

    Returns:
        (K, 4) in the type and on the device of `boxes`.

    Source: Gidaris and Komodakis 2015, arXiv 1505.01749, section 3.3.
    """
    # On the CPU whatever the device: candidates are few, and only near ones are compared there.
    box, score, group, rows = boxes.cpu().double(), scores.cpu().double(), labels.cpu(), kept.cpu()
    place = torch.full((len(box),), -1)
    place[rows] = torch.arange(len(rows))
    one, other = alike_pairs(box, iou_threshold, group)
    one, other = torch.cat((one, other)), torch.cat((other, one))
    votes = (place[one] >= 0) & (place[other] < 0) & (score[other] <= score[one])
    votes &= score[other] >= least_share * score[one]
    one, other = one[votes], other[votes]
    near = iou(box[one], box[other]) > iou_threshold
    one, other = one[near], other[near]
    shift = torch.zeros(len(rows), 4, dtype=torch.double)
    shift.index_add_(0, place[one], score[other, None] * (box[other] - box[one]))
    weight = score[rows].index_add(0, place[one], score[other])
    return (box[rows] + shift / weight[:, None]).to(boxes)
