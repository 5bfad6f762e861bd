"""Exact overlap of oriented boxes, and suppression by it."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from smalldet.detections import order_by_strength
from smalldet.geometry.oriented import centred_windows, enclosing_boxes, rbox_areas
from smalldet.geometry.pairs import alike_pairs
from smalldet.geometry.polygons import area_in_windows, in_float64
from smalldet.geometry.suppression import unsuppressed

_PAIRS_AT_ONCE = 16_384  # bounds memory; about what a cache holds
_NUM_ROUNDS = 4
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
    return _in_steps(_aligned_iou, a, b)


def rotated_intersection(a: Tensor, b: Tensor) -> Tensor:
    """Area that oriented boxes share, in square pixels; exact, and arguments, as `rotated_iou`."""
    return _in_steps(_aligned_intersection, a, b)


def rotated_iou_table(a: Tensor, b: Tensor) -> Tensor:
    """Rotated IoU of all pairs, exact; worked out only where the boxes round both meet.

    Args:
        a: (N, 5) oriented boxes.
        b: (M, 5).

    Returns:
        (N, M), in the type of `a`.
    """
    (left, top, right, bottom), others = enclosing_boxes(a).T[:, :, None], enclosing_boxes(b).T
    meet = (left < others[2]) & (right > others[0]) & (top < others[3]) & (bottom > others[1])
    rows, columns = meet.nonzero(as_tuple=True)
    table = a.new_zeros(meet.shape)
    table[rows, columns] = rotated_iou(a[rows], b[columns])
    return table


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

    def too_alike(one: Tensor, other: Tensor) -> Tensor:
        return (
            rotated_iou(ranked.index_select(0, one), ranked.index_select(0, other)) > iou_threshold
        )

    kept = torch.ones(len(order), dtype=torch.bool, device=ranked.device)
    # A box that no stronger one is left to suppress stays, and what it suppresses need not be
    # compared with others: few of the pairs ever are. Chains of boxes could take many rounds, so
    # that what is open after some is compared at once.
    for _ in range(_NUM_ROUNDS):
        waiting = torch.zeros_like(kept)
        waiting[weaker] = True
        settled = ~waiting[stronger]
        one, other = stronger[settled], weaker[settled]
        kept[other[too_alike(one, other)]] = False
        still_open = ~settled & kept[stronger] & kept[weaker]
        stronger, weaker = stronger[still_open], weaker[still_open]
    suppressing = too_alike(stronger, weaker)
    kept &= unsuppressed(len(order), stronger[suppressing], weaker[suppressing])
    return order[kept.to(order.device)]


def _in_steps(measure: Callable[[Tensor, Tensor], Tensor], a: Tensor, b: Tensor) -> Tensor:
    """A measure of aligned pairs (P, 5), (P, 5), of those that broadcasting makes."""
    shape = (a[..., 0] - b[..., 0]).shape
    flat_a, flat_b = (rboxes.expand(*shape, 5).reshape(-1, 5) for rboxes in (a, b))
    steps = [slice(at, at + _PAIRS_AT_ONCE) for at in range(0, len(flat_a), _PAIRS_AT_ONCE)]
    values = [measure(flat_a[step], flat_b[step]) for step in steps or [slice(0)]]
    return torch.cat(values).reshape(shape).to(a)


def _aligned_iou(a: Tensor, b: Tensor) -> Tensor:
    inter = _aligned_intersection(a, b)
    union = rbox_areas(in_float64(a)) + rbox_areas(in_float64(b)) - inter
    return torch.where(inter > OVERLAP_FLOOR * union, inter / union, 0)


def _aligned_intersection(a: Tensor, b: Tensor) -> Tensor:
    a, b = in_float64(a), in_float64(b)
    inter = area_in_windows(_corners_in_frames(a, b), centred_windows(b))
    return torch.minimum(inter, torch.minimum(rbox_areas(a), rbox_areas(b)))


def _corners_in_frames(a: Tensor, b: Tensor) -> Tensor:
    """(P, 4, 2) corners of `a` (P, 5) as `b` (P, 5) sees them, upright and at the origin."""
    (x, y, w, h, angle), frame = a.T, b[:, 4]
    x, y, angle = x - b[:, 0], y - b[:, 1], angle - frame
    cos, sin = frame.cos(), frame.sin()
    centre = torch.stack((x * cos + y * sin, y * cos - x * sin))
    cos, sin = angle.cos() / 2, angle.sin() / 2
    along, across = torch.stack((w * cos, w * sin)), torch.stack((-h * sin, h * cos))
    far, near = along + across, along - across
    # Laid out by corners and axes, as `area_in_windows` goes through them.
    corners = torch.stack((centre - far, centre + near, centre + far, centre - near), dim=1)
    return corners.permute(2, 1, 0)
