"""Footprints: the ground that georeferenced pictures show, in one coordinate system."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

from smalldet.imagery.ground import WGS84, read_ground, reprojected

POINTS_PER_SIDE = 8
# Neighbours that share less of the smaller one than this only touch: rounding, and half pixels.
MIN_SHARED_FRAC = 1e-3


@dataclass(frozen=True, eq=False)
class Footprints:
    """The ground of N pictures.

    Args:
        shapes: (N,) polygons of longitude and latitude, in one piece beyond 180 degrees where
            they lie on the date line; None for pictures without a place.
        known: (N,) bool.
    """

    shapes: NDArray[Any]
    known: NDArray[np.bool_]

    @staticmethod
    def of(paths: Sequence[Path]) -> Footprints:
        """The footprints of pictures, from their headers.

        Raises:
            FileNotFoundError, ValueError: a file does not exist, or is no picture.
        """
        shapes = np.full(len(paths), None, dtype=object)
        for row, path in enumerate(paths):
            shapes[row] = _footprint(path)
        return Footprints(shapes, np.array([shape is not None for shape in shapes], dtype=np.bool_))


def overlapping(first: Footprints, second: Footprints) -> NDArray[np.int64]:
    """(P, 2) pairs of rows whose pictures show the same ground.

    Two overlap where they share more than `MIN_SHARED_FRAC` of the smaller one's area: tiles that
    only touch, or share an edge by rounding, do not.
    """
    pairs: list[NDArray[np.int64]] = [np.zeros((0, 2), dtype=np.int64)]
    tree = shapely.STRtree(second.shapes)
    for turn in np.array([[-360.0, 0.0], [0.0, 0.0], [360.0, 0.0]]):
        moved = shapely.transform(first.shapes, lambda points, turn=turn: points + turn)
        a, b = tree.query(moved, predicate="intersects")
        common = shapely.area(shapely.intersection(moved[a], second.shapes[b]))
        smaller = np.minimum(shapely.area(moved[a]), shapely.area(second.shapes[b]))
        pairs.append(np.stack((a, b), axis=1)[common > MIN_SHARED_FRAC * smaller])
    return np.unique(np.concatenate(pairs), axis=0)


def _footprint(path: Path) -> Any:
    ground = read_ground(path)
    if ground is None:
        return None
    outline = reprojected(ground.outline(POINTS_PER_SIDE), ground.crs, WGS84)
    if not np.isfinite(outline).all():
        raise ValueError(f"{path}: lies where there is no longitude and latitude")
    outline[:, 0] -= 360 * np.round((outline[:, 0] - outline[0, 0]) / 360)
    return shapely.make_valid(shapely.polygons(outline))
