"""Counts: the objects of each class in zones, squares of the ground or cells of H3.

An object counts where its centre lies. In zones that overlap it counts in each.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray
from rasterio.crs import CRS

from smalldet.data.formats.vector_write import cut_at_date_line
from smalldet.imagery.ground import reprojected
from smalldet.inference.polygon_files import read_pixel_polygons, read_polygons
from smalldet.inference.results import Result
from smalldet.inference.writers.layers import Layer, Shapes
from smalldet.inference.writers.measures import longitude_latitude, metres_of_degree
from smalldet.inference.writers.placing import WGS84, centres, pixel_points
from smalldet.inference.zone_kinds import Cells, Grid, ZoneFile, parse_zones

TRUE_METRES = 0.01
"""A map's own metres make the grid where they differ from those on the ground by no more."""

TAKEN = ("fid", "geom", "geometry", "zone")
Rows = NDArray[np.int64]


def check_zones(count_in: str) -> None:
    """Find what would fail at the end before the work begins.

    Raises:
        FileNotFoundError, ValueError: there is no such file, it holds no polygons, or H3 is not
            installed.
    """
    zones = parse_zones(count_in)
    if isinstance(zones, ZoneFile):
        read_pixel_polygons(zones.path)
    if isinstance(zones, Cells) and find_spec("h3") is None:
        raise ValueError(f"{count_in}: needs h3: pip install 'smalldet[h3]'")


def count_layer(results: Sequence[Result], count_in: str) -> Layer:
    """A layer `counts`: `num_all` and `num_CLASS` for every class that was looked for.

    Zones of a file all occur, with their attributes and numbered in `zone`; squares and cells only
    where something was found. Squares are named by their corner `x`, `y` with the least
    coordinates, cells by `h3`.

    Raises:
        ValueError: the zones need a place on a map and a picture has none, or the other way round;
            names it.
    """
    zones = parse_zones(count_in)
    placed = any(result.georeferenced for result in results)
    if isinstance(zones, Grid):
        needs_place = not zones.pixels
    else:
        needs_place = placed or isinstance(zones, Cells)
    for result in results:
        if result.georeferenced != needs_place:
            raise ValueError(f"{result.name}: {_misfit(result.georeferenced)} ({count_in})")
    if isinstance(zones, Grid):
        found = _squares_px(results, zones) if zones.pixels else _squares(results, zones)
    elif isinstance(zones, Cells):
        found = _cells(results, zones)
    else:
        found = _zones(results, zones, placed=placed)
    crs, shapes, columns, zone, row = found
    labels = np.concatenate([result.detections.labels.numpy() for result in results])[row]
    class_names = results[0].detections.class_names
    table = np.zeros((len(shapes), len(class_names)), dtype=np.int64)
    np.add.at(table, (zone, labels), 1)
    asked = results[0].classes or class_names
    counts = {f"num_{name}": table[:, class_names.index(name)] for name in asked}
    # exteriors anticlockwise, as RFC 7946 asks
    shapes = shapely.reverse(shapely.normalize(shapes))
    return Layer("counts", crs, shapes, {**columns, "num_all": table.sum(axis=1), **counts})


Found = tuple[CRS | None, Shapes, dict[str, NDArray[Any]], Rows, Rows]
"""Coordinate system, shapes (Z,), columns (Z,), and (P,) pairs of a zone and an object in it."""


def _misfit(placed: bool) -> str:
    if placed:
        return "has a place on a map, so count in metres, as --count-in grid:100m"
    return "has no place on a map, so count in pixels, as --count-in grid:256px"


def _squares(results: Sequence[Result], grid: Grid) -> Found:
    crs, metres = grid_crs(results)
    points = np.concatenate([pixel_points(result, centres(result), crs) for result in results])
    side = grid.side / metres
    corner, zone = np.unique(np.floor(points / side), axis=0, return_inverse=True)
    low, high = corner * side, (corner + 1) * side
    shapes = np.asarray(shapely.box(*low.T, *high.T), dtype=object).reshape(-1)
    return crs, shapes, {"x": low[:, 0], "y": low[:, 1]}, zone.reshape(-1), np.arange(len(points))


