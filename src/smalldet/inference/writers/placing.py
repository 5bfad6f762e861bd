"""Placing boxes on a map: from pixels to rings of coordinates, all boxes at once."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray
from rasterio.crs import CRS
from rasterio.errors import CRSError

from smalldet.geometry.oriented import rboxes_to_quads
from smalldet.imagery.date_line import round_pole, shape_in_degrees, unbroken
from smalldet.imagery.ground import reprojected
from smalldet.imagery.places import WGS84, to_map
from smalldet.inference.results import Result

SOURCE = "source"
POINTS_PER_SIDE = 16
MAX_STEP = 1000.0
"""Units of a map, of any: two sides of the date line lie apart by more than that, or touch."""

Points = NDArray[np.float64]


def named_crs(crs: str) -> CRS:
    """A coordinate system by its name, such as EPSG:32633.

    Raises:
        ValueError: it is unknown.
    """
    try:
        return CRS.from_user_input(crs)
    except CRSError as error:
        raise ValueError(f"crs {crs!r} is unknown; name one as EPSG:32633 or source") from error


def shared_crs(results: Sequence[Result]) -> CRS:
    """The one coordinate system of all pictures.

    Raises:
        ValueError: a picture has none, or they differ.
    """
    first = results[0]
    for result in results:
        if not result.georeferenced:
            raise ValueError(f"{result.name}: has no georeference and so no place on a map")
        if result.crs != first.crs:
            raise ValueError(
                f"{first.name} and {result.name} lie in different coordinate systems; name one "
                "with crs, or a directory to write to"
            )
    assert first.crs is not None
    return first.crs


def pixel_points(result: Result, xy: Points, crs: CRS) -> Points:
    """(N, 2) pixel positions of a georeferenced picture to (N, 2) x, y in `crs`.

    Raises:
        ValueError: a position has no place in `crs`.
    """
    assert result.transform is not None and result.crs is not None
    placed = reprojected(to_map(result.transform, xy), result.crs, crs)
    if not np.isfinite(placed).all():
        raise ValueError(f"{result.name}: lies where {crs.to_string()} has no coordinates")
    return placed


def quads(result: Result) -> NDArray[np.float64]:
    """(N, 4, 2) corners of the boxes in pixels, of the oriented ones where there are any.

    They go clockwise on the screen from the top left, that of the box turned upright.
    """
    detections = result.detections
    if detections.rboxes is not None:
        return rboxes_to_quads(detections.rboxes.double()).numpy()
    return detections.boxes.double().numpy()[:, [[0, 1], [2, 1], [2, 3], [0, 3]]]


def box_rings(result: Result, crs: CRS | None) -> NDArray[np.float64]:
    """Closed rings (N, 5, 2) around the boxes or oriented boxes, anticlockwise where y goes up.

    One on the date line goes on beyond 180 degrees.

    Args:
        result: N detections.
        crs: coordinate system of the rings; None for pixels.
    """
    corners = quads(result)[:, [3, 2, 1, 0, 3]]
    if crs is None:
        return _anticlockwise(corners)
    rings = pixel_points(result, corners.reshape(-1, 2), crs).reshape(-1, 5, 2)
    return _anticlockwise(unbroken(rings) if crs.is_geographic else rings)


def box_shapes(result: Result, crs: CRS | None) -> NDArray[Any]:
    """(N,) shapely polygons around the boxes or oriented boxes.

    What lies on the date line is cut there in parts of one multipolygon, as RFC 7946 asks (3.1.9),
    in degrees and in every map that ends at that line. A box round a pole reaches to it.

    Args:
        result: N detections.
        crs: coordinate system of the shapes; None for pixels.
    """
    rings = box_rings(result, crs)
    shapes = np.asarray(shapely.polygons(rings), dtype=object).reshape(-1)
    if crs is None or not len(shapes) or (crs == result.crs and not crs.is_geographic):
        return shapes
    degrees = rings if crs.is_geographic else box_rings(result, WGS84)
    beyond = (degrees[:, :, 0] > 180).any(axis=1) | round_pole(degrees)
    for row in np.flatnonzero(beyond).tolist():
        latitude = float(degrees[row, 0, 1])
        if crs.is_geographic:
            shapes[row] = _cut_in_degrees(result, row, degrees[row], crs)
        elif _ends_at_date_line(crs, latitude):
            cut = _cut_in_degrees(result, row, degrees[row], WGS84)
            shapes[row] = shapely.transform(cut, lambda xy: reprojected(xy, WGS84, crs))
    return shapes


def _cut_in_degrees(result: Result, row: int, ring: Points, crs: CRS) -> Any:
    if round_pole(ring[None])[0]:
        return shape_in_degrees(_sides_in_steps(result, row, crs))
    return shape_in_degrees(ring)


def _sides_in_steps(result: Result, row: int, crs: CRS) -> Points:
    """The ring round one box by many points a side, which are curves on a map round a pole."""
    corners = quads(result)[row][[3, 2, 1, 0, 3]]
    share = np.arange(POINTS_PER_SIDE)[:, None] / POINTS_PER_SIDE
    sides = [start + share * (end - start) for start, end in pairwise(corners)]
    return pixel_points(result, np.concatenate([*sides, corners[:1]]), crs)


def _ends_at_date_line(crs: CRS, latitude: float) -> bool:
    """Whether the two sides of the date line lie apart on a map, at a latitude."""
    sides = np.array([[180 - 1e-6, latitude], [-180 + 1e-6, latitude]])
    west, east = reprojected(sides, WGS84, crs)
    return not bool(np.abs(west - east).max() < MAX_STEP)


def _anticlockwise(rings: NDArray[np.float64]) -> NDArray[np.float64]:
    # differences from the first corner, so that large map coordinates lose no digits
    x, y = np.moveaxis(rings - rings[:, :1], 2, 0)
    twice_area = (x[:, :-1] * y[:, 1:] - x[:, 1:] * y[:, :-1]).sum(axis=1)
    return np.where((twice_area < 0)[:, None, None], rings[:, ::-1], rings)


def centres(result: Result) -> Points:
    """(N, 2) centres of the boxes or oriented boxes, in pixels."""
    return quads(result).mean(axis=1)


def centre_points(result: Result, crs: CRS) -> Points:
    """(N, 2) x, y of the centres in `crs`; longitudes lie from -180 to 180.

    Raises:
        ValueError: a centre has no place in `crs`.
    """
    points = pixel_points(result, centres(result), crs)
    if crs.is_geographic:
        points[:, 0] -= 360 * np.floor((points[:, 0] + 180) / 360)
    return points
