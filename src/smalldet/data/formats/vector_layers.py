"""Layers of vector files, GeoJSON, GeoPackage, Shapefile and FlatGeobuf: shapes and attributes.

Formats: https://www.rfc-editor.org/rfc/rfc7946, https://www.geopackage.org/spec/,
https://www.esri.com/content/dam/esrisites/sitecore-archive/Files/Pdfs/library/whitepapers/pdfs/shapefile.pdf
and https://github.com/flatgeobuf/flatgeobuf.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyogrio
import shapely
from numpy.typing import NDArray
from pyogrio import raw
from rasterio.crs import CRS
from rasterio.errors import CRSError

from smalldet.data.formats.lines import MAX_NUMBER
from smalldet.imagery.rasters import filtering

logger = logging.getLogger(__name__)

SUFFIXES = (".geojson", ".json", ".gpkg", ".shp", ".fgb")
# What files begin with. Nothing else is handed to GDAL, some of whose formats lead to other files.
SHAPEFILE, GEOPACKAGE, FLATGEOBUF = b"\x00\x00\x27\x0a", b"SQLite format 3\x00", b"fgb"
# A command of GDAL's in the dress of a JSON file.
GDAL_COMMAND = b"gdal_streamed_alg"
NUM_SNIFFED = 1 << 16
NUM_NAMED = 5

# Its own errors are RuntimeErrors; damaged files bring out the others.
UNREADABLE = (
    RuntimeError,
    ValueError,
    LookupError,
    ArithmeticError,
    TypeError,
    MemoryError,
    OSError,
)

Shapes = NDArray[Any]
"""(N,) shapely geometries."""


@dataclass(frozen=True, eq=False)
class Layer:
    """What a layer holds, and where.

    Args:
        path: the file.
        crs: its coordinate system.
        shapes: (N,) polygons, multipolygons and points.
        feature: (N,) int64, the file's number of the feature of each.
        attributes: columns (N,) by name.
    """

    path: Path
    crs: CRS
    shapes: Shapes
    feature: NDArray[np.int64]
    attributes: dict[str, NDArray[Any]]


def looks_like_vector(path: Path) -> bool:
    """Whether a file begins as one of these formats does; never raises."""
    try:
        if path.suffix.lower() not in SUFFIXES or not path.is_file():
            return False
        with path.open("rb") as file:
            start = file.read(NUM_SNIFFED)
    except OSError:
        return False
    suffix = path.suffix.lower()
    if suffix in (".geojson", ".json"):
        text = start.removeprefix(b"\xef\xbb\xbf").lstrip()
        named = suffix == ".geojson" or b'"FeatureCollection"' in text or b'"Feature"' in text
        return text.startswith(b"{") and named and GDAL_COMMAND not in text
    begins = {".shp": SHAPEFILE, ".gpkg": GEOPACKAGE, ".fgb": FLATGEOBUF}[suffix]
    return start.startswith(begins)


def read_layer(path: Path, layer: str | None = None, columns: Sequence[str] | None = None) -> Layer:
    """Shapes and attributes of a layer.

    Args:
        path: the file.
        layer: its name; the file's only one if None.
        columns: attributes to read; all if None.

    Raises:
        FileNotFoundError: no such file.
        ValueError: it is none of these formats or is damaged, has no such layer or no coordinate
            system, or a feature has no usable shape; names file and feature.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file")
    if not looks_like_vector(path):
        raise ValueError(
            f"{path}: is no GeoJSON, GeoPackage, Shapefile (.shp) or FlatGeobuf; export it as one"
        )
    meta, fids, codes, values = _asked(
        path,
        raw.read,
        path,
        layer=_layer_name(path, layer),
        columns=None if columns is None else list(columns),
        force_2d=True,
        return_fids=True,
        datetime_as_string=True,
    )
    if codes is None:
        raise ValueError(f"{path}: is a table without shapes; export a layer of polygons or points")
    feature = np.asarray(fids, dtype=np.int64)
    with np.errstate(invalid="ignore"):  # coordinates are looked at next
        shapes = shapely.from_wkb(codes, on_invalid="ignore")
    _check(path, shapes, feature)
    order = [str(name) for name in meta["fields"]]
    attributes = dict(zip(order, values, strict=True))
    is_points = shapely.get_type_id(shapes) == shapely.GeometryType.MULTIPOINT
    if is_points.any():  # each point of a feature is an object
        shapes, rows = shapely.get_parts(_singled(shapes, is_points), return_index=True)
        feature = feature[rows]
        attributes = {name: values[rows] for name, values in attributes.items()}
    crs = _crs(path, meta["crs"])
    if crs.is_geographic:
        _check_degrees(path, shapes, feature)
        shapes = _in_one_piece(shapes)
    return Layer(path, crs, shapes, feature, attributes)


def _layer_name(path: Path, layer: str | None) -> str | None:
    """The layer asked for, or the only one there is."""
    if layer is None and path.suffix.lower() != ".gpkg":
        return None  # the others hold one, and GeoJSON would be read once more to tell its name
    layers = _asked(path, pyogrio.list_layers, path)
    names = [str(name) for name, kind in layers if kind is not None]
    wanted = layer or (names[0] if len(names) == 1 else None)
    if wanted is None or wanted not in names:
        given = "no layer with shapes" if not names else f"layers {', '.join(names)}"
        asked = "name one with layer" if layer is None else f"none is named {layer}"
        raise ValueError(f"{path}: has {given}; {asked}")
    return wanted


