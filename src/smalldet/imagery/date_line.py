"""The date line and the poles: shapes in degrees that reach over them, cut as RFC 7946 asks."""

from __future__ import annotations

from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely.geometry.polygon import orient

Points = NDArray[np.float64]

GRID_DEGREES = 1e-10
"""Two parts that meet are one if their corners differ by less."""


def unbroken(rings: NDArray[np.float64]) -> NDArray[np.float64]:
    """Closed rings (N, K, 2) in degrees, each in one piece that begins between -180 and 180."""
    torn = np.ptp(rings[:, :, 0], axis=1) > 180
    unwound = rings.copy()
    if torn.any():
        unwound[torn, :, 0] = _unwound(rings[torn])
    turns = np.floor((unwound[:, :, 0].min(axis=1) + 180) / 360)
    unwound[:, :, 0] -= 360 * turns[:, None]
    return unwound


def round_pole(rings: NDArray[np.float64]) -> NDArray[np.bool_]:
    """(N,) bool, which closed rings (N, K, 2) in degrees go round a pole."""
    longitudes = _unwound(rings)
    return np.asarray(np.abs(longitudes[:, -1] - longitudes[:, 0]) > 180)


def shape_in_degrees(ring: Points) -> Any:
    """The shapely polygon of a ring (K, 2) in degrees, cut at the date line in several parts.

    A ring round a pole becomes the ground between it and the pole that is nearer.
    """
    points = np.stack((_unwound(ring[None])[0], ring[:, 1]), axis=1)
    polar = bool(round_pole(ring[None])[0])
    if polar:
        pole = 90.0 if ring[:, 1].mean() > 0 else -90.0
        points = np.concatenate((points, [(points[-1, 0], pole), (points[0, 0], pole)]))
    whole = shapely.polygons(points)
    west, _, east, _ = shapely.bounds(whole).tolist()
    parts: list[Any] = []
    for turn in range(int(np.floor((west + 180) / 360)), int(np.floor((east + 180) / 360)) + 1):
        strip = shapely.box(360 * turn - 180, -90, 360 * turn + 180, 90)
        part = shapely.transform(
            shapely.intersection(whole, strip), lambda xy, turn=turn: xy - (360.0 * turn, 0.0)
        )
        parts += [orient(p) for p in shapely.get_parts(part) if shapely.area(p) > 0]
    if polar:  # the first and the last part meet where the ring began
        whole = shapely.union_all(parts, grid_size=GRID_DEGREES)
        parts = [orient(p) for p in shapely.get_parts(whole)]
    return parts[0] if len(parts) == 1 else shapely.multipolygons(parts)


def _unwound(rings: NDArray[np.float64]) -> NDArray[np.float64]:
    """(N, K) longitudes that go on beyond 180 degrees instead of jumping."""
    longitudes = rings[:, :, 0].copy()
    longitudes[:, 1:] -= 360 * np.cumsum(np.round(np.diff(longitudes, axis=1) / 360), axis=1)
    return longitudes
