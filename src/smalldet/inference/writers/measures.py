"""Measures: where an object lies on earth and how large it is there, from its box."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from smalldet.imagery.ground import ECCENTRICITY_SQUARED, EQUATOR_RADIUS_M
from smalldet.inference.results import Result
from smalldet.inference.writers.placing import WGS84, Points, pixel_points, quads

DEGREE_DIGITS, METRE_DIGITS = 9, 3
MEASURES = ("longitude", "latitude", "length_m", "width_m", "area_m2")

Column = NDArray[np.float64]


def measures(result: Result) -> dict[str, Column]:
    """Columns (N,) `MEASURES` of a georeferenced picture's N objects.

    Longitude and latitude are those of the centre, in degrees of WGS 84. Length, the longer side,
    width and area are those of the oriented box where there is one, else of the box, in metres on
    the ellipsoid: maps such as Web Mercator stretch them, and this does not. A millimetre is the
    last digit. All are NaN where the picture's coordinate system has no place on earth.
    """
    corners = quads(result)
    num = len(corners)
    points = np.concatenate((corners, corners.mean(axis=1, keepdims=True)), axis=1).reshape(-1, 2)
    try:
        placed = longitude_latitude(result, points).reshape(num, 5, 2)
    except ValueError:
        return {name: np.full(num, np.nan) for name in MEASURES}
    centre = placed[:, 4]
    centre[:, 0] -= 360 * np.floor((centre[:, 0] + 180) / 360)
    around = placed[:, :4] - placed[:, 4:]
    around[..., 0] -= 360 * np.round(around[..., 0] / 360)  # of boxes on the date line
    metres = around * metres_of_degree(centre[:, 1])[:, None]
    sides = np.linalg.norm(np.roll(metres, -1, axis=1) - metres, axis=2)
    sides = (sides[:, :2] + sides[:, 2:]) / 2
    x, y = np.moveaxis(metres, 2, 0)
    twice_area = (x * np.roll(y, -1, axis=1) - y * np.roll(x, -1, axis=1)).sum(axis=1)
    columns = (
        *centre.T.round(DEGREE_DIGITS),
        sides.max(axis=1).round(METRE_DIGITS),
        sides.min(axis=1).round(METRE_DIGITS),
        (np.abs(twice_area) / 2).round(METRE_DIGITS),
    )
    return dict(zip(MEASURES, columns, strict=True))


def longitude_latitude(result: Result, xy: Points) -> Points:
    """(N, 2) pixel positions of a georeferenced picture to degrees of WGS 84.

    Raises:
        ValueError: a position has no place on earth; names the picture.
    """
    return pixel_points(result, xy, WGS84)


def metres_of_degree(latitude: Column) -> Column:
    """(N, 2) metres of a degree of longitude and one of latitude on the ellipsoid of WGS 84.

    Radii of curvature: Snyder, Map Projections (USGS Professional Paper 1395, 1987), 4-18 and 4-20.

    Args:
        latitude: (N,) degrees.
    """
    phi = np.radians(latitude)
    bent = 1 - ECCENTRICITY_SQUARED * np.sin(phi) ** 2
    north = EQUATOR_RADIUS_M * (1 - ECCENTRICITY_SQUARED) / bent**1.5
    east = EQUATOR_RADIUS_M / np.sqrt(bent) * np.cos(phi)
    return np.radians(np.stack((east, north), axis=1))
