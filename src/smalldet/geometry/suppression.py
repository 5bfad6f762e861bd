"""Non-maximum suppression: of boxes that overlap too much, the strongest stays."""

from __future__ import annotations

import torch
from torch import Tensor

from smalldet.detections import order_by_strength
from smalldet.geometry.overlaps import iou
from smalldet.geometry.pairs import alike_pairs


def nms(
    boxes: Tensor,
    scores: Tensor,
    labels: Tensor,
    iou_threshold: float,
    across_classes: bool = False,
) -> Tensor:
    """Greedy suppression, for each class by itself or across classes.

    The answer is a function of the set of boxes: equal scores are ordered by coordinates, then by
    label. On a CPU only boxes near enough to suppress each other are compared, so that time follows
    N where a place holds a bounded number of boxes. Elsewhere all pairs are compared at once.

    Args:
        boxes: (N, 4) xyxy, pixels.
        scores: (N,).
        labels: (N,) int64.
        iou_threshold: a box is dropped where its IoU with a kept, stronger one is above this.
        across_classes: whether a box suppresses those of other classes too.

    Returns:
        (K,) int64, rows of the kept boxes, strongest first.
    """
    if len(boxes) == 0:
        return torch.zeros(0, dtype=torch.long, device=boxes.device)
    order = order_by_strength(scores, boxes, labels)
    group = torch.zeros_like(labels) if across_classes else labels
    if boxes.device.type == "cpu":
        ranked = boxes[order].double()
        stronger, weaker = alike_pairs(ranked, iou_threshold, group[order])
        too_alike = iou(ranked[stronger], ranked[weaker]) > iou_threshold
        return order[unsuppressed(len(order), stronger[too_alike], weaker[too_alike])]
    return order[_all_compared(boxes[order], group[order], iou_threshold)]


def _all_compared(boxes: Tensor, group: Tensor, iou_threshold: float) -> Tensor:
    """Rows that are kept of boxes in order of strength, by torchvision's kernel.

    Groups are kept apart by moving each to ground of its own, in float64: in float32 the move would
    round boxes of a large scene by whole pixels.
    """
    from torchvision import ops  # takes seconds to import, and a CPU never comes here

    # MPS has no float64.
    place = torch.device("cpu") if boxes.device.type == "mps" else boxes.device
    apart = boxes.to(place, torch.float64)
    apart = apart + (group.to(place) * (apart.max() - apart.min() + 1))[:, None]
    falling = torch.arange(len(boxes), 0, -1, dtype=torch.float64, device=place)
    return ops.nms(apart, falling, iou_threshold).to(boxes.device)


def unsuppressed(num_boxes: int, stronger: Tensor, weaker: Tensor) -> Tensor:
    """What greedy suppression keeps, given the pairs that overlap too much.

    A box is kept once every stronger box that overlaps it is gone; each round settles all such
    boxes at once, and there are as many rounds as the longest chain of boxes has links.

    Args:
        num_boxes: N, boxes numbered by strength, the strongest 0.
        stronger: (P,) int64, the stronger box of each pair.
        weaker: (P,) int64.

    Returns:
        (N,) bool, whether each box is kept.
    """
    kept = torch.ones(num_boxes, dtype=torch.bool, device=stronger.device)
    while len(stronger):
        waiting = torch.zeros_like(kept)
        waiting[weaker] = True
        suppressing = kept[stronger] & ~waiting[stronger]
        kept[weaker[suppressing]] = False
        open_pairs = kept[stronger] & kept[weaker]
        stronger, weaker = stronger[open_pairs], weaker[open_pairs]
    return kept
