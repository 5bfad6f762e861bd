"""Counts: the objects of each class in zones, squares of the ground or cells of H3.

An object counts where its centre lies. In zones that overlap it counts in each.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import shapely

from smalldet.inference.polygon_files import read_pixel_polygons
from smalldet.inference.results import Result
from smalldet.inference.writers.layers import Layer
from smalldet.inference.writers.measures import longitude_latitude
from smalldet.inference.writers.metric_map import MetricMap, metric_map
from smalldet.inference.writers.placing import centres, pixel_points
from smalldet.inference.writers.zoning import Zoned, met, squares, zoned_on_map
from smalldet.inference.zone_kinds import Cells, Grid, ZoneFile, ZoneKind, parse_zones


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
    crs, shapes, columns, zone, row = _zoned(results, zones, placed=placed)
    labels = np.concatenate([result.detections.labels.numpy() for result in results])[row]
    class_names = results[0].detections.class_names
    table = np.zeros((len(shapes), len(class_names)), dtype=np.int64)
    np.add.at(table, (zone, labels), 1)
    asked = results[0].classes or class_names
    counts = {f"num_{name}": table[:, class_names.index(name)] for name in asked}
    # exteriors anticlockwise, as RFC 7946 asks
    shapes = shapely.reverse(shapely.normalize(shapes))
    return Layer("counts", crs, shapes, {**columns, "num_all": table.sum(axis=1), **counts})


def _zoned(results: Sequence[Result], zones: ZoneKind, *, placed: bool) -> Zoned:
    if placed:
        points = [(result, centres(result)) for result in results]
        return zoned_on_map(
            zones,
            lambda: grid_map(results),
            lambda crs: np.concatenate([pixel_points(*one, crs) for one in points]),
        )
    if isinstance(zones, Grid):
        return _squares_px(results, zones)
    assert isinstance(zones, ZoneFile)  # cells need a place
    return _polygons_px(results, zones)


def _misfit(placed: bool) -> str:
    if placed:
        return "has a place on a map, so count in metres, as --count-in grid:100m"
    return "has no place on a map, so count in pixels, as --count-in grid:256px"


def _squares_px(results: Sequence[Result], grid: Grid) -> Zoned:
    cells = [
        np.insert(np.floor(centres(result) / grid.side), 0, number, axis=1)
        for number, result in enumerate(results)
    ]
    corner, zone = np.unique(np.concatenate(cells), axis=0, return_inverse=True)
    low = corner[:, 1:] * grid.side
    names = np.array([result.name for result in results], dtype=object)
    columns = {"source": names[corner[:, 0].astype(np.int64)], "x": low[:, 0], "y": low[:, 1]}
    shapes = squares(low, grid.side)
    return Zoned(None, shapes, columns, zone.reshape(-1), np.arange(len(zone)))


def _polygons_px(results: Sequence[Result], zones: ZoneFile) -> Zoned:
    shapes = read_pixel_polygons(zones.path)
    points = np.concatenate([centres(result) for result in results])
    zone, row = met(shapes, points, in_degrees=False)
    return Zoned(None, shapes, {"zone": np.arange(1, len(shapes) + 1)}, zone, row)


def grid_map(results: Sequence[Result]) -> MetricMap:
    """The map of squares on the ground: see `metric_map`, at the middle of the first picture.

    So pictures of one place have the same squares at all times.
    """
    first = results[0]
    middle = longitude_latitude(first, np.array([[first.width / 2, first.height / 2]]))
    one_crs = all(result.crs == first.crs for result in results)
    return metric_map(middle, first.crs if one_crs else None)
