"""What the merge asks of oriented boxes: how alike two are on common ground, and what holds all.

A detector sees of an object that a tile cuts only the visible part. What it reports then is either
the part's smallest rectangle, or a piece of the object in the object's own direction. Either has at
most twice the area of the visible part: every convex shape fills half of its smallest rectangle.
"""

from __future__ import annotations

import torch
from torch import Tensor

from smalldet.geometry.gaussians import covariance_wasserstein
from smalldet.geometry.oriented import (
    centred_windows,
    min_area_rectangle,
    points_in_frames,
    rboxes_to_quads,
)
from smalldet.geometry.polygons import (
    area_in_windows,
    in_float64,
    parts_in_windows,
    polygon_moments,
)
from smalldet.geometry.rotated import OVERLAP_FLOOR

_PAIRS_AT_ONCE = 8192  # bounds memory


def overlap_on_ground(a: Tensor, b: Tensor, ground: Tensor, scale_px: float = 0.0) -> Tensor:
    """How alike the parts of two oriented boxes are that lie on an upright piece of ground.

    The IoU of the parts, or the normalized Wasserstein distance where that is higher, for parts so
    thin that a pixel of jitter ruins their IoU. A part stands for the Gaussian with three times the
    covariance of the evenly filled part: of a whole box the standard deviations are then half its
    sides, as in `overlaps.normalized_wasserstein`. Parts that do not meet are not alike by either.

    Args:
        a: (P, 5) oriented boxes.
        b: (P, 5).
        ground: (P, 4) xyxy.
        scale_px: scale of the distance; 0 takes IoU alone.

    Returns:
        (P,) float64 in 0..1.
    """
    steps = [slice(at, at + _PAIRS_AT_ONCE) for at in range(0, len(a), _PAIRS_AT_ONCE)]
    alike = [_alike(a[at], b[at], ground[at], scale_px) for at in steps or [slice(0)]]
    return torch.cat(alike)


def enclosing_rectangles(rboxes: Tensor, group: Tensor) -> Tensor:
    """The smallest oriented box round the boxes of each group; a single one's is itself.

    Args:
        rboxes: (N, 5).
        group: (N,) int64, 0..G-1, none of them empty.

    Returns:
        (G, 5).
    """
    size = torch.bincount(group)
    start = size.cumsum(0) - size
    order = torch.argsort(group, stable=True)
    enclosing = rboxes[order[start]]
    for num in size[size > 1].unique().tolist():
        rows = torch.nonzero(size == num).flatten()
        members = rboxes[order[start[rows][:, None] + torch.arange(num)]]
        enclosing[rows] = min_area_rectangle(rboxes_to_quads(members).flatten(1, 2))
    return enclosing


def _alike(a: Tensor, b: Tensor, ground: Tensor, scale_px: float) -> Tensor:
    a, b, ground = in_float64(a), in_float64(b), in_float64(ground)
    origin = torch.cat((a[:, :2], torch.zeros_like(a[:, 2:])), dim=1)
    a, b, ground = a - origin, b - origin, ground - a[:, [0, 1, 0, 1]]
    part_a = parts_in_windows(rboxes_to_quads(a), ground)
    part_b = parts_in_windows(rboxes_to_quads(b), ground)
    area_a, centre_a, spread_a = polygon_moments(part_a)
    area_b, centre_b, spread_b = polygon_moments(part_b)
    shared = area_in_windows(points_in_frames(part_b, a), centred_windows(a))
    shared = torch.minimum(shared, torch.minimum(area_a, area_b))
    union = area_a + area_b - shared
    iou = torch.where(shared > OVERLAP_FLOOR * union, shared / union, 0)
    if scale_px == 0:
        return iou
    # An evenly filled side has a variance of a twelfth of its square; the measure wants a quarter.
    distance = covariance_wasserstein(centre_a, 3 * spread_a, centre_b, 3 * spread_b).sqrt()
    return torch.where(iou > 0, torch.maximum(iou, torch.exp(-distance / scale_px)), 0)
