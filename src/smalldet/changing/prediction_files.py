"""Files of predictions: what smalldet writes, and what others write in the same formats."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pyogrio
import shapely
from numpy.typing import NDArray
from rasterio.crs import CRS
from rasterio.errors import CRSError

from smalldet.changing.coco_predictions import read_coco
from smalldet.changing.readings import Reading
from smalldet.class_names import class_key
from smalldet.data.formats.csv_boxes import csv_header, csv_rows
from smalldet.data.formats.lines import floats_of
from smalldet.data.formats.vector_classes import CLASS_FIELDS, PICTURE_FIELDS
from smalldet.data.formats.vector_layers import UNREADABLE, looks_like_vector, read_layer
from smalldet.imagery.tile_indexes import listed_pictures

SCORE_FIELDS = ("score", "confidence", "conf", "probability", "prob")
DETECTIONS = "detections"
"""The layer of a GeoPackage that smalldet wrote."""
IN_PIXELS = b'"coordinates": "pixels"'
NUM_SNIFFED = 256
ONE_CLASS = "object"

Columns = dict[str, NDArray[Any]]


def is_predictions(path: Path) -> bool:
    """Whether a file holds objects, and is neither a picture nor a list of pictures.

    Raises:
        FileNotFoundError, ValueError: it is a damaged list of pictures.
    """
    known = path.suffix.lower() in READERS and path.is_file()
    return known and listed_pictures(path) is None


def read_predictions(path: Path, pictures: Path | None) -> Reading:
    """The objects of a file, with a place on a map.

    Args:
        path: the file.
        pictures: folder of the pictures that it is of, which COCO json needs for their places;
            their usual place if None.

    Raises:
        FileNotFoundError, ValueError: it cannot be read, or says no place; names it.
    """
    if path.suffix.lower() == ".json" and not looks_like_vector(path):
        return read_coco(path, pictures)
    return READERS[path.suffix.lower()](path)


def _read_vector(path: Path) -> Reading:
    with path.open("rb") as file:
        if IN_PIXELS in file.read(NUM_SNIFFED):
            raise ValueError(
                f"{path}: is in pixels of pictures without a place on a map; predict pictures that "
                "have one"
            )
    layer = read_layer(path, _detections_of(path))
    return _of_columns(
        path, layer.attributes, layer.shapes, (layer.crs,), layer.feature.astype(str).astype(object)
    )


def _detections_of(path: Path) -> str | None:
    """The layer of objects, of several; None lets the only one be read."""
    if path.suffix.lower() != ".gpkg":
        return None
    try:
        names = [str(name) for name, _ in pyogrio.list_layers(path)]
    except UNREADABLE as error:
        raise ValueError(f"{path}: cannot be read as vector data: {error}") from error
    return DETECTIONS if DETECTIONS in names else None


def _read_parquet(path: Path) -> Reading:
    if find_spec("pyarrow") is None:
        raise ValueError(f"{path}: GeoParquet needs pyarrow: pip install 'smalldet[parquet]'")
    import pyarrow
    from pyarrow import parquet

    try:
        table = parquet.read_table(path)
        facts = json.loads((table.schema.metadata or {})[b"geo"])
        primary = facts["primary_column"]
        named = facts["columns"][primary].get("crs", "EPSG:4326")
        crs = CRS.from_user_input(json.dumps(named) if isinstance(named, dict) else named)
        shapes = shapely.from_wkb(table[primary].to_numpy(zero_copy_only=False))
    except KeyError as error:
        raise ValueError(f"{path}: is no GeoParquet: it says nothing of its shapes") from error
    except (pyarrow.ArrowException, CRSError, TypeError, ValueError) as error:
        raise ValueError(f"{path}: cannot be read as GeoParquet: {error}") from error
    columns = {
        name: table[name].to_numpy(zero_copy_only=False)
        for name in table.column_names
        if name != primary
    }
    numbers = np.arange(1, len(shapes) + 1).astype(str).astype(object)
    return _of_columns(path, columns, np.asarray(shapes, dtype=object), (crs,), numbers)


def _read_csv(path: Path) -> Reading:
    names = csv_header(path)
    missing = [name for name in ("map_x", "map_y", "crs") if name not in names]
    if missing:
        raise ValueError(
            f"{path}: has no column {', '.join(missing)}, so that its objects have no place on a "
            "map; predict pictures that have one"
        )
    rows = [row for batch, _ in csv_rows(path, skip=1) for row in batch]
    wrong = next((place for place, row in enumerate(rows) if len(row) != len(names)), None)
    if wrong is not None:
        raise ValueError(f"{path}: row {wrong + 2} has {len(rows[wrong])} fields, not {len(names)}")
    texts = {name: [row[place] for row in rows] for place, name in enumerate(names)}
    points = np.column_stack([floats_of(texts["map_x"]), floats_of(texts["map_y"])])
    unplaced = ~np.isfinite(points).all(axis=1)
    if unplaced.any():
        row = int(unplaced.argmax())
        raise ValueError(f"{path}: row {row + 2} has no place on a map: map_x and map_y are empty")
    found, system = np.unique(np.array(texts["crs"], dtype=np.str_), return_inverse=True)
    try:
        systems = tuple(CRS.from_user_input(name) for name in found.tolist())
    except CRSError as error:
        raise ValueError(f"{path}: its crs is not understood: {error}") from error
    columns: Columns = {name: np.array(column, dtype=object) for name, column in texts.items()}
    for name in {*SCORE_FIELDS, "area_m2"} & columns.keys():
        columns[name] = floats_of(texts[name])
    shapes = np.asarray(shapely.points(points), dtype=object).reshape(-1)
    numbers = np.arange(1, len(rows) + 1).astype(str).astype(object)
    return _of_columns(path, columns, shapes, systems, numbers, system.reshape(-1))


def _of_columns(
    path: Path,
    columns: Columns,
    shapes: NDArray[Any],
    systems: tuple[CRS, ...],
    numbers: NDArray[Any],
    system: NDArray[np.int64] | None = None,
) -> Reading:
    """What a table tells of its objects.

    Args:
        path: the file.
        columns: {name: (N,)}.
        shapes: (N,).
        systems: of the shapes.
        numbers: (N,) names of the objects where no column `id` names them.
        system: (N,) positions in `systems`; 0 if None.

    Raises:
        ValueError: a score is none; names it.
    """
    num, remarks = len(shapes), []
    by_key = {class_key(name): name for name in columns}
    class_name, score, picture, own_id, area = (
        next((by_key[key] for key in keys if key in by_key), None)
        for keys in (
            [key for keys in CLASS_FIELDS for key in keys],
            SCORE_FIELDS,
            PICTURE_FIELDS,
            ("id",),
            ("aream2",),
        )
    )
    if class_name is None and num:
        remarks.append(f"names no classes: all its objects are taken as {ONE_CLASS!r}")
    if score is None and num:
        remarks.append("has no scores: its objects are taken as certain")
    is_point = shapely.get_type_id(shapes) == shapely.GeometryType.POINT
    known = np.full(num, np.nan) if area is None else np.sqrt(columns[area].astype(np.float64))
    return Reading(
        str(path),
        systems,
        shapes,
        np.zeros(num, dtype=np.int64) if system is None else system.astype(np.int64),
        _texts(columns[class_name]) if class_name else np.full(num, ONE_CLASS, dtype=object),
        checked_scores(path, np.ones(num) if score is None else columns[score]),
        numbers if own_id is None else _texts(columns[own_id]),
        _texts(columns[picture]) if picture else np.full(num, "", dtype=object),
        np.where(is_point, known, np.nan),
        np.full(num, np.nan),
        np.full(num, np.nan),
        remarks=tuple(remarks),
    )


def checked_scores(path: Path, scores: NDArray[Any] | Sequence[float]) -> NDArray[np.float64]:
    """(N,) scores that are numbers from 0 to 1.

    Raises:
        ValueError: one is not; names it.
    """
    try:
        numbers = np.asarray(scores, dtype=np.float64)
    except (TypeError, ValueError):
        raise ValueError(f"{path}: its scores are no numbers") from None
    wrong = ~((numbers >= 0) & (numbers <= 1))
    if wrong.any():
        row = int(wrong.argmax())
        raise ValueError(f"{path}: object {row + 1} has the score {scores[row]}, not one of 0 to 1")
    return numbers


def _texts(values: NDArray[Any]) -> NDArray[Any]:
    """Values as text; whole numbers without a point, nothing as an empty text."""
    if values.dtype.kind == "f" and (np.isnan(values) | (values == values.round())).all():
        texts = ["" if v != v else str(int(v)) for v in values.tolist()]
    else:
        texts = ["" if v is None else str(v) for v in values.tolist()]
    return np.array(texts, dtype=object)


READERS: dict[str, Callable[[Path], Reading]] = {
    ".gpkg": _read_vector,
    ".geojson": _read_vector,
    ".json": _read_vector,
    ".fgb": _read_vector,
    ".shp": _read_vector,
    ".parquet": _read_parquet,
    ".csv": _read_csv,
}
"""{suffix: reader}; a json that is no GeoJSON is COCO's."""
