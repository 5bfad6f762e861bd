"""Layers: detections as shapes with columns, for every format of maps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray
from rasterio.crs import CRS

from smalldet.imagery.drawing import Colour, class_colours
from smalldet.inference.options import MapOptions
from smalldet.inference.results import Result
from smalldet.inference.writers.measures import MEASURES, measures
from smalldet.inference.writers.placing import (
    SOURCE,
    WGS84,
    box_shapes,
    centre_points,
    centres,
    named_crs,
    shared_crs,
)

Shapes = NDArray[Any]
"""(N,) shapely geometries."""

NO_SHAPE = -1
"""shapely's type of what is no geometry."""


@dataclass(frozen=True, eq=False)
class Layer:
    """Shapes with columns.

    Args:
        name: of the layer.
        crs: coordinate system of the shapes; None for pixels.
        shapes: (N,) polygons, multipolygons or points; None for rows without a place.
        columns: {name: (N,) numbers or texts}.
        drawn_by: the column that a style goes by.
        colours: {value of that column: its colour}; None where it holds numbers, the more the
            darker.
    """

    name: str
    crs: CRS | None
    shapes: Shapes
    columns: dict[str, NDArray[Any]]
    drawn_by: str = "num_all"
    colours: dict[str, Colour] | None = None

    @property
    def geometry_type(self) -> str:
        """The one type of all shapes, as GDAL calls it; that of polygons where there are none."""
        kinds = set(np.unique(shapely.get_type_id(self.shapes)).tolist()) - {NO_SHAPE}
        if kinds <= {int(shapely.GeometryType.POLYGON)}:
            return "Polygon"
        return "Point" if kinds == {int(shapely.GeometryType.POINT)} else "MultiPolygon"

    def well_known_binary(self) -> NDArray[Any]:
        """(N,) bytes, all of `geometry_type`, or None."""
        shapes = self.shapes
        if self.geometry_type == "MultiPolygon":
            single = np.flatnonzero(shapely.get_type_id(shapes) == shapely.GeometryType.POLYGON)
            shapes = shapes.copy()
            shapes[single] = shapely.multipolygons(shapes[single], indices=np.arange(len(single)))
        return shapely.to_wkb(shapes)


def map_crs(results: Sequence[Result], crs: str | None, path: Path) -> CRS:
    """The coordinate system of a layer: the pictures' own where it is one, else WGS 84.

    Raises:
        ValueError: a picture has no georeference, or `crs` does not fit; names the picture.
    """
    for result in results:
        if not result.georeferenced:
            raise ValueError(
                f"{result.name}: has no georeference, which {path.suffix} needs; "
                "write .geojson, .json or .csv"
            )
    if crs is not None and crs != SOURCE:
        return named_crs(crs)
    if crs is None and any(result.crs != results[0].crs for result in results):
        return WGS84
    return shared_crs(results)


def detection_layer(results: Sequence[Result], crs: CRS | None, maps: MapOptions) -> Layer:
    """All detections, numbered from 1 in the order of the pictures.

    What lies on the date line is cut there in two parts of one shape, in longitude and latitude.

    Args:
        results: pictures; all have a georeference where `crs` is given.
        crs: coordinate system of the shapes; None for pixels.
        maps: says whether they are polygons or points.
    """
    shapes = [_shapes(result, crs, maps.geometry == "point") for result in results]
    names = results[0].detections.class_names
    return Layer(
        "detections",
        crs,
        np.concatenate(shapes),
        detection_columns(results, placed=crs is not None),
        "class",
        dict(zip(names, class_colours(len(names)), strict=True)),
    )


def detection_columns(results: Sequence[Result], *, placed: bool) -> dict[str, NDArray[Any]]:
    """What is told of each detection: `id`, `class`, `score`, `source`, on maps the `MEASURES`."""
    num = [len(result.detections) for result in results]
    columns: dict[str, NDArray[Any]] = {
        "id": np.arange(1, sum(num) + 1),
        "class": np.array([n for r in results for n in r.detections.named()], dtype=object),
        "score": np.concatenate([r.detections.scores.double().numpy() for r in results]),
        "source": np.repeat(np.array([r.name for r in results], dtype=object), num),
    }
    if placed:
        parts = [measures(result) for result in results]
        columns |= {name: np.concatenate([part[name] for part in parts]) for name in MEASURES}
    return columns


def _shapes(result: Result, crs: CRS | None, as_points: bool) -> Shapes:
    if not as_points:
        return box_shapes(result, crs)
    points = centres(result) if crs is None else centre_points(result, crs)
    return np.asarray(shapely.points(points), dtype=object).reshape(-1)
