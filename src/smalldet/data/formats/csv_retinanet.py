"""CSV of keras-retinanet: path,x1,y1,x2,y2,class without a header, and a file of classes.

Corners are whole pixels. A row of a path and five empty fields is a picture without objects. The
file of classes has rows of name,number from 0.

Layout: https://github.com/fizyr/keras-retinanet#csv-datasets.
"""

from __future__ import annotations

import csv
import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from smalldet.atomic_write import atomic_write
from smalldet.data.formats.csv_boxes import (
    BoxFields,
    csv_rows,
    labels_in,
    looks_like,
    named_from,
    picture_paths,
    read_boxes,
)
from smalldet.data.formats.lines import floats_of
from smalldet.data.formats.object_columns import ObjectColumns, records_of
from smalldet.data.formats.picture_files import is_file, picture_sizes
from smalldet.data.formats.text_files import first_text
from smalldet.data.index import ImageRecord, Index

logger = logging.getLogger(__name__)

LOSES = ("ignore", "difficult", "masks", "rboxes", "gsd_m", "unknown")
"""And fractions of pixels, which keras-retinanet does not read."""
LAYOUT = "path,x1,y1,x2,y2,class"
CLASSES_FILE = "classes.csv"
FIELDS = BoxFields(picture=0, corners=(1, 2, 3, 4), label=5, width=6)


def recognises(path: Path) -> bool:
    """Whether this is a CSV file whose first row is path, four numbers, class, or a path alone."""
    if path.suffix.lower() != ".csv" or not is_file(path):
        return False
    rows = looks_like(first_text(path))
    if not rows or len(rows[0]) != FIELDS.width or not rows[0][0]:
        return False
    empty = not any(rows[0][1:])
    return empty or bool(np.isfinite(floats_of(rows[0][1:5])).all())


def read(
    path: str | Path,
    images_dir: str | Path | None = None,
    class_names: Sequence[str] | None = None,
    *,
    classes_file: str | Path | None = None,
) -> Index:
    """Labelled pictures of a CSV file.

    Args:
        path: the file.
        images_dir: where the pictures' paths start; by default the file's folder, or `images` in
            it.
        class_names: all classes, in order, instead of a file of classes.
        classes_file: rows of name,number; by default `classes.csv` beside the file. Without one the
            classes are those that occur, by the alphabet.

    Returns:
        an Index of the pictures in the order of the file; boxes are clipped to them.

    Raises:
        FileNotFoundError: a file or a picture does not exist.
        ValueError: a row is wrong; names file and line.
    """
    path = Path(path)
    table = read_boxes(path, FIELDS, LAYOUT)
    if class_names is None:
        file = path.parent / CLASSES_FILE if classes_file is None else Path(classes_file)
        if classes_file is not None or is_file(file):
            class_names = _class_names(file)
    names, labels = labels_in(table, class_names, path)
    pictures = picture_paths(table.pictures, None if images_dir is None else Path(images_dir), path)
    none = np.zeros(len(labels), dtype=np.bool_)
    columns = ObjectColumns(table.picture_rows, table.corners, labels, none, none)
    return Index(names, records_of(columns, pictures, picture_sizes(pictures), table.origins.where))


def _class_names(file: Path) -> tuple[str, ...]:
    names: dict[str, str] = {}
    for rows, lines in csv_rows(file):
        for row, line in zip(rows, lines, strict=True):
            if len(row) != 2 or not row[0] or not row[1].strip().isdecimal():
                raise ValueError(f"{file}: line {line} is {','.join(row)[:100]!r}, not name,number")
            number = row[1].strip()
            if number in names or row[0] in names.values():
                raise ValueError(f"{file}: line {line} has {row[0]!r} or {number} again")
            names[number] = row[0]
    if sorted(names) != sorted(str(number) for number in range(len(names))) or not names:
        raise ValueError(f"{file}: must number the classes from 0 without a gap")
    return tuple(names[str(number)] for number in range(len(names)))


def write(index: Index, out_dir: str | Path, *, split: str = "train") -> list[Path]:
    """`{split}.csv` and `classes.csv`. Regions to ignore are left out, see LOSES.

    Pictures stay where they are: those in `out_dir` are named from it, others in full. Corners are
    rounded to whole pixels, at least one pixel apart.

    Raises:
        ValueError: `classes.csv` is there with other classes.
    """
    out_dir = Path(out_dir)
    out_dir.mkdir(parents=True, exist_ok=True)
    names_file = out_dir / CLASSES_FILE
    if is_file(names_file) and _class_names(names_file) != index.class_names:
        raise ValueError(f"{names_file}: is there already with other classes; name an empty folder")
    num_moved = sum(int((r.boxes % 1 != 0).any(axis=1).sum()) for r in index.records)
    if num_moved:
        logger.warning("%d boxes are rounded to whole pixels", num_moved)
    file = out_dir / f"{split}.csv"
    with atomic_write(file) as draft, draft.open("w", encoding="utf-8", newline="") as opened:
        writer = csv.writer(opened, lineterminator="\n")
        for record in index.records:
            writer.writerows(_rows(record, index.class_names, named_from(record.path, out_dir)))
    with atomic_write(names_file) as draft, draft.open("w", encoding="utf-8", newline="") as opened:
        rows = ((name, number) for number, name in enumerate(index.class_names))
        csv.writer(opened, lineterminator="\n").writerows(rows)
    return [file, names_file]


def _rows(record: ImageRecord, names: Sequence[str], picture: str) -> list[list[object]]:
    kept = np.flatnonzero(~record.ignore)
    if not len(kept):
        return [[picture, "", "", "", "", ""]]
    corners = np.rint(record.boxes[kept].astype(np.float64)).astype(np.int64)
    last = np.array([record.width, record.height]) - 1
    corners[:, :2] = np.minimum(corners[:, :2], last)
    corners[:, 2:] = np.maximum(corners[:, 2:], corners[:, :2] + 1)
    labels = record.labels[kept].tolist()
    return [[picture, *box, names[label]] for box, label in zip(corners.tolist(), labels)]  # noqa: B905
