"""LabelMe: one JSON file for each picture, with its shapes.

Rectangles, polygons, circles and masks are read, and what follows of its layout adds: oriented
rectangles, and X-AnyLabeling's rectangles of four corners and `rotation`. Lines and points have no
area: they are left out, and a warning says so.

Layout: https://github.com/wkentaro/labelme, `labelme/_label_file.py`.
"""

from __future__ import annotations

import base64
import binascii
import logging
import math
from collections.abc import Sequence
from pathlib import Path, PureWindowsPath
from typing import Any

from smalldet.data.formats.bitmap_masks import bitmap_of, png_mask
from smalldet.data.formats.collector import collector_paused
from smalldet.data.formats.corners import rboxes_round
from smalldet.data.formats.json_files import flag_in, list_in, load_object, text_in
from smalldet.data.formats.number_lists import number_array, numbers_in
from smalldet.data.formats.picture_files import (
    is_dir,
    is_file,
    picture_sizes,
    pictures_in,
    refuse_missing,
    text_files,
)
from smalldet.data.formats.shape_objects import ShapeObjects, ellipse, flattened, index_of
from smalldet.data.formats.text_files import first_text
from smalldet.data.index import Index

logger = logging.getLogger(__name__)

TURNED = ("rotation", "oriented_rectangle")
NO_AREA = ("point", "points", "line", "linestrip")
LOOKED_AT = 64 << 10
# A picture may stand in the file itself.
MAX_BYTES = 256 << 20


def recognises(path: Path) -> bool:
    """Whether this is a LabelMe file, or a folder of which one of the first files is."""
    files = text_files(path, ".json")[:3] if is_dir(path) else [path]
    for file in files:
        if file.suffix.lower() == ".json" and is_file(file):
            head = first_text(file, LOOKED_AT)
            if head.lstrip().startswith("{") and '"shapes"' in head:
                return True
    return False