def _asked(path: Path, question: Callable[..., Any], *args: Any, **options: Any) -> Any:
    """What pyogrio answers. Its warnings go to the log with the file's name.

    Raises:
        ValueError: it cannot; names the file.
    """
    try:
        with filtering, warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always", RuntimeWarning)
            answer = question(*args, **options)
    except UNREADABLE as error:
        raise ValueError(f"{path}: cannot be read as vector data: {error}") from error
    for text in dict.fromkeys(str(warning.message) for warning in told):
        logger.warning("%s: %s", path, text)
    return answer


def _crs(path: Path, name: str | None) -> CRS:
    if not name:
        raise ValueError(
            f"{path}: has no coordinate system (a Shapefile keeps it in {path.stem}.prj); set the "
            "layer's in QGIS, or with `ogr2ogr -a_srs EPSG:... new.gpkg old`"
        )
    try:
        return CRS.from_user_input(name)
    except (CRSError, NameError) as error:  # rasterio meets the latter in damaged ones
        raise ValueError(f"{path}: its coordinate system is not understood: {error}") from error


def _check(path: Path, shapes: Shapes, feature: NDArray[np.int64]) -> None:
    """Every feature is one or several polygons, or points, with numbers for coordinates.

    Raises:
        ValueError: names the first features that are not.
    """
    kind = shapely.get_type_id(shapes)
    types = shapely.GeometryType
    areal = np.isin(kind, (types.POLYGON, types.MULTIPOLYGON))
    known = areal | np.isin(kind, (types.POINT, types.MULTIPOINT))
    empty = (kind < 0) | shapely.is_empty(shapes)
    points, owner = shapely.get_coordinates(shapes, return_index=True)
    finite = np.ones(len(shapes), dtype=np.bool_)
    finite[owner[~(np.abs(points) <= MAX_NUMBER).all(axis=1)]] = False
    for wrong, what in [
        (empty, "no shape"),
        (~known & ~empty, "a shape that is neither polygon nor point"),
        (~finite & ~empty, "coordinates that are no finite numbers, or too large"),
        (areal & ~empty & finite & (_areas(shapes, finite) == 0), "a polygon of no area"),
    ]:
        if wrong.any():
            raise ValueError(
                f"{path}: {described(feature[wrong])} {what}; mend or delete what is wrong there"
            )


def _areas(shapes: Shapes, finite: NDArray[np.bool_]) -> NDArray[np.float64]:
    """(N,) areas of the finite shapes, 0 of the others."""
    areas = np.zeros(len(shapes))
    areas[finite] = shapely.area(shapes[finite])
    return areas


def _check_degrees(path: Path, shapes: Shapes, feature: NDArray[np.int64]) -> None:
    """Latitudes lie within 90 degrees, longitudes within two turns.

    Raises:
        ValueError: names the first features of which they do not.
    """
    beyond = np.abs(shapely.bounds(shapes)) > (540, 90, 540, 90)
    wrong = beyond.any(axis=1)
    if wrong.any():
        raise ValueError(
            f"{path}: {described(feature[wrong])} coordinates that are no longitude and latitude, "
            "which GeoJSON without another `crs` is taken to have; export it with its coordinate "
            "system, as a GeoPackage keeps it"
        )


def described(feature: NDArray[np.int64]) -> str:
    """`features 3, 5 and 8 more have`, for messages."""
    numbers = np.unique(feature)
    shown = ", ".join(str(number) for number in numbers[:NUM_NAMED].tolist())
    more = f" and {len(numbers) - NUM_NAMED} more" if len(numbers) > NUM_NAMED else ""
    return f"feature {shown} has" if len(numbers) == 1 else f"features {shown}{more} have"


def _singled(shapes: Shapes, is_points: NDArray[np.bool_]) -> Shapes:
    """Collections, so that `get_parts` takes points apart and leaves polygons whole."""
    wrapped = shapes.copy()
    others = np.flatnonzero(~is_points)
    wrapped[others] = shapely.geometrycollections(shapes[others], indices=np.arange(len(others)))
    return wrapped


def _in_one_piece(shapes: Shapes) -> Shapes:
    """Shapes on the date line, cut there or going round the earth, as going on beyond 180 degrees.

    Those that are told are wider than half the earth as they stand, and narrower so.
    """
    bounds = shapely.bounds(shapes)
    torn = np.flatnonzero(bounds[:, 2] - bounds[:, 0] > 180)
    if not len(torn):
        return shapes
    points = shapely.get_coordinates(shapes[torn])
    points[points[:, 0] < 0, 0] += 360
    joined = shapely.set_coordinates(shapes[torn], points)
    bounds = shapely.bounds(joined)
    width = bounds[:, 2] - bounds[:, 0]
    better = (width > 0) & (width <= 180)
    whole = shapes.copy()
    whole[torn[better]] = joined[better]
    return whole
