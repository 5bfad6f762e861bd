"""Polygons: area, and area of intersection. A polygon is its corners in order, either way round."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

_RUN_FLOOR = 1e-12  # px; an edge that runs less from left to right is upright and covers nothing
_TINIEST = 1e-300  # keeps 0 / 0 at 1


def polygon_areas(polygons: Tensor) -> Tensor:
    """Area of simple polygons, (..., K, 2) to (...)."""
    corners = in_float64(polygons)
    corners = corners - corners[..., :1, :]
    x, y = corners.unbind(-1)
    twice = (x * y.roll(-1, dims=-1) - y * x.roll(-1, dims=-1)).sum(dim=-1)
    return (twice.abs() / 2).to(polygons)


def polygon_intersection_area(a: Tensor, b: Tensor) -> Tensor:
    """Area that two simple polygons share, exact whether or not they are convex.

    The ground under each edge, down to any base line, is a trapezoid, and a polygon is the sum of
    the trapezoids of its edges, those that run to the right counted against those that run to the
    left. So the shared area is the sum, over all pairs of edges, of the area that two trapezoids
    share: the integral of the lower of two lines. Every term is continuous in the corners and
    nothing is decided by the side on which a point lies, so that polygons that coincide, touch,
    are nearly parallel or have no area need no care. Computed in float64, relative to `b`.

    Args:
        a: (..., K, 2), corners in order.
        b: (..., L, 2); leading dimensions broadcast.

    Returns:
        (...), in the type of `a`.
    """
    exact_a, exact_b = in_float64(a), in_float64(b)
    origin = exact_b[..., :1, :]
    placed_a = exact_a - origin
    placed_b = (exact_b - origin).expand(*placed_a.shape[:-2], *b.shape[-2:])
    one = _Edges(*(values[:, None] for values in _edges(placed_a)))
    other = _Edges(*(values[None] for values in _edges(placed_b)))

    left, right = torch.maximum(one.left, other.left), torch.minimum(one.right, other.right)
    width = (right - left).clamp(min=0)
    # The lower line is `other` plus the negative part of the gap from it to `one`.
    base, slope = one.base - other.base, one.slope - other.slope
    gap_left, gap_right = base + slope * left, base + slope * right
    below_left, below_right = gap_left.clamp(max=0), gap_right.clamp(max=0)
    share = (below_left - below_right).abs() + _TINIEST
    share = share / ((gap_left - gap_right).abs() + _TINIEST)
    below = (below_left + below_right) * share
    twice_height = 2 * other.base + other.slope * (left + right) + below
    signed = width * twice_height * one.sense * other.sense
    return (signed.sum(dim=(0, 1)).abs() / 2).to(a)


def in_float64(tensor: Tensor) -> Tensor:
    """The same numbers in float64, on the CPU where the device (MPS) has none."""
    device = torch.device("cpu") if tensor.device.type == "mps" else tensor.device
    return tensor.to(device, torch.float64)


class _Edges(NamedTuple):
    """Edges as pieces of lines y = base + slope * x, each (K, ...) for long inner loops."""

    left: Tensor
    right: Tensor
    slope: Tensor
    base: Tensor
    sense: Tensor  # 1 where the edge runs to the right, -1 to the left


def _edges(corners: Tensor) -> _Edges:
    x, y = corners.movedim(-2, 0).movedim(-1, 0).contiguous()
    next_x, next_y = x.roll(-1, dims=0), y.roll(-1, dims=0)
    run = next_x - x
    sense = 1 - 2 * (run < 0).to(x)
    slope = (next_y - y) * sense / run.abs().clamp(min=_RUN_FLOOR)
    return _Edges(torch.minimum(x, next_x), torch.maximum(x, next_x), slope, y - slope * x, sense)