def read(
    path: str | Path,
    images_dir: str | Path | None = None,
    class_names: Sequence[str] | None = None,
    *,
    unlabelled: bool = False,
    with_masks: bool = False,
) -> Index:
    """Labelled pictures of a folder of LabelMe files.

    A file without shapes is a picture without objects. The flags `difficult`, `ignore` and
    `crowd` of a shape, where it has them, are kept. `imageData` is not looked at.

    Args:
        path: the folder, or one file.
        images_dir: where the pictures lie; by default where each file says, seen from its folder.
        class_names: all classes, in order; those that occur, by the alphabet, if None.
        unlabelled: pictures of the folder without a file have no objects. By default nobody has
            looked at them: they are left out, and a warning counts them.
        with_masks: read outlines and masks too.

    Returns:
        an Index; boxes are clipped to their pictures. Oriented boxes, where there are any, are
        the smallest round their four corners.

    Raises:
        FileNotFoundError: the folder, its files or a picture do not exist.
        ValueError: a file is wrong; names it and the shape.
    """
    path = Path(path)
    files = text_files(path, ".json") if is_dir(path) else [path]
    if not files:
        raise FileNotFoundError(f"{path}: is no folder of .json files")
    objects = ShapeObjects()
    quads: dict[int, list[Any]] = {}
    named: list[str] = []
    with collector_paused():
        for file in files:
            content = load_object(file, MAX_BYTES)
            objects.sources.append(str(file))
            named.append(text_in(content, "imagePath", f"{file}: the file"))
            _add_shapes(objects, quads, list_in(content, "shapes", f"{file}: the file"), with_masks)
    pictures = _pictures(files, named, None if images_dir is None else Path(images_dir))
    refuse_missing(pictures, path)
    pictures += _others(pictures, path, unlabelled)
    points = objects.point_array()
    if quads:
        rows = list(quads)
        flat = [value for row in rows for value in quads[row]]
        corners = number_array(flat, lambda place: objects.where(rows[place // 8]))
        turned = rboxes_round(corners.reshape(-1, 8), lambda i: objects.where(rows[i])).tolist()
        objects.turned.update(zip(rows, turned, strict=True))
    sizes = picture_sizes(pictures)
    return index_of(objects, points, pictures, sizes, class_names, with_masks=with_masks)


def _add_shapes(
    objects: ShapeObjects, quads: dict[int, list[Any]], shapes: list[Any], with_masks: bool
) -> None:
    for number, shape in enumerate(shapes, start=1):
        where = f"{objects.sources[-1]}: object {number}"
        if not isinstance(shape, dict):
            raise ValueError(f"{where} is no shape with label and points")
        name = text_in(shape, "label", where)
        # Files of the first versions have polygons only, and no word for it.
        kind = shape.get("shape_type") or "polygon"
        if kind in NO_AREA:
            objects.leave_out(number, kind)
            continue
        flat = flattened(shape.get("points"))
        _check_points(kind, len(flat) // 2, where)
        flags = _flags(shape, where)
        if kind == "circle":
            flat = _circle(flat, where)
        row = objects.add(number, name, flat, ring=kind in ("polygon", "circle"), **flags)
        if kind in TURNED:
            quads[row] = flat
        if kind == "mask":
            _add_mask(objects, row, shape, with_masks, where)


def _check_points(kind: Any, num: int, where: str) -> None:
    wanted = {"rectangle": (2, 4), "circle": (2,), "mask": (2,), "polygon": range(3, 1 << 30)}
    fitting = (4,) if kind in TURNED else wanted.get(kind) if isinstance(kind, str) else None
    if fitting is None:
        kinds = ", ".join((*wanted, *TURNED))
        raise ValueError(f"{where} has the shape_type {str(kind)[:40]!r}; read are {kinds}")
    if num not in fitting:
        needs = "3 or more" if kind == "polygon" else " or ".join(map(str, fitting))
        raise ValueError(f"{where} is a {kind} of {num} points [x, y]; it needs {needs}")


def _flags(shape: dict[str, Any], where: str) -> dict[str, bool]:
    flags = {"difficult": flag_in(shape, "difficult", where)}
    said = shape.get("flags")
    said = said if isinstance(said, dict) else {}
    flags["difficult"] |= flag_in(said, "difficult", where)
    ignored = [flag_in(said, key, where) for key in ("ignore", "crowd", "iscrowd")]
    return {**flags, "ignore": any(ignored)}


def _circle(flat: list[Any], where: str) -> list[float]:
    """The middle and a point on the line."""
    cx, cy, x, y = numbers_in(flat, where)
    radius = math.hypot(x - cx, y - cy)
    return ellipse(cx, cy, radius, radius)


def _add_mask(
    objects: ShapeObjects, row: int, shape: dict[str, Any], with_masks: bool, where: str
) -> None:
    """The points are the first and the last pixel, both included; the mask lies between them."""
    x1, y1, x2, y2 = numbers_in(objects.points[-4:], where)
    if x2 < x1 or y2 < y1:
        raise ValueError(f"{where}: its mask ends at {x2, y2}, before it begins at {x1, y1}")
    objects.points[-2:] = [x2 + 1, y2 + 1]
    if with_masks:
        try:
            encoded = base64.b64decode(text_in(shape, "mask", where), validate=True)
        except (binascii.Error, ValueError):
            raise ValueError(f"{where}: its mask is no PNG in base64") from None
        shape_px = (int(min(y2 - y1, 1e9)) + 1, int(min(x2 - x1, 1e9)) + 1)
        pixels = png_mask(encoded, shape_px, where)
        objects.bitmaps[row] = bitmap_of(pixels, (x1, y1, x2 + 1, y2 + 1))


def _pictures(files: Sequence[Path], named: Sequence[str], images_dir: Path | None) -> list[Path]:
    """`imagePath` counts from the file's folder, and may be Windows' own."""
    paths: list[Path] = []
    for file, name in zip(files, named, strict=True):
        windows = PureWindowsPath(name)
        if images_dir is not None:
            whole = images_dir / windows.as_posix()
            inside = not windows.is_absolute() and is_file(whole)
            paths.append(whole if inside else images_dir / windows.name)
        else:
            said = file.parent / (windows.as_posix() if "\\" in name else name)
            beside = file.parent / windows.name
            paths.append(said if is_file(said) or not is_file(beside) else beside)
    return paths


def _others(pictures: Sequence[Path], path: Path, unlabelled: bool) -> list[Path]:
    """Pictures of the folders that no file names, if they are wanted; told of if not."""
    folders = {picture.parent for picture in pictures} if is_dir(path) else set[Path]()
    taken = set(pictures)
    others = [one for folder in sorted(folders) for one in pictures_in(folder) if one not in taken]
    if others and not unlabelled:
        logger.warning(
            "%s: %d pictures have no file of labels and are left out (first: %s); unlabelled=True "
            "reads them as pictures without objects",
            path,
            len(others),
            others[0].name,
        )
    return others if unlabelled else []
