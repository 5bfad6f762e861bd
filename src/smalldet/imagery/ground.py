"""Ground: where on earth a picture's pixels lie, and how large they are there.

x comes before y, and longitude before latitude, whatever a coordinate system's own order of axes:
so do rasterio and the readers of vector files.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from rasterio.crs import CRS
from rasterio.errors import CRSError
from rasterio.warp import transform as warp_points

from smalldet.config.imagery import USUAL, ImageryOptions
from smalldet.imagery.places import (
    WGS84,
    MapTransform,
    Points,
    affine_near,
    place_of,
    to_map,
    to_pixels,
)
from smalldet.imagery.rasters import GDAL_ERRORS, damage_named, open_dataset

EQUATOR_RADIUS_M, ECCENTRICITY_SQUARED = 6_378_137.0, 6.694379990141e-3
# A map's own metres are taken where they are so near those on the ground, as in UTM.
UNIT_TOLERANCE = 0.01
STEP_PX = 64.0


@dataclass(frozen=True, eq=False)
class Ground:
    """A picture's place on a map.

    Args:
        path: the file.
        width: pixels.
        height: pixels.
        crs: coordinate system.
        transform: from pixels, counted from the outer corner of the first one, to `crs`.
    """

    path: Path
    width: int
    height: int
    crs: CRS
    transform: MapTransform

    def to_map(self, points: Points) -> Points:
        """(N, 2) pixels to (N, 2) x, y in `crs`."""
        return to_map(self.transform, points)

    def to_pixels(self, points: Points) -> Points:
        """(N, 2) x, y in `crs` to (N, 2) pixels.

        Longitudes are taken to be within 180 degrees of the picture's middle, so that a picture
        may reach over the date line.
        """
        if self.crs.is_geographic:
            middle = self.to_map(np.array([[self.width / 2, self.height / 2]]))[0, 0]
            turns = np.round((middle - points[:, 0]) / 360)
            points = np.stack((points[:, 0] + 360 * turns, points[:, 1]), axis=1)
        return to_pixels(self.transform, points)

    def outline(self, points_per_side: int = 1) -> Points:
        """(4 * points_per_side, 2) x, y in `crs` along the picture's border, not closed."""
        share = np.arange(points_per_side) / points_per_side
        corners = np.array([(0, 0), (1, 0), (1, 1), (0, 1), (0, 0)], dtype=np.float64)
        sides = [a + share[:, None] * (b - a) for a, b in pairwise(corners)]
        return self.to_map(np.concatenate(sides) * (self.width, self.height))

    def pixel_sides_m(self) -> tuple[float, float] | None:
        """Metres on the ground that a step of one pixel to the right and one down lead.

        Measured at the picture's middle: degrees at its latitude, and without the stretching of
        maps such as Web Mercator. None where the coordinate system has no place on earth.
        """
        a, b, _, d, e, _ = affine_near(self.transform, (self.width / 2, self.height / 2))[:6]
        steps = np.array([(a, d), (b, e)])
        middle = self.to_map(np.array([[self.width / 2, self.height / 2]]))[0]
        if self.crs.is_geographic:
            degrees = self.crs.units_factor[1] / math.radians(1)
            return _sides(steps * degrees, float(middle[1]) * degrees)
        unit = _metres_of_unit(self.crs)
        across, down = (math.hypot(*step) for step in steps.tolist())
        stated = None if unit is None else (across * unit, down * unit)
        step_px = min(STEP_PX, self.width, self.height)
        around = middle + np.stack((-steps[0], steps[0], -steps[1], steps[1])) * step_px / 2
        placed = reprojected(around, self.crs, WGS84)
        true = None
        if np.isfinite(placed).all():
            moved = placed[1::2] - placed[::2]
            moved[:, 0] -= 360 * np.round(moved[:, 0] / 360)
            true = _sides(moved / step_px, float(placed[:, 1].mean()))
        if stated is None or true is None:
            return true or stated
        near = all(abs(t - s) <= UNIT_TOLERANCE * s for t, s in zip(true, stated, strict=True))
        return stated if near else true

    def gsd_m(self) -> float | None:
        """Ground sample distance in metres a pixel, the mean of both directions."""
        sides = self.pixel_sides_m()
        return None if sides is None else round(math.sqrt(sides[0] * sides[1]), 9)


def read_ground(path: str | Path, options: ImageryOptions = USUAL) -> Ground | None:
    """Where a file lies, from its header; None where it does not say so.

    Raises:
        FileNotFoundError, ValueError: there is no such file, it is no picture, or its georeference
            is damaged.
    """
    with open_dataset(str(path)) as dataset, damage_named(str(path)):
        place = place_of(str(path), dataset, options)
        if not place.crs or place.transform is None:
            return None
        return Ground(Path(path), dataset.width, dataset.height, place.crs, place.transform)


def located(path: str | Path) -> Ground:
    """As `read_ground`, for who needs a place.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is no picture, or has no place on a map; says what is missing.
    """
    ground = read_ground(path)
    if ground is not None:
        return ground
    with open_dataset(str(path)) as dataset:
        placed = place_of(str(path), dataset).transform is not None
    missing = "coordinate system" if placed else "georeference"
    remedy = "gdal_edit -a_srs EPSG:..." if placed else "gdal_translate -a_srs ... -a_ullr ..."
    raise ValueError(f"{path}: has no usable {missing}; give it one, as with `{remedy}`")


def reprojected(points: Points, source: CRS, target: CRS) -> Points:
    """(N, 2) x, y from one coordinate system to another; infinite where it has no such place."""
    if source == target or not len(points):
        return points
    try:
        return np.array(warp_points(source, target, points[:, 0], points[:, 1])[:2]).T
    except GDAL_ERRORS:
        # One point without a place fails all: halves find it.
        if len(points) == 1:
            return np.full((1, 2), np.inf)
        half = len(points) // 2
        parts = points[:half], points[half:]
        return np.concatenate([reprojected(part, source, target) for part in parts])


def _metres_of_unit(crs: CRS) -> float | None:
    try:
        return float(crs.linear_units_factor[1])
    except CRSError:
        return None


def _sides(steps: Points, latitude: float) -> tuple[float, float] | None:
    """Lengths in metres of two steps (2, 2) of degrees on the ellipsoid of WGS 84.

    Radii of curvature: Snyder, Map Projections (USGS Professional Paper 1395, 1987), 4-18 and 4-20.
    """
    if abs(latitude) > 90:
        return None
    phi = math.radians(latitude)
    bent = 1 - ECCENTRICITY_SQUARED * math.sin(phi) ** 2
    north = EQUATOR_RADIUS_M * (1 - ECCENTRICITY_SQUARED) / bent**1.5
    east = EQUATOR_RADIUS_M / math.sqrt(bent) * math.cos(phi)
    metres = np.hypot(*(np.radians(steps) * (east, north)).T)
    return float(metres[0]), float(metres[1])
