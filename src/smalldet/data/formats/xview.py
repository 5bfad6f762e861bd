"""xView: one GeoJSON with the boxes of all pictures, in their pixels.

A feature's properties are `image_id`, the picture's file; `bounds_imcoords`, "x1,y1,x2,y2"; and
`type_id`, the class's number. Its geometry is not looked at.

Layout and numbers of the classes: https://xviewdataset.org and Lam et al., "xView: Objects in
Context in Overhead Imagery", arXiv:1802.07856.
"""

from __future__ import annotations

import logging
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from smalldet.data.formats.collector import collector_paused
from smalldet.data.formats.json_files import entry_of, list_in, load_object, shown
from smalldet.data.formats.lines import codes_of, floats_of
from smalldet.data.formats.object_columns import ObjectColumns, records_of
from smalldet.data.formats.picture_files import (
    is_dir,
    is_file,
    picture_sizes,
    pictures_in,
    refuse_missing,
)
from smalldet.data.formats.text_files import first_text, utf8_text
from smalldet.data.formats.xview_classes import XVIEW_CLASSES
from smalldet.data.index import Index

logger = logging.getLogger(__name__)

LOOKED_AT = 64 << 10
GSD_M = 0.3
KEYS = frozenset(["features", "properties", "image_id", "bounds_imcoords", "type_id"])
MAX_CLASS_BYTES = 1 << 20
NOT_PUBLISHED = "1395.tif"
"""The published file has features of this picture, and the published pictures lack it."""
CLASS_LINE = re.compile(r"(\d{1,6})\s*:\s*(\S.*)")


def recognises(path: Path) -> bool:
    """Whether this is GeoJSON whose first features have `bounds_imcoords`."""
    if path.suffix.lower() not in (".geojson", ".json") or not is_file(path):
        return False
    head = first_text(path, LOOKED_AT)
    return '"FeatureCollection"' in head and '"bounds_imcoords"' in head


def read(
    path: str | Path,
    images_dir: str | Path | None = None,
    class_names: Sequence[str] | None = None,
    *,
    class_file: str | Path | None = None,
    subset: bool = False,
) -> Index:
    """Labelled pictures of an xView GeoJSON.

    Pictures of the folder that no feature names are pictures without objects. Objects whose number
    has no name (the published file has some of 75 and 82) are regions to ignore, whatever the
    class, and a warning counts them. Features without a box, and those of the one picture that was
    never published, are left out, and a warning counts them too.

    Args:
        path: the file.
        images_dir: the pictures; by default `train_images` or `images` beside the file, else the
            file's own folder.
        class_names: all classes, in order; by default all of the data set's in the order of their
            numbers.
        class_file: lines `number:name` as in `xview_class_labels.txt`, which is taken if it lies
            beside the file; by default xView's 60 classes.
        subset: only a part of the pictures is in the folder; features of others are left out, and a
            warning counts them.

    Returns:
        an Index; boxes are clipped to their pictures, `gsd_m` is WorldView-3's 0.3.

    Raises:
        FileNotFoundError: the file or a picture does not exist.
        ValueError: a feature is wrong; names it.
    """
    path = Path(path)
    table = _classes(path, class_file)
    names = tuple(class_names or dict.fromkeys(table[number] for number in sorted(table)))
    folder = _folder(path) if images_dir is None else Path(images_dir)
    with collector_paused():
        columns = _columns(path)
    pictures, picture_rows, features = _pictures(columns, folder, path, subset)

    def where(row: int) -> str:
        return f"{path}: feature {columns.numbers[features[row]]}"

    boxes = _boxes([columns.bounds[feature] for feature in features.tolist()], where)
    types = [columns.types[feature] for feature in features.tolist()]
    labels = _labels(types, table, names, where)
    num_known = int((labels >= 0).sum())
    rows = np.concatenate(
        [np.flatnonzero(labels >= 0), np.repeat(np.flatnonzero(labels < 0), len(names))]
    )
    new_labels = labels[rows]
    ignore = new_labels < 0
    new_labels[num_known:] = np.tile(np.arange(len(names)), int((labels < 0).sum()))
    objects = ObjectColumns(
        pictures=picture_rows[rows],
        boxes=boxes[rows],
        labels=new_labels,
        ignore=ignore,
        difficult=np.zeros(len(rows), dtype=np.bool_),
    )
    gsd_m = [GSD_M] * len(pictures)
    sizes = picture_sizes(pictures)
    return Index(
        names, records_of(objects, pictures, sizes, lambda row: where(int(rows[row])), gsd_m)
    )


class _Columns:
    """What the features say, one entry each."""

    def __init__(self) -> None:
        self.images: list[str] = []
        self.bounds: list[str] = []
        self.types: list[int] = []
        self.numbers: list[int] = []


