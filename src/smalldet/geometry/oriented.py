"""Oriented boxes: the one form they have, corners, and what encloses them.

An oriented box is five numbers in the last dimension, (cx, cy, w, h, angle): centre and sides in
pixels, w >= h >= 0, and the angle of the longer side in radians, clockwise on the screen (y points
down), in [-pi/2, pi/2). A square has its angle in [-pi/4, pi/4). Any other (w, h, angle) describes
a rectangle too, and every function takes it; `canonical` gives the one form.
"""

from __future__ import annotations

import math

import numpy as np
import shapely
import torch
from torch import Tensor

from smalldet.geometry.polygons import in_float64

MANY_POINTS = 32
"""The directions of all pairs of so many take a quarter of a megabyte."""


def canonical(rboxes: Tensor) -> Tensor:
    """The same rectangles in the one form: w >= h, angle in [-pi/2, pi/2). (..., 5) to (..., 5)."""
    cx, cy, w, h, angle = rboxes.unbind(-1)
    angle = torch.where(w < h, angle + math.pi / 2, angle)
    angle = torch.where(w == h, _wrapped(angle, math.pi / 2), _wrapped(angle, math.pi))
    return torch.stack((cx, cy, torch.maximum(w, h), torch.minimum(w, h), angle), dim=-1)


def rboxes_to_quads(rboxes: Tensor) -> Tensor:
    """Corners of oriented boxes, (..., 5) to (..., 4, 2).

    They go clockwise on the screen from the corner that is top left where the angle is 0.
    """
    along, across = _half_sides(rboxes)
    centre = rboxes[..., :2]
    corners = (-along - across, along - across, along + across, across - along)
    return torch.stack([centre + corner for corner in corners], dim=-2)


def quads_to_rboxes(quads: Tensor) -> Tensor:
    """Oriented boxes round quads, (..., 4, 2) to (..., 5), canonical; a rectangle's is itself."""
    return min_area_rectangle(quads)


def min_area_rectangle(points: Tensor) -> Tensor:
    """The smallest oriented box that holds all points of each set.

    One of its sides lies along an edge of the convex hull (Freeman and Shapira 1975), and every
    such edge joins two of the points, so the directions of all pairs are tried; of many points
    those of the hull alone. Among equally small ones the first in that order is taken.

    Args:
        points: (..., K, 2), K >= 1. Sets of unlike size are filled up by repeating a point.

    Returns:
        (..., 5) canonical oriented boxes, in the type of `points`.
    """
    num_points = points.shape[-2]
    if num_points == 0:
        raise ValueError("no rectangle encloses no points: points must be (..., K, 2) with K >= 1")
    exact = in_float64(points)
    exact = _hulls(exact) if num_points > MANY_POINTS else exact
    origin = exact[..., :1, :]
    placed = exact - origin
    axis = _directions(placed)
    along = _dots(axis, placed)
    across = _dots(_turned(axis), placed)
    low = torch.stack((along.amin(-1), across.amin(-1)), dim=-1)
    high = torch.stack((along.amax(-1), across.amax(-1)), dim=-1)
    best = (high - low).prod(dim=-1, keepdim=True).argmin(dim=-2, keepdim=True)
    best = best.expand(*best.shape[:-1], 2)
    low, high, axis = (t.gather(-2, best).squeeze(-2) for t in (low, high, axis))
    middle = (low + high) / 2
    centre = origin[..., 0, :] + middle[..., :1] * axis + middle[..., 1:] * _turned(axis)
    angle = torch.atan2(axis[..., 1:], axis[..., :1])
    return canonical(torch.cat((centre, high - low, angle), dim=-1).to(points))


def enclosing_boxes(rboxes: Tensor) -> Tensor:
    """The axis-aligned boxes round oriented ones, (..., 5) to (..., 4) xyxy."""
    along, across = _half_sides(rboxes)
    reach = along.abs() + across.abs()
    return torch.cat((rboxes[..., :2] - reach, rboxes[..., :2] + reach), dim=-1)


def scaled_rboxes(rboxes: Tensor, scale: Tensor) -> Tensor:
    """Oriented boxes of a picture that is scaled unequally in x and y.

    The sides of a slanted rectangle then are no longer square to each other. It becomes the
    rectangle along its longer side's image with the image's centre and area.

    Args:
        rboxes: (..., 5) canonical.
        scale: (..., 2) of x and of y, positive.
    """
    angle, area = rboxes[..., 4], scale.prod(dim=-1)
    axis = torch.stack((angle.cos(), angle.sin()), dim=-1) * scale
    stretch = torch.hypot(axis[..., 0], axis[..., 1])
    sides = torch.stack((rboxes[..., 2] * stretch, rboxes[..., 3] * area / stretch), dim=-1)
    turned = torch.atan2(axis[..., 1:], axis[..., :1])
    return canonical(torch.cat((rboxes[..., :2] * scale, sides, turned), dim=-1))


