"""Vector labels over georeferenced pictures: polygons or points of a GIS, in any coordinate system.

Polygons become boxes, oriented boxes (the smallest rectangle round each) and masks; points become
squares of a stated side in metres. Labels are brought into each picture's own coordinate system,
corner by corner, and through its transform to pixels, which may turn and shear. A label lies on
every picture that shows its ground, or on the one that an attribute `picture` names. A part of
which less than `MIN_VISIBLE_FRAC` is in a picture is an ignore region there. Labels and pictures
may reach over the date line; a picture must not hold a pole.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path, PurePosixPath, PureWindowsPath

import numpy as np
import shapely
from numpy.typing import NDArray

from smalldet.data.formats import vector_classes
from smalldet.data.formats.vector_ground import AreaOverGround, LabelsOverGround
from smalldet.data.formats.vector_layers import (
    Layer,
    described,
    looks_like_vector,
    read_layer,
)
from smalldet.data.formats.vector_rasters import find_rasters
from smalldet.data.formats.vector_records import Labels
from smalldet.data.formats.vector_write import LOSES, write
from smalldet.data.index import Index
from smalldet.imagery.ground import Ground

__all__ = ["LOSES", "read", "recognises", "write"]

logger = logging.getLogger(__name__)


def recognises(path: Path) -> bool:
    """A GeoJSON, GeoPackage, Shapefile or FlatGeobuf, by its name and first bytes."""
    return looks_like_vector(path)


def read(
    path: str | Path,
    images_dir: str | Path | None = None,
    class_names: Sequence[str] | None = None,
    *,
    class_field: str | None = None,
    side_m: float | None = None,
    area: str | Path | None = None,
    layer: str | None = None,
    with_masks: bool = False,
) -> Index:
    """Labelled pictures of a vector file.

    Args:
        path: GeoJSON, GeoPackage, Shapefile or FlatGeobuf.
        images_dir: a GeoTIFF or another georeferenced picture, a VRT, or a folder of them. By
            default the picture of the same name beside `path`, `images` beside it, or its folder.
        class_names: all classes, in order; those that occur, by the alphabet, if None.
        class_field: the attribute that tells the class; an obvious one if None.
        side_m: side in metres of the square that stands for a point.
        area: a vector file of polygons that were looked through. Outside of them nothing is known:
            upright ignore regions of every class cover it (see `vector_area.outside`), and labels
            whose box has its middle there are ignored too. Without it all ground was.
        layer: of a file with several.
        with_masks: read the outlines too.

    Returns:
        an Index of all pictures, those without labels included, with `gsd_m` on the ground.
        Attributes `ignore` and `difficult` (0 or 1) are kept. How many labels lie on no picture
        is logged as a warning with the first of them.

    Raises:
        FileNotFoundError: a file does not exist.
        ValueError: a file is wrong, a picture has no georeference, the class is not clear, or no
            label lies on any picture; says what to do.
    """
    path = Path(path)
    labels = read_layer(path, layer)
    fields = vector_classes.chosen_fields(labels, class_field, class_names or None)
    rasters = find_rasters(path, images_dir)
    names, places = vector_classes.classes(labels, fields, class_names or None)
    if not names:
        raise ValueError(
            f"{path}: has no features, so that its classes are unknown; give class_names"
        )
    table = Labels(
        over_ground=LabelsOverGround(labels),
        places=places,
        ignore=vector_classes.flag(labels, fields, "ignore"),
        difficult=vector_classes.flag(labels, fields, "difficult"),
        pictures=_named_pictures(labels, fields.picture, rasters),
        side_m=_checked_side(labels, side_m),
        area=None if area is None else _area(Path(area)),
        with_masks=with_masks,
        num_classes=len(names),
    )
    found = np.zeros(len(labels.shapes), dtype=np.bool_)
    records = tuple(table.record(ground, n, found) for n, ground in enumerate(rasters, start=1))
    _tell_missing(labels, found, rasters)
    return Index(names, records)


def _area(path: Path) -> AreaOverGround:
    layer = read_layer(path, columns=[])
    if (shapely.get_dimensions(layer.shapes) != 2).any() or not len(layer.shapes):
        raise ValueError(f"{path}: an area is one or several polygons, and nothing else")
    return AreaOverGround(layer)


def _checked_side(labels: Layer, side_m: float | None) -> float | None:
    num_points = int((shapely.get_dimensions(labels.shapes) == 0).sum())
    if num_points and side_m is None:
        raise ValueError(
            f"{labels.path}: has {num_points} points; say with side_m how many metres the side of "
            "such an object is"
        )
    if side_m is not None and not 0 < side_m < 1e6:
        raise ValueError(f"side_m must be a positive number of metres, not {side_m}")
    return side_m


def _named_pictures(
    labels: Layer, field: str | None, rasters: Sequence[Ground]
) -> NDArray[np.str_] | None:
    """(N,) names of the files that labels were drawn on; None where they name none of these."""
    if field is None or labels.attributes[field].dtype.kind != "O":
        return None
    given, rows = np.unique(
        np.array([value or "" for value in labels.attributes[field].tolist()], dtype=np.str_),
        return_inverse=True,
    )
    names = [PurePosixPath(PureWindowsPath(text).as_posix()).name for text in given.tolist()]
    known = {ground.path.name for ground in rasters}
    return np.array(names, dtype=np.str_)[rows] if known & set(names) else None


def _tell_missing(labels: Layer, found: NDArray[np.bool_], rasters: Sequence[Ground]) -> None:
    if found.all():
        return
    lost = labels.feature[~found]
    x, y = shapely.get_coordinates(shapely.centroid(labels.shapes[~found][:1]))[0].tolist()
    text = (
        f"{labels.path}: {(~found).sum()} of {len(found)} labels lie on none of {len(rasters)} "
        f"pictures: {described(lost)} no picture; the first lies at {x:.9g}, {y:.9g} in "
        f"{labels.crs.to_string()}"
    )
    if not found.any():
        first = rasters[0]
        x, y = first.to_map(np.array([[first.width / 2, first.height / 2]]))[0].tolist()
        raise ValueError(
            f"{text}; the middle of {first.path} lies at {x:.9g}, {y:.9g} in "
            f"{first.crs.to_string()}. Is this the right file, and its coordinate system?"
        )
    logger.warning("%s", text)
