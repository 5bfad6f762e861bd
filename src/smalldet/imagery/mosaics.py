"""Mosaics: adjoining files of one grid, which are one scene."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import shapely
from affine import Affine
from numpy.typing import NDArray
from rasterio.crs import CRS

from smalldet.imagery.headers import Header
from smalldet.imagery.virtual_rasters import Layout, Part, virtual_raster

MAX_OFF_GRID_PX = 0.1
"""How far a file's pixels may lie beside those of the others."""
MAX_GAP_PX = 1.0
"""Between files that touch but for rounding."""
MAX_SHARED_FRAC = 0.5
"""Two files that share more of the smaller one are views of one place, as of several dates."""


@dataclass(frozen=True, eq=False)
class Mosaic:
    """Files that are one scene.

    Args:
        name: what results call it.
        parts: the files, and where they lie in it.
        layout: of every file.
        crs: coordinate system, or None.
        transform: from its pixels to `crs`.
    """

    name: str
    parts: tuple[Part, ...]
    layout: Layout
    crs: CRS | None
    transform: Affine

    @cached_property
    def width(self) -> int:
        """Pixels of the rectangle round all parts."""
        return max(part.x + part.width for part in self.parts)

    @cached_property
    def height(self) -> int:
        """Pixels of the rectangle round all parts."""
        return max(part.y + part.height for part in self.parts)

    @cached_property
    def rectangles(self) -> NDArray[np.int64]:
        """(P, 4) xyxy of the parts in pixels."""
        return np.array([(p.x, p.y, p.x + p.width, p.y + p.height) for p in self.parts])

    @cached_property
    def has_gaps(self) -> bool:
        """True where a pixel lies in no part."""
        covered = shapely.area(shapely.union_all(shapely.box(*self.rectangles.T)))
        return bool(covered < self.width * self.height)

    def virtual_raster(self, nodata: float | None = None, *, joins_first: bool = False) -> str:
        """XML that GDAL opens in place of a file; arguments as of the function of this name."""
        size = self.width, self.height
        return virtual_raster(*size, self.layout, self.parts, nodata, joins_first=joins_first)

    def __str__(self) -> str:
        return self.name


def adjoining(headers: Iterable[Header]) -> list[tuple[Mosaic, list[Header]]]:
    """Mosaics of the files that adjoin each other, each with its files in their order.

    Two files adjoin where they touch along an edge or overlap, and have the same bands, coordinate
    system, pixel size and grid. Where two files of a group show the same ground, as pictures of
    several dates do, none of the group is joined.
    """
    found: list[tuple[Mosaic, list[Header]]] = []
    for grid in _grids(headers):
        if len(grid) < 2:
            continue
        first = _affine(grid[0])
        corners = np.array([~first * (t.c, t.f) for t in map(_affine, grid)])
        sizes = np.array([(header.width, header.height) for header in grid])
        boxes = np.concatenate((corners, corners + sizes), axis=1)
        for rows in _connected(boxes):
            group = _mosaic([grid[row] for row in rows], boxes[rows])
            if group is not None:
                found.append((group, [grid[row] for row in rows]))
    return found


def _affine(header: Header) -> Affine:
    assert isinstance(header.place.transform, Affine)
    return header.place.transform


def _grids(headers: Iterable[Header]) -> list[list[Header]]:
    """Files by their bands, coordinate system and pixel size."""
    grids: dict[Any, list[list[Header]]] = {}
    for header in headers:
        if not isinstance(header.place.transform, Affine):
            continue
        key = (header.layout, header.place.crs and header.place.crs.to_wkt())
        alike = grids.setdefault(key, [])
        for grid in alike:
            if _same_pixels(grid[0], header):
                grid.append(header)
                break
        else:
            alike.append([header])
    return [grid for alike in grids.values() for grid in alike]


def _same_pixels(one: Header, other: Header) -> bool:
    a, b = _affine(one), _affine(other)
    moved = ~a * Affine(b.a, b.b, a.c, b.d, b.e, a.f)  # the other's pixels in pixels of the one
    corner = np.array(moved * (other.width, other.height))
    return bool(np.abs(corner - (other.width, other.height)).max() < MAX_OFF_GRID_PX)


def _connected(boxes: NDArray[np.float64]) -> list[NDArray[np.int64]]:
    """Rows of boxes (N, 4) that hang together along edges, at least two in each."""
    reach = boxes + np.array([-1, -1, 1, 1]) * (MAX_GAP_PX / 2)
    shapes = shapely.box(*reach.T)
    a, b = shapely.STRtree(shapes).query(shapes, predicate="intersects")
    a, b = a[a < b], b[a < b]
    shared = np.minimum(boxes[a, 2:], boxes[b, 2:]) - np.maximum(boxes[a, :2], boxes[b, :2])
    off = np.abs(boxes[a, :2] - boxes[b, :2] - np.round(boxes[a, :2] - boxes[b, :2])).max(axis=1)
    joined = (shared.max(axis=1) >= 1) & (shared.min(axis=1) >= -MAX_GAP_PX - MAX_OFF_GRID_PX)
    joined &= off < MAX_OFF_GRID_PX
    labels = np.arange(len(boxes))
    pairs = np.stack((a[joined], b[joined]), axis=1)
    while len(pairs):  # each takes the least label that it can reach
        least = labels[pairs].min(axis=1)
        before = labels.copy()
        np.minimum.at(labels, pairs.ravel(), least.repeat(2))
        labels = labels[labels]
        if (labels == before).all():
            break
    return [rows for label in np.unique(labels) if len(rows := np.flatnonzero(labels == label)) > 1]


def _mosaic(headers: Sequence[Header], boxes: NDArray[np.float64]) -> Mosaic | None:
    """One scene of files at boxes (N, 4) on one grid; None where they cannot be."""
    corners = boxes[:, :2] - boxes[0, :2]
    whole = np.round(corners).astype(np.int64)
    if np.abs(corners - whole).max() >= MAX_OFF_GRID_PX or _same_ground(boxes):
        return None
    least = whole.min(axis=0)
    parts = tuple(
        Part(header.path, x, y, header.width, header.height)
        for header, (x, y) in zip(headers, (whole - least).tolist(), strict=True)
    )
    transform = _affine(headers[0]) * Affine.translation(*least.tolist())
    return Mosaic(headers[0].path, parts, headers[0].layout, headers[0].place.crs, transform)


def _same_ground(boxes: NDArray[np.float64]) -> bool:
    shapes = shapely.box(*boxes.T)
    a, b = shapely.STRtree(shapes).query(shapes, predicate="intersects")
    a, b = a[a < b], b[a < b]
    shared = shapely.area(shapely.intersection(shapes[a], shapes[b]))
    smaller = np.minimum(shapely.area(shapes[a]), shapely.area(shapes[b]))
    return bool((shared > MAX_SHARED_FRAC * smaller).any())
