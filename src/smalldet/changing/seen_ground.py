"""What of the ground a date has seen: pixels of its pictures with data, without clouds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import shapely
from numpy.typing import NDArray

from smalldet.changing.plane import Objects
from smalldet.config.imagery import ImageryOptions
from smalldet.imagery import Scene, open_scene
from smalldet.imagery.ground import Ground
from smalldet.imagery.places import place_of, to_pixels
from smalldet.imagery.rasters import damage_named, open_dataset
from smalldet.imagery.sources import FileSource
from smalldet.inference.polygon_files import read_polygons
from smalldet.inference.writers.metric_map import MetricMap

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

SAMPLES = 5
"""A side of the grid of points at which an object's box is looked at."""
SEEN_FRAC = 0.5
"""An object is seen where at least this share of its box is."""
BLOCK_PX = 1024
POINTS_PER_SIDE = 8


class Part(Protocol):
    """A part of the ground."""

    def holds(self, points: Floats) -> Flags:
        """(N,) bool of points (N, 2) in metres of the common map."""
        ...


@dataclass(frozen=True, eq=False)
class SeenGround:
    """What a date has seen.

    Args:
        pictures: that were looked through; None where that is not known, and all is taken as seen.
        area: that the comparison is held to, or None.
        clouds: what a mask hides, or None.
    """

    pictures: Pictures | None
    area: Polygons | None
    clouds: Part | None

    def holds(self, points: Floats) -> Flags:
        """(N,) bool, whether each of points (N, 2) was seen."""
        seen = self.unmasked(points)
        if self.pictures is not None:
            seen[seen] = self.pictures.holds(points[seen])
        return seen

    def unmasked(self, points: Floats) -> Flags:
        """As `holds`, of points that are known to lie in a picture."""
        seen = np.ones(len(points), dtype=np.bool_)
        if self.area is not None:
            seen = self.area.holds(points)
        if self.clouds is not None:
            seen[seen] = ~self.clouds.holds(points[seen])
        return seen

    def shows(self, objects: Objects) -> Flags:
        """(N,) bool, whether half of each object's box was seen."""
        return mostly(self.holds, objects)


def mostly(holds: Any, objects: Objects) -> Flags:
    """(N,) bool, whether half of the box of each object is held."""
    bounds = shapely.bounds(objects.shapes).reshape(-1, 4)
    share = (np.arange(SAMPLES) + 0.5) / SAMPLES
    x, y = (
        b[:, None] + share * (e - b)[:, None] for b, e in zip(*np.split(bounds.T, 2), strict=True)
    )
    grid = np.stack(np.broadcast_arrays(x[:, None, :], y[:, :, None]), axis=-1)
    held = holds(grid.reshape(-1, 2)).reshape(len(objects), SAMPLES * SAMPLES)
    return np.asarray(held.mean(axis=1) >= SEEN_FRAC)


class Pictures:
    """Pixels with data of georeferenced pictures.

    Args:
        sources: files and mosaics.
        plane: the common map.
        imagery: how they are read.

    Raises:
        FileNotFoundError, ValueError: one cannot be read, or has no place on a map; names it.
    """

    def __init__(
        self, sources: Sequence[FileSource], plane: MetricMap, imagery: ImageryOptions
    ) -> None:
        self._sources, self._plane, self._imagery = sources, plane, imagery
        self._grounds = [ground_of(source, imagery) for source in sources]
        self.outlines = np.array(
            [
                shapely.Polygon(plane.metres(ground.outline(POINTS_PER_SIDE), ground.crs))
                for ground in self._grounds
            ],
            dtype=object,
        )
        self._tree = shapely.STRtree(self.outlines)

    def holds(self, points: Floats) -> Flags:
        """(N,) bool, whether a picture has data at each of points (N, 2)."""
        held = np.zeros(len(points), dtype=np.bool_)
        row, picture = self._tree.query(shapely.points(points), predicate="intersects")
        order = np.argsort(picture, kind="stable")
        numbers, starts = np.unique(picture[order], return_index=True)
        ends = [*starts[1:].tolist(), len(order)]
        for number, first, end in zip(numbers.tolist(), starts.tolist(), ends, strict=False):
            rows = row[order[first:end]]
            rows = rows[~held[rows]]
            ground = self._grounds[number]
            place = ground.to_pixels(self._plane.back(points[rows], ground.crs))
            with open_scene(self._sources[number], options=self._imagery) as scene:
                held[rows] = _has_data(scene, place)
        return held


