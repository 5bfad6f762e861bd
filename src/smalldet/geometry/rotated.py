"""Exact overlap of oriented boxes, and suppression by it."""

from __future__ import annotations

import torch
from torch import Tensor

from smalldet.detections import order_by_strength
from smalldet.geometry.oriented import (
    centred_windows,
    enclosing_boxes,
    points_in_frames,
    rbox_areas,
    rboxes_to_quads,
)
from smalldet.geometry.pairs import alike_pairs
from smalldet.geometry.polygons import area_in_windows, in_float64
from smalldet.geometry.suppression import unsuppressed

_PAIRS_AT_ONCE = 16_384  # bounds memory; about what a cache holds
OVERLAP_FLOOR = 1e-9  # of the union; less is rounding, where boxes only touch


def rotated_iou(a: Tensor, b: Tensor) -> Tensor:
    """Intersection over union of oriented boxes, in 0..1; 0 where both have no area.

    Exact for any pair, also far from the origin: computed in float64, relative to `b`. For metrics
    and suppression; train with the measures in `gaussians`.

    Args:
        a: (..., 5) oriented boxes.
        b: (..., 5); leading dimensions broadcast, so that `overlaps.pairwise` makes a table.

    Returns:
        (...), in the type of `a`.
    """
    shape = (a[..., 0] - b[..., 0]).shape
    flat_a, flat_b = (rboxes.expand(*shape, 5).reshape(-1, 5) for rboxes in (a, b))
    steps = [slice(at, at + _PAIRS_AT_ONCE) for at in range(0, len(flat_a), _PAIRS_AT_ONCE)]
    overlap = [_aligned_iou(flat_a[step], flat_b[step]) for step in steps or [slice(0)]]
    return torch.cat(overlap).reshape(shape).to(a)


def rotated_nms(
    rboxes: Tensor,
    scores: Tensor,
    labels: Tensor,
    iou_threshold: float,
    across_classes: bool = False,
) -> Tensor:
    """Greedy suppression of oriented boxes, for each class by itself or across classes.

    Only pairs whose enclosing boxes are near enough are looked at, so there is no limit to N but
    what lies on top of each other. The answer is a function of the set of boxes: equal scores are
    ordered by coordinates, then by label.

    Args:
        rboxes: (N, 5), pixels.
        scores: (N,).
        labels: (N,) int64.
        iou_threshold: a box is dropped where its IoU with a kept, stronger one is above this.
        across_classes: whether a box suppresses those of other classes too.

    Returns:
        (K,) int64, rows of the kept boxes, strongest first.
    """
    order = order_by_strength(scores, rboxes, labels)
    ranked = in_float64(rboxes[order])
    classes = None if across_classes else labels[order].cpu()

    # The bound of `alike_pairs` holds for oriented boxes too: how much of one lies over each point
    # of an axis falls alike to both sides of its centre, so that at every height the two are spans.
    stronger, weaker = (
        rows.to(ranked.device)
        for rows in alike_pairs(enclosing_boxes(ranked).cpu(), iou_threshold, classes)
    )
    suppressing = rotated_iou(ranked[stronger], ranked[weaker]) > iou_threshold
    kept = unsuppressed(len(order), stronger[suppressing], weaker[suppressing])
    return order[kept.to(order.device)]


def _aligned_iou(a: Tensor, b: Tensor) -> Tensor:
    a, b = in_float64(a), in_float64(b)
    origin = torch.cat((b[:, :2], torch.zeros_like(b[:, 2:])), dim=1)
    a, b = a - origin, b - origin
    inter = area_in_windows(points_in_frames(rboxes_to_quads(a), b), centred_windows(b))
    area_a, area_b = rbox_areas(a), rbox_areas(b)
    inter = torch.minimum(inter, torch.minimum(area_a, area_b))
    union = area_a + area_b - inter
    return torch.where(inter > OVERLAP_FLOOR * union, inter / union, 0)
