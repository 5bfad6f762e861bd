"""Placing boxes on a map: from pixels to rings of coordinates, all boxes at once."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from rasterio.crs import CRS
from rasterio.errors import CRSError
from rasterio.warp import transform as reproject

from smalldet.geometry.oriented import rboxes_to_quads
from smalldet.inference.results import Result

WGS84 = CRS.from_epsg(4326)
SOURCE = "source"

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
    a, b, c, d, e, f = result.transform[:6]
    x, y = a * xy[:, 0] + b * xy[:, 1] + c, d * xy[:, 0] + e * xy[:, 1] + f
    points = np.stack((x, y), axis=1)
    if result.crs == crs or not len(points):
        return points
    placed = np.array(reproject(result.crs, crs, x.tolist(), y.tolist())[:2]).T
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

    Args:
        result: N detections.
        crs: coordinate system of the rings; None for pixels.
    """
    corners = quads(result)[:, [3, 2, 1, 0, 3]]
    if crs is None:
        return _anticlockwise(corners)
    rings = pixel_points(result, corners.reshape(-1, 2), crs).reshape(-1, 5, 2)
    if crs.is_geographic:  # a box on the date line: keep it in one piece, beyond 180 degrees
        torn = np.ptp(rings[:, :, 0], axis=1) > 180
        rings[:, :, 0] += np.where(torn[:, None] & (rings[:, :, 0] < 0), 360.0, 0.0)
        turns = np.floor((rings[:, :, 0].min(axis=1) + 180) / 360)
        rings[:, :, 0] -= 360 * turns[:, None]
    return _anticlockwise(rings)


def halves_at_date_line(ring: Points) -> tuple[Points, Points]:
    """The west and the east part of a ring that reaches beyond 180 degrees, as RFC 7946 asks.

    Args:
        ring: (K, 2) longitude and latitude, closed.

    Returns:
        Two closed rings that go the same way round; the east one begins at -180 degrees.
    """
    start, step = ring[:-1], np.diff(ring, axis=0)
    beyond = start[:, 0] > 180
    crosses = beyond != (ring[1:, 0] > 180)
    share = (180 - start[:, 0]) / np.where(crosses, step[:, 0], 1)
    at_line = np.stack((np.full(len(start), 180.0), start[:, 1] + share * step[:, 1]), axis=1)
    points = np.stack((start, at_line), axis=1).reshape(-1, 2)
    west = points[np.stack((~beyond, crosses), axis=1).reshape(-1)]
    east = points[np.stack((beyond, crosses), axis=1).reshape(-1)] - [360.0, 0.0]
    return np.concatenate((west, west[:1])), np.concatenate((east, east[:1]))


def _anticlockwise(rings: NDArray[np.float64]) -> NDArray[np.float64]:
    # differences from the first corner, so that large map coordinates lose no digits
    x, y = np.moveaxis(rings - rings[:, :1], 2, 0)
    twice_area = (x[:, :-1] * y[:, 1:] - x[:, 1:] * y[:, :-1]).sum(axis=1)
    return np.where((twice_area < 0)[:, None, None], rings[:, ::-1], rings)


def centres(result: Result) -> Points:
    """(N, 2) centres of the boxes or oriented boxes, in pixels."""
    return quads(result).mean(axis=1)
