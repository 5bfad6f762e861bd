"""Non-maximum suppression: of boxes that overlap too much, the strongest stays."""

from __future__ import annotations

import torch
from torch import Tensor
from torchvision import ops  # pyright: ignore[reportMissingTypeStubs]

from smalldet.detections import order_by_strength


def nms(
    boxes: Tensor,
    scores: Tensor,
    labels: Tensor,
    iou_threshold: float,
    across_classes: bool = False,
) -> Tensor:
    """Greedy suppression, for each class by itself or across classes.

    The answer is a function of the set of boxes: equal scores are ordered by coordinates, then by
    label. Classes are kept apart by moving each to ground of its own, in float64: in float32 the
    move would round boxes of a large scene by whole pixels. Time is quadratic in N, for the few
    thousand boxes of a tile.

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
    order = torch.argsort(labels, stable=True)
    order = order[order_by_strength(scores[order], boxes[order])]
    # MPS has no float64.
    place = torch.device("cpu") if boxes.device.type == "mps" else boxes.device
    apart = boxes[order].to(place, torch.float64)
    if not across_classes:
        reach = apart.max() - apart.min() + 1
        apart = apart + (labels[order].to(place) * reach)[:, None]
    falling = torch.arange(len(order), 0, -1, dtype=torch.float64, device=place)
    return order[ops.nms(apart, falling, iou_threshold).to(order.device)]


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
