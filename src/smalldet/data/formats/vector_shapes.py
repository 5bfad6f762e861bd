"""Shapes in pixels of one picture: boxes, smallest rectangles and masks of what is seen of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import shapely
import torch
from numpy.typing import NDArray

from smalldet.data.formats.mask_outlines import filled, in_cells
from smalldet.data.index import MASK_PX
from smalldet.geometry.oriented import canonical

# As for training tiles: with less to be seen, a part is a mute region and no object.
MIN_VISIBLE_FRAC = 0.3
# A convex hull keeps its sides to this much, so that the most jagged outline costs no time.
HULL_TOLERANCE_PX = 0.02
MAX_HULL_POINTS = 2000

Shapes = NDArray[Any]


@dataclass(frozen=True, eq=False)
class Seen:
    """What a picture shows of N shapes.

    Args:
        shapes: (N,) in pixels, cut to the picture.
        rows: (N,) int64, which of the shapes given each is.
        boxes: (N, 4) float32 xyxy pixels.
        partial: (N,) bool, less than `MIN_VISIBLE_FRAC` of its area is in the picture.
    """

    shapes: Shapes
    rows: NDArray[np.int64]
    boxes: NDArray[np.float32]
    partial: NDArray[np.bool_]


def squares(points: Shapes, sides_px: tuple[float, float]) -> Shapes:
    """Upright rectangles of one size in the places of points."""
    x, y = shapely.get_x(points), shapely.get_y(points)
    half_width, half_height = sides_px[0] / 2, sides_px[1] / 2
    return shapely.box(x - half_width, y - half_height, x + half_width, y + half_height)


def seen(shapes: Shapes, width: int, height: int) -> Seen:
    """Shapes in pixels, cut to a picture; those beside it are left out."""
    bounds = shapely.bounds(shapes)
    size = np.array([width, height, width, height], dtype=np.float64)
    clipped = np.clip(bounds, 0, size)
    inside = np.isfinite(bounds).all(axis=1) & (clipped[:, 2:] > clipped[:, :2]).all(axis=1)
    rows = np.flatnonzero(inside)
    found, clipped = shapes[rows], clipped[rows]
    share = np.ones(len(rows))
    cut = np.flatnonzero((clipped != bounds[rows]).any(axis=1))
    if len(cut):
        whole = shapely.make_valid(found[cut])
        parts = shapely.intersection(whole, shapely.box(0, 0, width, height))
        area = shapely.area(parts)
        share[cut] = area / shapely.area(whole)
        found[cut] = parts
        clipped[cut] = shapely.bounds(parts)
        kept = np.ones(len(rows), dtype=np.bool_)
        kept[cut] = area > 0  # a corner of the box may be inside and nothing of the shape
        found, rows, clipped, share = found[kept], rows[kept], clipped[kept], share[kept]
    return Seen(found, rows, clipped.astype(np.float32), share < MIN_VISIBLE_FRAC)


def smallest_rectangles(shapes: Shapes) -> NDArray[np.float32]:
    """(N, 5) oriented boxes of the smallest area round shapes of N pictures' pixels, canonical.

    A side lies along one of the convex hull (Freeman and Shapira 1975).
    """
    hulls = shapely.convex_hull(shapes)
    large = shapely.get_num_coordinates(hulls) > 16
    hulls[large] = shapely.simplify(hulls[large], HULL_TOLERANCE_PX)
    points, owner = shapely.get_coordinates(hulls, return_index=True)
    counts = np.bincount(owner, minlength=len(shapes))
    starts = np.cumsum(counts) - counts
    rectangles = np.zeros((len(shapes), 5))
    for count in np.unique(counts).tolist():
        group = np.flatnonzero(counts == count)
        step = max(1, 4_000_000 // count**2)
        for first in range(0, len(group), step):
            rows = group[first : first + step]
            rings = points[starts[rows][:, None] + np.arange(count)]
            rectangles[rows] = _round_rings(rings)
    return canonical(canonical(torch.from_numpy(rectangles)).float()).numpy()


def _round_rings(rings: NDArray[np.float64]) -> NDArray[np.float64]:
    """Smallest rectangles (n, 5) round closed convex rings (n, K, 2)."""
    origin = rings[:, :1]
    placed = rings - origin
    edges = np.diff(placed, axis=1)[:, :MAX_HULL_POINTS]
    length = np.hypot(edges[..., 0], edges[..., 1])
    axis = np.where(
        length[..., None] > 0, edges / np.where(length > 0, length, 1)[..., None], (1, 0)
    )
    turned = np.stack((-axis[..., 1], axis[..., 0]), axis=-1)
    along, across = (np.einsum("nek,npk->nep", a, placed) for a in (axis, turned))
    low = np.stack((along.min(axis=2), across.min(axis=2)), axis=-1)
    high = np.stack((along.max(axis=2), across.max(axis=2)), axis=-1)
    best = (high - low).prod(axis=-1).argmin(axis=1)
    each = np.arange(len(rings))
    low, high, axis, turned = (
        low[each, best],
        high[each, best],
        axis[each, best],
        turned[each, best],
    )
    middle = (low + high) / 2
    centre = origin[:, 0] + middle[:, :1] * axis + middle[:, 1:] * turned
    angle = np.arctan2(axis[:, 1:], axis[:, :1])
    return np.concatenate((centre, high - low, angle), axis=1)


def masks(shapes: Shapes, boxes: NDArray[np.float32]) -> NDArray[np.uint8]:
    """(N, MASK_PX * MASK_PX / 8) packed grids of polygons that fill their boxes, holes left out."""
    packed = np.zeros((len(shapes), MASK_PX * MASK_PX // 8), dtype=np.uint8)
    for row, (shape, box) in enumerate(zip(shapes, boxes.astype(np.float64), strict=True)):
        parts = shapely.transform(shapely.get_parts(shape), lambda xy, box=box: in_cells(xy, box))
        # a cut may leave lines and points
        solid = parts[shapely.get_type_id(parts) == shapely.GeometryType.POLYGON]
        packed[row] = np.packbits(filled(list(solid)))
    return packed