def _columns(path: Path) -> _Columns:
    columns, num_without = _Columns(), 0
    content = load_object(path, keys=KEYS)
    for number, feature in enumerate(list_in(content, "features", f"{path}: the file"), start=1):
        properties: Any = feature.get("properties") if isinstance(feature, dict) else None
        if not isinstance(properties, dict):
            entry_of(properties, f"{path}: feature {number}: its properties")
        image, bounds, kind = (
            properties.get(key) for key in ("image_id", "bounds_imcoords", "type_id")
        )
        if bounds in ("", []):
            num_without += 1
            continue
        if not (isinstance(image, str) and isinstance(bounds, str) and type(kind) is int):
            said = shown({"image_id": image, "bounds_imcoords": bounds, "type_id": kind})
            raise ValueError(
                f"{path}: feature {number} needs image_id and bounds_imcoords as texts and type_id "
                f"as a whole number; it has {said}"
            )
        columns.images.append(image)
        columns.bounds.append(bounds)
        columns.types.append(kind)
        columns.numbers.append(number)
    if num_without:
        logger.warning("%s: %d features without a box are left out", path, num_without)
    return columns


def _pictures(
    columns: _Columns, folder: Path, path: Path, subset: bool
) -> tuple[list[Path], NDArray[np.int64], NDArray[np.int64]]:
    """Pictures; the picture of each object; the feature that each object is."""
    table: dict[str, int] = {}
    codes = codes_of(columns.images, table)
    inside = {picture.name: picture for picture in pictures_in(folder)}
    if subset:
        kept = np.array([name in inside for name in table], dtype=np.bool_)
        if not kept.any():
            raise FileNotFoundError(f"{path}: none of its {len(table)} pictures is in {folder}")
    else:
        kept = np.array([name in inside or name != NOT_PUBLISHED for name in table], dtype=np.bool_)
    pictures = [folder / name for name, keep in zip(table, kept, strict=True) if keep]
    refuse_missing(pictures, path)
    features = np.flatnonzero(kept[codes])
    if len(features) < len(codes):
        num = len(codes) - len(features)
        logger.warning("%s: %d features of pictures that are not there are left out", path, num)
    others = [picture for name, picture in inside.items() if name not in table]
    if others:
        logger.warning(
            "%s: %d pictures of %s have no features and count as pictures without objects (first: "
            "%s)",
            path,
            len(others),
            folder,
            others[0].name,
        )
    place = np.cumsum(kept) - 1
    return pictures + others, place[codes[features]], features


def _boxes(bounds: Sequence[str], where: Any) -> NDArray[np.float64]:
    counts = np.array([one.count(",") for one in bounds], dtype=np.int64)
    if (counts != 3).any():
        row = int((counts != 3).argmax())
        raise ValueError(f"{where(row)} has bounds_imcoords {bounds[row][:80]!r}, not x1,y1,x2,y2")
    values = floats_of(",".join(bounds).split(",") if bounds else []).reshape(-1, 4)
    wrong = ~np.isfinite(values).all(axis=1)
    if wrong.any():
        row = int(wrong.argmax())
        raise ValueError(f"{where(row)} has bounds_imcoords {bounds[row][:80]!r}, not x1,y1,x2,y2")
    return values


def _labels(
    types: Sequence[int], table: Mapping[int, str], names: Sequence[str], where: Any
) -> NDArray[np.int64]:
    """(N,) labels, -1 where the number has no name."""
    unnamed = Counter(number for number in types if number not in table)
    if unnamed:
        counts = ", ".join(f"{num} of type {number}" for number, num in sorted(unnamed.items()))
        logger.warning("objects without a name are regions to ignore: %s", counts)
    place = {name: label for label, name in enumerate(names)}
    missing = {number for number in set(types) & set(table) if table[number] not in place}
    if missing:
        row = next(row for row, number in enumerate(types) if number in missing)
        raise ValueError(
            f"{where(row)} has class {table[types[row]]!r}; class_names are {list(names)[:20]}"
        )
    labels = {number: place[name] for number, name in table.items() if name in place}
    return np.array([labels.get(number, -1) for number in types], dtype=np.int64)


def _classes(path: Path, class_file: str | Path | None) -> Mapping[int, str]:
    beside = path.parent / "xview_class_labels.txt"
    if class_file is None and not is_file(beside):
        return XVIEW_CLASSES
    file = beside if class_file is None else Path(class_file)
    table: dict[int, str] = {}
    for number, line in enumerate(utf8_text(file, MAX_CLASS_BYTES).split("\n"), start=1):
        match = CLASS_LINE.fullmatch(line.strip())
        if match is None and line.strip():
            raise ValueError(f"{file}: line {number} is {line[:80]!r}, not number:name")
        if match:
            if int(match[1]) in table:
                raise ValueError(f"{file}: line {number} gives number {match[1]} again")
            table[int(match[1])] = match[2].strip()
    if not table:
        raise ValueError(f"{file}: has no lines number:name")
    return table


def _folder(path: Path) -> Path:
    beside = [path.parent / name for name in ("train_images", "images")]
    return next((folder for folder in beside if is_dir(folder)), path.parent)
