"""Metric maps: coordinate systems whose own metres are those on the ground, and points in them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from rasterio.crs import CRS

from smalldet.imagery.ground import reprojected
from smalldet.inference.writers.measures import metres_of_degree
from smalldet.inference.writers.placing import WGS84, Points

TRUE_METRES = 0.01
"""A map's own metres are taken where they differ from those on the ground by no more."""


@dataclass(frozen=True)
class MetricMap:
    """A projected coordinate system that is true to the ground.

    Args:
        crs: the coordinate system.
        unit_m: metres of its unit.
    """

    crs: CRS
    unit_m: float

    def metres(self, points: Points, crs: CRS) -> Points:
        """(N, 2) x, y in `crs` to metres of this map; infinite where it has no such place."""
        return reprojected(points, crs, self.crs) * self.unit_m

    def back(self, metres: Points, crs: CRS) -> Points:
        """(N, 2) metres of this map to x, y in `crs`."""
        return reprojected(metres / self.unit_m, self.crs, crs)


def metric_map(middle: Points, crs: CRS | None) -> MetricMap:
    """The map of a place: its own where it is projected and true to the ground by a hundredth,
    as UTM is and Web Mercator is not; else the UTM zone of that place.

    Args:
        middle: (1, 2) longitude and latitude of the place.
        crs: its own coordinate system; None where there are several.
    """
    if crs is not None and crs.is_projected:
        unit_m = float(crs.linear_units_factor[1])
        steps = np.array([(0.0, 0.0), (1000.0, 0.0), (0.0, 1000.0)]) / unit_m
        placed = reprojected(reprojected(middle, WGS84, crs) + steps, crs, WGS84)
        moved = placed[1:] - placed[0]
        moved[:, 0] -= 360 * np.round(moved[:, 0] / 360)
        metres = np.linalg.norm(moved * metres_of_degree(placed[:1, 1]), axis=1)
        if (np.abs(metres / 1000 - 1) <= TRUE_METRES).all():
            return MetricMap(crs, unit_m)
    [(longitude, latitude)] = middle.tolist()
    zone = min(60, int((longitude + 180) % 360 // 6) + 1)
    return MetricMap(CRS.from_epsg((32600 if latitude >= 0 else 32700) + zone), 1.0)
