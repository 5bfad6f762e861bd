"""Masks' grids as polygons, and polygons as grids.

A cell belongs to a polygon if its middle lies in it, so that the polygon round the cells of a grid
gives the same grid back.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray
from rasterio import features

from smalldet.data.index import MASK_PX


def filled(shapes: Sequence[Any]) -> NDArray[np.uint8]:
    """(MASK_PX, MASK_PX) 0 or 1 of polygons that are measured in cells, holes left out."""
    if not len(shapes):
        return np.zeros((MASK_PX, MASK_PX), dtype=np.uint8)
    return features.rasterize(shapes, out_shape=(MASK_PX, MASK_PX), dtype=np.uint8)


def in_cells(points: NDArray[np.float64], box: NDArray[np.float64]) -> NDArray[np.float64]:
    """Points (N, 2) of a picture in cells of the grid that fills a box (4,) xyxy."""
    return (points - box[:2]) / (box[2:] - box[:2]) * MASK_PX


def outlines(packed: NDArray[np.uint8]) -> list[Any]:
    """Polygons round the cells of a mask, in cells; they may have holes.

    Args:
        packed: (MASK_PX * MASK_PX / 8,) bits.
    """
    grid = np.unpackbits(packed).reshape(MASK_PX, MASK_PX)
    return [shapely.geometry.shape(shape) for shape, _ in features.shapes(grid, mask=grid > 0)]


def simple_rings(packed: NDArray[np.uint8], box: NDArray[np.float64]) -> list[NDArray[np.float64]]:
    """Rings without holes that together cover the cells of a mask.

    Where a polygon has holes, its rows are told one by one.

    Args:
        packed: (MASK_PX * MASK_PX / 8,) bits.
        box: (4,) xyxy of the object, pixels.

    Returns:
        (N, 2) points of each ring in pixels of the picture, the first not repeated.
    """
    whole = outlines(packed)
    simple = [shape for shape in whole if not shape.interiors]
    for shape in whole:
        if shape.interiors:
            simple += _rows(filled([shape]))
    rings = [shapely.get_coordinates(shape.exterior)[:-1] for shape in simple]
    return [box[:2] + ring / MASK_PX * (box[2:] - box[:2]) for ring in rings]


def _rows(grid: NDArray[np.uint8]) -> list[Any]:
    """A rectangle for each run of cells in a row."""
    edges = np.diff(np.pad(grid.astype(np.int8), ((0, 0), (1, 1))), axis=1)
    rows, firsts = np.nonzero(edges > 0)
    _, lasts = np.nonzero(edges < 0)
    return list(shapely.box(firsts, rows, lasts, rows + 1))
