"""Zoning: which points lie in which polygons of a file, squares of the ground or cells of H3."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from typing import Any, NamedTuple

import numpy as np
import shapely
from numpy.typing import NDArray
from rasterio.crs import CRS

from smalldet.data.formats.vector_write import cut_at_date_line
from smalldet.inference.polygon_files import read_pixel_polygons, read_polygons
from smalldet.inference.writers.layers import Shapes
from smalldet.inference.writers.metric_map import MetricMap
from smalldet.inference.writers.placing import WGS84, Points
from smalldet.inference.zone_kinds import Cells, Grid, ZoneFile, ZoneKind, parse_zones

TAKEN = ("fid", "geom", "geometry", "zone")
Rows = NDArray[np.int64]

PointsIn = Callable[[CRS], Points]
"""(N, 2) x, y of all points in a coordinate system."""


class Zoned(NamedTuple):
    """Zones, and what lies in them.

    Args:
        crs: coordinate system of the shapes; None for pixels.
        shapes: (Z,) polygons.
        columns: {name: (Z,)} that name each zone.
        zone: (P,) of pairs of a zone and a point in it.
        row: (P,) the point.
    """

    crs: CRS | None
    shapes: Shapes
    columns: dict[str, NDArray[Any]]
    zone: Rows
    row: Rows


def check_zones(zones: str) -> None:
    """Find what would fail at the end before the work begins.

    Raises:
        FileNotFoundError, ValueError: there is no such file, it holds no polygons, or H3 is not
            installed.
    """
    kind = parse_zones(zones)
    if isinstance(kind, ZoneFile):
        read_pixel_polygons(kind.path)
    if isinstance(kind, Cells) and find_spec("h3") is None:
        raise ValueError(f"{zones}: needs h3: pip install 'smalldet[h3]'")


def zoned_on_map(kind: ZoneKind, metric_map: Callable[[], MetricMap], points_in: PointsIn) -> Zoned:
    """Points on a map in zones.

    Args:
        kind: of the zones; squares in metres.
        metric_map: gives the map in which squares lie.
        points_in: the points.
    """
    if isinstance(kind, Grid):
        metric = metric_map()
        return _in_squares(points_in(metric.crs), metric.crs, kind.side / metric.unit_m)
    if isinstance(kind, Cells):
        return _in_cells(points_in(WGS84), kind.resolution)
    layer = read_polygons(kind.path)
    zone, row = met(layer.shapes, points_in(layer.crs), in_degrees=layer.crs.is_geographic)
    columns = {"zone": np.arange(1, len(layer.shapes) + 1)} | _attributes(layer.attributes)
    return Zoned(layer.crs, layer.shapes, columns, zone, row)


def squares(corners: NDArray[np.float64], side: float) -> Shapes:
    """(Z,) squares by their corners (Z, 2) of the least coordinates."""
    shapes = shapely.box(*corners.T, *(corners + side).T)
    return np.asarray(shapes, dtype=object).reshape(-1)


def met(shapes: Shapes, points: Points, *, in_degrees: bool) -> tuple[Rows, Rows]:
    """Pairs of a shape and a point in it or on its border; by the point, then by the shape."""
    turns = (-360.0, 0.0, 360.0) if in_degrees else (0.0,)
    tree = shapely.STRtree(shapes)
    pairs = [
        tree.query(shapely.points(points + np.array([turn, 0.0])), "intersects") for turn in turns
    ]
    row, zone = np.unique(np.concatenate(pairs, axis=1), axis=1)
    return zone, row


def _in_squares(points: Points, crs: CRS, side: float) -> Zoned:
    number, zone = np.unique(np.floor(points / side), axis=0, return_inverse=True)
    low = number * side
    columns = {"x": low[:, 0], "y": low[:, 1]}
    return Zoned(crs, squares(low, side), columns, zone.reshape(-1), np.arange(len(points)))


def _in_cells(points: Points, resolution: int) -> Zoned:
    import h3

    names = [h3.latlng_to_cell(y, x, resolution) for x, y in points.tolist()]
    unique, zone = np.unique(np.array(names, dtype=np.str_), return_inverse=True)
    rings = [[(x, y) for y, x in h3.cell_to_boundary(name)] for name in unique.tolist()]
    shapes = np.array([shapely.Polygon(ring) for ring in rings], dtype=object)
    columns = {"h3": unique.astype(object)}
    rows = np.arange(len(points))
    return Zoned(WGS84, cut_at_date_line(shapes), columns, zone.reshape(-1), rows)


def _attributes(attributes: dict[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    columns: dict[str, NDArray[Any]] = {}
    for name, values in attributes.items():
        own = name.casefold() in TAKEN or name.startswith("num_")
        columns[f"zone_{name}" if own else name] = _texts(values)
    return columns


def _texts(values: NDArray[Any]) -> NDArray[Any]:
    """Attributes that are no numbers as texts: no format of tables has all kinds of lists."""
    if values.dtype != object:
        return values
    return np.array([None if v is None else str(v) for v in values.tolist()], dtype=object)