def ground_of(source: FileSource, imagery: ImageryOptions) -> Ground:
    """Where a picture lies.

    Raises:
        FileNotFoundError, ValueError: it cannot be read, or has no place on a map; names it.
    """
    with open_scene(source, options=imagery) as scene:
        if scene.crs is None or scene.transform is None:
            raise ValueError(
                f"{source}: has no place on a map, and dates are compared there; give it one, as "
                "with `gdal_translate -a_srs ... -a_ullr ...`, or --assume-crs"
            )
        return Ground(Path(str(source)), scene.width, scene.height, scene.crs, scene.transform)


class Polygons:
    """Polygons of a file.

    Args:
        path: GeoJSON, GeoPackage, Shapefile or FlatGeobuf, in any coordinate system.
        plane: the common map.

    Raises:
        FileNotFoundError, ValueError: see `polygon_files.read_polygons`.
    """

    def __init__(self, path: Path, plane: MetricMap) -> None:
        layer = read_polygons(path)
        points = plane.metres(shapely.get_coordinates(layer.shapes), layer.crs)
        if not np.isfinite(points).all():
            raise ValueError(f"{path}: lies where {plane.crs.to_string()} has no coordinates")
        shapes = shapely.make_valid(shapely.set_coordinates(layer.shapes.copy(), points))
        self.shape = shapely.union_all(shapes)
        shapely.prepare(self.shape)

    def holds(self, points: Floats) -> Flags:
        """(N,) bool, whether each of points (N, 2) lies in a polygon or on its border."""
        return np.asarray(shapely.intersects_xy(self.shape, *points.T), dtype=np.bool_)


class MaskRaster:
    """Marked pixels of a georeferenced raster; beside it nothing is marked.

    Args:
        path: anything that GDAL opens; its first band is read.
        plane: the common map.
        values: that mark a pixel; all but 0 if empty.

    Raises:
        FileNotFoundError, ValueError: it cannot be read, or has no place on a map; names it.
    """

    def __init__(self, path: Path, plane: MetricMap, values: Sequence[float]) -> None:
        self._path, self._plane, self._values = str(path), plane, list(values)
        with open_dataset(self._path) as dataset, damage_named(self._path):
            self._place = place_of(self._path, dataset)
            self._size = dataset.width, dataset.height
        if self._place.crs is None or self._place.transform is None:
            raise ValueError(f"{path}: is a mask without a place on a map; give it one")

    def holds(self, points: Floats) -> Flags:
        """(N,) bool, whether the pixel at each of points (N, 2) is marked."""
        crs, transform = self._place.crs, self._place.transform
        assert crs is not None and transform is not None
        pixels = to_pixels(transform, self._plane.back(points, crs))
        with open_dataset(self._path) as dataset, damage_named(self._path):

            def marked(x1: int, y1: int, x2: int, y2: int) -> Flags:
                values = dataset.read(1, window=((y1, y2), (x1, x2)))
                return np.isin(values, self._values) if self._values else values != 0

            return _by_blocks(pixels, self._size, marked)


def mask_of(path: Path, plane: MetricMap, values: Sequence[float]) -> Part:
    """Clouds by a file of polygons, or by a raster."""
    if path.suffix.lower() in (".geojson", ".json", ".gpkg", ".shp", ".fgb"):
        return Polygons(path, plane)
    return MaskRaster(path, plane, values)


def _has_data(scene: Scene, pixels: Floats) -> Flags:
    return _by_blocks(pixels, (scene.width, scene.height), lambda *window: scene.mask(window))


def _by_blocks(pixels: Floats, size: tuple[int, int], read: Any) -> Flags:
    """(N,) what a raster of flags holds at positions (N, 2) in pixels; False beside it.

    Args:
        pixels: x, y.
        size: width and height.
        read: (x1, y1, x2, y2) to flags (h, w).
    """
    held = np.zeros(len(pixels), dtype=np.bool_)
    whole = np.floor(np.nan_to_num(pixels, nan=-1, posinf=-1, neginf=-1)).astype(np.int64)
    rows = np.flatnonzero(((whole >= 0) & (whole < size)).all(axis=1))
    whole = whole[rows]
    blocks, block = np.unique(whole // BLOCK_PX, axis=0, return_inverse=True)
    order = np.argsort(block.reshape(-1), kind="stable")
    ends = np.cumsum(np.bincount(block.reshape(-1), minlength=len(blocks)))
    parts = np.split(order, ends)[: len(blocks)]
    for (x, y), own in zip((blocks * BLOCK_PX).tolist(), parts, strict=True):
        flags = read(x, y, min(x + BLOCK_PX, size[0]), min(y + BLOCK_PX, size[1]))
        held[rows[own]] = flags[whole[own, 1] - y, whole[own, 0] - x]
    return held