def _squares_px(results: Sequence[Result], grid: Grid) -> Found:
    cells = [
        np.insert(np.floor(centres(result) / grid.side), 0, number, axis=1)
        for number, result in enumerate(results)
    ]
    corner, zone = np.unique(np.concatenate(cells), axis=0, return_inverse=True)
    low, high = corner[:, 1:] * grid.side, (corner[:, 1:] + 1) * grid.side
    shapes = np.asarray(shapely.box(*low.T, *high.T), dtype=object).reshape(-1)
    names = np.array([result.name for result in results], dtype=object)
    columns = {"source": names[corner[:, 0].astype(np.int64)], "x": low[:, 0], "y": low[:, 1]}
    return None, shapes, columns, zone.reshape(-1), np.arange(len(zone))


def _cells(results: Sequence[Result], cells: Cells) -> Found:
    import h3

    points = np.concatenate([longitude_latitude(result, centres(result)) for result in results])
    names = [h3.latlng_to_cell(y, x, cells.resolution) for x, y in points.tolist()]
    unique, zone = np.unique(np.array(names, dtype=np.str_), return_inverse=True)
    rings = [[(x, y) for y, x in h3.cell_to_boundary(name)] for name in unique.tolist()]
    shapes = np.array([shapely.Polygon(ring) for ring in rings], dtype=object)
    columns = {"h3": unique.astype(object)}
    return WGS84, cut_at_date_line(shapes), columns, zone.reshape(-1), np.arange(len(points))


def _zones(results: Sequence[Result], zones: ZoneFile, *, placed: bool) -> Found:
    attributes: dict[str, NDArray[Any]] = {}
    crs = None
    if placed:
        layer = read_polygons(zones.path)
        crs, shapes, attributes = layer.crs, layer.shapes, layer.attributes
        points = np.concatenate([pixel_points(r, centres(r), layer.crs) for r in results])
    else:
        shapes = read_pixel_polygons(zones.path)
        points = np.concatenate([centres(result) for result in results])
    turns = (-360.0, 0.0, 360.0) if crs is not None and crs.is_geographic else (0.0,)
    tree = shapely.STRtree(shapes)
    pairs = [
        tree.query(shapely.points(points + np.array([turn, 0.0])), "intersects") for turn in turns
    ]
    row, zone = np.unique(np.concatenate(pairs, axis=1), axis=1)
    columns = {"zone": np.arange(1, len(shapes) + 1)}
    for name, values in attributes.items():
        own = name.casefold() in TAKEN or name.startswith("num_")
        columns[f"zone_{name}" if own else name] = _texts(values)
    return crs, shapes, columns, zone, row


def _texts(values: NDArray[Any]) -> NDArray[Any]:
    """Attributes that are no numbers as texts: no format of tables has all kinds of lists."""
    if values.dtype != object:
        return values
    return np.array([None if v is None else str(v) for v in values.tolist()], dtype=object)


def grid_crs(results: Sequence[Result]) -> tuple[CRS, float]:
    """The coordinate system of squares on the ground, and the metres of its unit.

    The pictures' own where it is one, projected, and true to the ground by a hundredth at the
    middle of the first picture, as UTM is and Web Mercator is not; else the UTM zone of that
    middle. So pictures of one place have the same squares at all times.
    """
    first = results[0]
    assert first.crs is not None
    middle = np.array([[first.width / 2, first.height / 2]])
    [(longitude, latitude)] = longitude_latitude(first, middle).tolist()
    if first.crs.is_projected and all(result.crs == first.crs for result in results):
        unit = float(first.crs.linear_units_factor[1])
        steps = np.array([(0.0, 0.0), (1000.0, 0.0), (0.0, 1000.0)]) / unit
        placed = reprojected(pixel_points(first, middle, first.crs) + steps, first.crs, WGS84)
        moved = placed[1:] - placed[0]
        moved[:, 0] -= 360 * np.round(moved[:, 0] / 360)
        metres = np.linalg.norm(moved * metres_of_degree(placed[:1, 1]), axis=1)
        if (np.abs(metres / 1000 - 1) <= TRUE_METRES).all():
            return first.crs, unit
    zone = min(60, int((longitude + 180) % 360 // 6) + 1)
    return CRS.from_epsg((32600 if latitude >= 0 else 32700) + zone), 1.0
