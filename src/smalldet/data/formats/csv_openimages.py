"""Open Images boxes: CSV with the columns ImageID, LabelName, XMin, XMax, YMin, YMax, IsGroupOf.

Corners are parts of the picture's width and height. A box round a group of more than five objects
(IsGroupOf 1) is a region to ignore. LabelName is a code such as /m/0cmf2; a file of class
descriptions gives the names.

Layout: https://storage.googleapis.com/openimages/web/download_v7.html.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from smalldet.data.formats.csv_boxes import (
    BoxFields,
    BoxTable,
    csv_header,
    csv_rows,
    labels_in,
    looks_like,
    read_boxes,
)
from smalldet.data.formats.object_columns import ObjectColumns, records_of
from smalldet.data.formats.picture_files import (
    is_dir,
    is_file,
    picture_sizes,
    pictures_by_stem,
    pictures_named,
)
from smalldet.data.formats.text_files import first_text
from smalldet.data.index import Index

logger = logging.getLogger(__name__)

LAYOUT = "ImageID,LabelName,XMin,XMax,YMin,YMax,IsGroupOf"
DESCRIPTIONS = "*class-descriptions*.csv"
# What rounding leaves over the border.
TOLERANCE = 0.01


def recognises(path: Path) -> bool:
    """Whether this is a CSV file whose header has Open Images' columns."""
    if path.suffix.lower() != ".csv" or not is_file(path):
        return False
    rows = looks_like(first_text(path))
    return bool(rows) and set(LAYOUT.split(",")) <= {title.strip() for title in rows[0]}


def read(
    path: str | Path,
    images_dir: str | Path | None = None,
    class_names: Sequence[str] | None = None,
    *,
    descriptions_file: str | Path | None = None,
    subset: bool = False,
) -> Index:
    """Labelled pictures of a file of boxes.

    A class of Open Images was looked for in some pictures only; this file does not say in which.

    Args:
        path: the file of boxes.
        images_dir: the pictures, named by their ImageID; by default the folder `images` beside the
            file, else the file's own.
        class_names: all classes, in order; those that occur, by the alphabet, if None.
        descriptions_file: rows of LabelName,DisplayName; by default the one file
            `*class-descriptions*.csv` beside the file. Without one, classes keep their codes.
        subset: only a part of the pictures is in the folder; rows of others are left out, and a
            message of this module's logger counts them.

    Returns:
        an Index; boxes are clipped to their pictures.

    Raises:
        FileNotFoundError: a file or a picture does not exist.
        ValueError: a row is wrong; names file and line.
    """
    path = Path(path)
    table = read_boxes(path, _fields(path), f"numbers for {LAYOUT}", skip=1)
    table = _described(table, path, descriptions_file)
    folder = path.parent / "images"
    if images_dir is not None or not is_dir(folder):
        folder = path.parent if images_dir is None else Path(images_dir)
    if subset:
        table = _of_pictures(table, set(pictures_by_stem(folder)), path)
    names, labels = labels_in(table, class_names, path)
    parts = table.corners
    outside = ((parts < -TOLERANCE) | (parts > 1 + TOLERANCE)).any(axis=1)
    if outside.any():
        row = int(outside.argmax())
        raise ValueError(
            f"{table.origins.where(row)} has {parts[row].tolist()}; XMin, YMin, XMax, YMax are "
            "parts of the picture's width and height, from 0 to 1"
        )
    pictures = pictures_named(folder, table.pictures, path)
    sizes = picture_sizes(pictures)
    columns = ObjectColumns(
        pictures=table.picture_rows,
        boxes=parts * np.tile(sizes, 2)[table.picture_rows],
        labels=labels,
        ignore=table.numbers["IsGroupOf"] == 1,
        difficult=np.zeros(len(labels), dtype=np.bool_),
    )
    return Index(names, records_of(columns, pictures, sizes, table.origins.where))


def _fields(path: Path) -> BoxFields:
    header = csv_header(path)
    missing = [name for name in LAYOUT.split(",") if name not in header]
    if missing:
        raise ValueError(f"{path}: line 1 lacks the columns {', '.join(missing)} of Open Images")
    place = {name: header.index(name) for name in LAYOUT.split(",")}
    return BoxFields(
        picture=place["ImageID"],
        corners=(place["XMin"], place["YMin"], place["XMax"], place["YMax"]),
        label=place["LabelName"],
        width=len(header),
        numbers={"IsGroupOf": place["IsGroupOf"]},
    )


def _described(table: BoxTable, path: Path, given: str | Path | None) -> BoxTable:
    """With names in place of codes."""
    if given is None:
        files = sorted(path.parent.glob(DESCRIPTIONS))
        if len(files) > 1:
            raise ValueError(
                f"{path}: has {files[0].name} and {files[1].name} beside it; give descriptions_file"
            )
        if not files:
            return table
        given = files[0]
    names: dict[str, str] = {}
    for rows, lines in csv_rows(Path(given)):
        for row, line in zip(rows, lines, strict=True):
            if len(row) != 2 or not all(row):
                raise ValueError(f"{given}: line {line} is no LabelName,DisplayName")
            names[row[0]] = row[1]
    missing = [code for code in table.class_names if code not in names]
    if missing:
        raise ValueError(f"{given}: has no name for {', '.join(missing[:5])} of {path}")
    # Two codes may share a name.
    display = list(dict.fromkeys(names[code] for code in table.class_names))
    codes = np.array([display.index(names[code]) for code in table.class_names], dtype=np.int64)
    labels = codes[table.labels] if len(codes) else table.labels
    return replace(table, class_names=display, labels=labels)


def _of_pictures(table: BoxTable, there: set[str], path: Path) -> BoxTable:
    kept = [name for name in table.pictures if name in there]
    if not kept:
        raise FileNotFoundError(f"{path}: none of its {len(table.pictures)} pictures is there")
    place = {name: number for number, name in enumerate(kept)}
    moved = np.array([place.get(name, -1) for name in table.pictures], dtype=np.int64)
    rows = np.flatnonzero(moved[table.picture_rows] >= 0)
    logger.warning(
        "%s: %d of %d pictures are there; %d boxes of others are left out",
        path,
        len(kept),
        len(table.pictures),
        len(table.labels) - len(rows),
    )
    origins = replace(
        table.origins,
        file_rows=table.origins.file_rows[rows],
        line_numbers=table.origins.line_numbers[rows],
    )
    return replace(
        table,
        pictures=kept,
        picture_rows=moved[table.picture_rows[rows]],
        corners=table.corners[rows],
        labels=table.labels[rows],
        numbers={name: column[rows] for name, column in table.numbers.items()},
        origins=origins,
    )
