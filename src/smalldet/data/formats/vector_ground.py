"""Vector layers over pictures: which shapes lie near one, and where in its pixels."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

from smalldet.data.formats.vector_layers import Layer, Shapes
from smalldet.imagery.ground import Ground, reprojected

# A picture's straight borders are curves on another map: they are followed by so many points, and
# what lies so far beyond is looked at too.
POINTS_PER_SIDE, MARGIN_FRAC = 16, 0.05
# Straight borders of large areas are followed likewise, in so many steps over a picture.
NUM_STEPS = 64


class LabelsOverGround:
    """A layer whose shapes are asked for picture by picture."""

    def __init__(self, layer: Layer) -> None:
        self.layer = layer

    @cached_property
    def _tree(self) -> shapely.STRtree:
        return shapely.STRtree(self.layer.shapes)

    def near(self, ground: Ground) -> tuple[NDArray[np.int64], Shapes]:
        """Rows of the layer near a picture, in order, and their shapes in its pixels."""
        windows = _windows(self.layer, ground)
        if windows is None:
            rows = np.arange(len(self.layer.shapes))
        else:
            rows = np.unique(self._tree.query(windows)[1]).astype(np.int64)
        shapes, placed = _in_pixels(self.layer, self.layer.shapes[rows], ground)
        return rows[placed], shapes[placed]


class AreaOverGround:
    """A layer of polygons that together are the area that was looked through."""

    def __init__(self, layer: Layer) -> None:
        self.layer = layer
        self._polygons = shapely.make_valid(layer.shapes)

    def within(self, ground: Ground) -> Any:
        """The area in a picture's pixels, a valid polygon or multipolygon; maybe empty."""
        windows = _windows(self.layer, ground)
        parts = self._polygons
        if windows is not None:
            middle = shapely.bounds(windows)[len(windows) // 2]
            moves = shapely.bounds(windows)[:, 0] - middle[0]
            cut = [
                _moved(shapely.intersection(parts, window), -move)
                for window, move in zip(windows, moves.tolist(), strict=True)
            ]
            parts = np.concatenate(cut)
            longest = max(middle[2] - middle[0], middle[3] - middle[1])
            parts = shapely.segmentize(parts[~shapely.is_empty(parts)], longest / NUM_STEPS)
        shapes, placed = _in_pixels(self.layer, parts, ground)
        pieces = shapely.get_parts(shapely.make_valid(shapes[placed]))
        pieces = shapely.get_parts(pieces)  # of collections that mending has made
        return shapely.union_all(pieces[shapely.get_dimensions(pieces) == 2])


def _moved(shapes: Shapes, step: float) -> Shapes:
    return shapely.transform(shapes, lambda points: points + np.array([step, 0.0]))


def _windows(layer: Layer, ground: Ground) -> Shapes | None:
    """Upright rectangles in the layer's coordinates that hold the picture, one for each turn round
    the earth, the middle one its own; None where they do not reach the layer's map."""
    outline = reprojected(ground.outline(POINTS_PER_SIDE), ground.crs, layer.crs)
    if not np.isfinite(outline).all():
        return None
    turns = np.zeros(1)
    if layer.crs.is_geographic:
        outline[:, 0] -= 360 * np.round((outline[:, 0] - outline[0, 0]) / 360)
        turns = np.array([-360.0, 0.0, 360.0])
    low, high = outline.min(axis=0), outline.max(axis=0)
    margin = (high - low) * MARGIN_FRAC
    (x1, y1), (x2, y2) = low - margin, high + margin
    return shapely.box(x1 + turns, y1, x2 + turns, y2)


def _in_pixels(layer: Layer, shapes: Shapes, ground: Ground) -> tuple[Shapes, NDArray[np.bool_]]:
    """Shapes in a picture's pixels, and which of them have a place on its map."""
    points, owner = shapely.get_coordinates(shapes, return_index=True)
    found = ground.to_pixels(reprojected(points, layer.crs, ground.crs))
    good = np.isfinite(found[:, 0]) & np.isfinite(found[:, 1])
    placed = np.ones(len(shapes), dtype=np.bool_)
    placed[owner[~good]] = False
    moved = shapely.set_coordinates(shapes.copy(), np.where(good[:, None], found, 0.0))
    return moved, placed