def mirrored_rboxes(
    rboxes: Tensor,
    size: tuple[float, float],
    *,
    transposed: bool = False,
    mirror_x: bool = False,
    mirror_y: bool = False,
) -> Tensor:
    """Oriented boxes (..., 5) of a picture that is transposed, then mirrored.

    Args:
        rboxes: in pixels of the picture.
        size: width and height that the picture then has, in pixels.
        transposed: x and y trade places.
        mirror_x: left and right do.
        mirror_y: top and bottom do.
    """
    cx, cy, w, h, angle = rboxes.unbind(-1)
    if transposed:
        cx, cy, angle = cy, cx, math.pi / 2 - angle
    if mirror_x:
        cx, angle = size[0] - cx, -angle
    if mirror_y:
        cy, angle = size[1] - cy, -angle
    return canonical(torch.stack((cx, cy, w, h, angle), dim=-1))


def points_in_frames(points: Tensor, rboxes: Tensor) -> Tensor:
    """Points in coordinates in which their oriented box is upright and centred on the origin.

    Args:
        points: (..., K, 2).
        rboxes: (..., 5), one for each set of points.

    Returns:
        (..., K, 2).
    """
    x, y = (points - rboxes[..., None, :2]).unbind(-1)
    cos, sin = rboxes[..., None, 4].cos(), rboxes[..., None, 4].sin()
    return torch.stack((x * cos + y * sin, y * cos - x * sin), dim=-1)


def centred_windows(rboxes: Tensor) -> Tensor:
    """The oriented boxes in their own frames, (..., 5) to (..., 4) xyxy round the origin."""
    half = rboxes[..., 2:4].clamp(min=0) / 2
    return torch.cat((-half, half), dim=-1)


def rbox_areas(rboxes: Tensor) -> Tensor:
    """Area of each oriented box, (..., 5) to (...); zero where a side is not positive."""
    sides = rboxes[..., 2:4].clamp(min=0)
    return sides[..., 0] * sides[..., 1]


def _wrapped(angle: Tensor, period: float) -> Tensor:
    """Angles in [-period/2, period/2); those that lie there stay as they are."""
    wrapped = angle - torch.floor(angle / period + 0.5) * period
    # Rounding can leave the range by a hair, on either side; both ends are the same direction.
    wrapped = torch.where(_within(wrapped, period / 2), wrapped, -period / 2)
    return torch.where(_within(angle, period / 2), angle, wrapped)


def _within(angle: Tensor, limit: float) -> Tensor:
    return (angle >= -limit) & (angle < limit)


def _half_sides(rboxes: Tensor) -> tuple[Tensor, Tensor]:
    """Vectors (..., 2) from the centre to the middle of a side, along w and along h."""
    angle = rboxes[..., 4]
    axis = torch.stack((angle.cos(), angle.sin()), dim=-1)
    return rboxes[..., 2:3] / 2 * axis, rboxes[..., 3:4] / 2 * _turned(axis)


def _turned(vectors: Tensor) -> Tensor:
    """Vectors turned by 90 degrees, clockwise on the screen."""
    return torch.stack((-vectors[..., 1], vectors[..., 0]), dim=-1)


def _directions(points: Tensor) -> Tensor:
    """Unit vectors (..., P, 2) from each point to each later one; rightward where they coincide."""
    num_points = points.shape[-2]
    # A single point is paired with itself.
    first, second = torch.triu_indices(
        num_points, num_points, offset=min(1, num_points - 1), device=points.device
    )
    apart = points[..., second, :] - points[..., first, :]
    length = torch.hypot(apart[..., :1], apart[..., 1:])
    rightward = torch.tensor((1.0, 0.0), dtype=points.dtype, device=points.device)
    return torch.where(length > 0, apart / torch.where(length > 0, length, 1), rightward)


def _hulls(points: Tensor) -> Tensor:
    """The corners of each set's convex hull, (..., K, 2) to (..., H, 2); few are repeated."""
    sets = points.reshape(-1, *points.shape[-2:]).cpu().numpy()
    hulls = np.atleast_1d(np.asarray(shapely.convex_hull(shapely.multipoints(sets))))
    corners = [shapely.get_coordinates(hull) for hull in hulls]
    most = max(map(len, corners), default=1)
    filled = [np.pad(one, ((0, most - len(one)), (0, 0)), mode="edge") for one in corners]
    shape = (*points.shape[:-2], most, 2)
    return torch.from_numpy(np.array(filled).reshape(shape)).to(points)


def _dots(directions: Tensor, points: Tensor) -> Tensor:
    """(..., P, 2) and (..., K, 2) to (..., P, K)."""
    x, y = (directions[..., :, None, i] * points[..., None, :, i] for i in (0, 1))
    return x + y
