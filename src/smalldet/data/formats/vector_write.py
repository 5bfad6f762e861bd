"""Writing labels of georeferenced pictures as GeoJSON or GeoPackage."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyogrio.errors
import shapely
import torch
from numpy.typing import NDArray
from pyogrio import raw
from rasterio.crs import CRS

from smalldet.atomic_write import atomic_write
from smalldet.data.formats.mask_outlines import outlines
from smalldet.data.formats.picture_links import link_pictures
from smalldet.data.index import MASK_PX, ImageRecord, Index
from smalldet.geometry.oriented import rboxes_to_quads
from smalldet.imagery.ground import WGS84, Ground, located, reprojected

LOSES: tuple[str, ...] = ()

# A hundredth of a millimetre.
DEGREE_DIGITS = 10
MAX_STRETCH_CELLS = 2
DRIVERS = {".geojson": "GeoJSON", ".gpkg": "GPKG"}

Shapes = NDArray[Any]


@dataclass(frozen=True, eq=False)
class _Written:
    """Columns of the features of one picture."""

    shapes: Shapes
    labels: NDArray[np.int64]
    ignore: NDArray[np.bool_]
    difficult: NDArray[np.bool_]


def write(
    index: Index, out_dir: str | Path, *, suffix: Literal[".geojson", ".gpkg"] = ".geojson"
) -> list[Path]:
    """`labels.geojson` or `labels.gpkg`, a polygon for each object, and links to the pictures.

    Regions to ignore are polygons too.

    A polygon is the object's outline where masks were read, else its oriented box, else its box.
    An outline follows the cells of the mask's grid, stretched to fill the box. Attributes are
    `class`, `ignore`, `difficult` and `picture`, the file's name; `read` understands them. Classes
    that may occur in a picture without a label are ignore regions as large as it.

    GeoJSON is in longitude and latitude, cut at the date line as RFC 7946 asks; GeoPackage in the
    pictures' own coordinate system where it is one.

    Args:
        index: labels of georeferenced pictures.
        out_dir: the folder; made if it does not exist.
        suffix: which format.

    Raises:
        FileNotFoundError: a picture does not exist.
        ValueError: a picture has no georeference or another size, two have one name, or the file
            cannot be written; names it.
    """
    if suffix not in DRIVERS:
        raise ValueError(f"suffix must be one of {', '.join(DRIVERS)}, not {suffix!r}")
    names = [record.path.name for record in index.records]
    twice = [name for name, times in Counter(names).items() if times > 1][:3]
    if twice:
        raise ValueError(f"several pictures are named {', '.join(twice)}; rename them first")
    grounds = [_ground(record) for record in index.records]
    shared = {ground.crs.to_wkt() for ground in grounds}
    target = grounds[0].crs if suffix == ".gpkg" and len(shared) == 1 else WGS84
    parts = [_written(record) for record in index.records]
    placed = [_placed(p.shapes, g, target) for p, g in zip(parts, grounds, strict=True)]
    if suffix == ".geojson":
        placed = [cut_at_date_line(shapes) for shapes in placed]
    classes = np.array(index.class_names, dtype=object)
    labels = _joined([part.labels for part in parts], np.int64)
    columns = {
        "class": classes[labels] if len(labels) else np.zeros(0, dtype=object),
        "ignore": _joined([part.ignore for part in parts], np.bool_),
        "difficult": _joined([part.difficult for part in parts], np.bool_),
        "picture": np.repeat(np.array(names, dtype=object), [len(part.labels) for part in parts]),
    }
    path = Path(out_dir) / f"labels{suffix}"
    link_pictures([record.path for record in index.records], path.parent / "images")
    _save(path, _joined(placed, object), columns, target)
    return [path]


def _save(path: Path, shapes: Shapes, columns: dict[str, NDArray[Any]], crs: CRS) -> None:
    driver = DRIVERS[path.suffix]
    authority = crs.to_authority()
    try:
        with atomic_write(path) as draft:
            raw.write(
                draft,
                geometry=shapely.to_wkb(shapes),
                field_data=list(columns.values()),
                fields=list(columns),
                layer="labels",
                driver=driver,
                geometry_type="Unknown",
                crs=":".join(authority) if authority else crs.to_wkt(),
                layer_options=(
                    {"COORDINATE_PRECISION": str(DEGREE_DIGITS)} if driver == "GeoJSON" else {}
                ),
            )
    except (pyogrio.errors.DataSourceError, RuntimeError) as error:
        raise ValueError(f"{path}: cannot be written: {error}") from error


def _joined(parts: list[NDArray[Any]], kind: Any) -> NDArray[Any]:
    return np.concatenate(parts) if parts else np.zeros(0, dtype=kind)


def _ground(record: ImageRecord) -> Ground:
    ground = located(record.path)
    if (ground.width, ground.height) != (record.width, record.height):
        raise ValueError(
            f"{record.path}: is {ground.width} x {ground.height} px, but its labels were made for "
            f"{record.width} x {record.height}"
        )
    return ground


def _written(record: ImageRecord) -> _Written:
    if record.rboxes is not None:
        corners = rboxes_to_quads(torch.from_numpy(record.rboxes).double()).numpy()
    else:
        corners = record.boxes.astype(np.float64)[:, [[0, 1], [2, 1], [2, 3], [0, 3]]]
    shapes = np.zeros(len(corners), dtype=object)
    shapes[:] = shapely.polygons(corners)
    if record.masks is not None:
        for row in np.flatnonzero(record.masks.any(axis=1)).tolist():
            outline = _outline(record.masks[row], record.boxes[row].astype(np.float64))
            shapes[row] = shapes[row] if outline is None else outline
    unknown = np.array(sorted(record.unknown), dtype=np.int64)
    whole = np.full(len(unknown), shapely.box(0, 0, record.width, record.height), dtype=object)
    yes, no = np.ones(len(unknown), dtype=np.bool_), np.zeros(len(unknown), dtype=np.bool_)
    return _Written(
        np.concatenate((shapes, whole)),
        np.concatenate((record.labels, unknown)),
        np.concatenate((record.ignore, yes)),
        np.concatenate((record.difficult, no)),
    )


def _outline(packed: NDArray[np.uint8], box: NDArray[np.float64]) -> Any:
    """Polygons round the cells of a mask, in pixels; None where they do not fill the box."""
    outline = shapely.union_all(outlines(packed))
    low_x, low_y, high_x, high_y = shapely.bounds(outline).tolist()
    if max(low_x, low_y, MASK_PX - high_x, MASK_PX - high_y) > MAX_STRETCH_CELLS:
        return None
    low, size = np.array((low_x, low_y)), np.array((high_x - low_x, high_y - low_y))
    return shapely.transform(
        outline, lambda cells: box[:2] + (cells - low) / size * (box[2:] - box[:2])
    )


def _placed(shapes: Shapes, ground: Ground, target: CRS) -> Shapes:
    """Shapes in a picture's pixels on a map."""
    points = reprojected(ground.to_map(shapely.get_coordinates(shapes)), ground.crs, target)
    if not np.isfinite(points).all():
        raise ValueError(f"{ground.path}: lies where {target.to_string()} has no coordinates")
    return shapely.set_coordinates(shapes.copy(), points)


def cut_at_date_line(shapes: Shapes) -> Shapes:
    """Shapes in degrees, their longitudes within 180.

    What lies on the date line is cut there in two parts (RFC 7946, 3.1.9).
    """
    if not len(shapes):
        return shapes
    points, owner = shapely.get_coordinates(shapes, return_index=True)
    first = points[np.searchsorted(owner, np.arange(len(shapes))), 0]
    points[:, 0] -= 360 * np.round((points[:, 0] - first[owner]) / 360)  # in one piece
    whole = shapely.set_coordinates(shapes.copy(), points)
    bounds = shapely.bounds(whole)
    for row in np.flatnonzero((bounds[:, 0] < -180) | (bounds[:, 2] > 180)).tolist():
        parts = []
        for turn in (-360.0, 0.0, 360.0):
            cut = shapely.intersection(whole[row], shapely.box(turn - 180, -90, turn + 180, 90))
            pieces = shapely.get_parts(shapely.transform(cut, lambda xy, t=turn: xy - (t, 0)))
            parts += [piece for piece in pieces if shapely.area(piece) > 0]
        whole[row] = shapely.multipolygons(parts) if len(parts) > 1 else parts[0]
    return whole
