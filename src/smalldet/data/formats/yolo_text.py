"""YOLO text: one file for each picture, one box on each line.

A line is class cx cy w h: the class's number from 0, and parts of the picture's width and height.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from smalldet.data.formats.folders import (
    find_picture,
    first_line,
    label_files,
    picture_record,
    picture_size,
)
from smalldet.data.formats.label_format import LabelFormat
from smalldet.data.formats.label_source import LabelSource
from smalldet.data.index import ImageRecord, Index

LINE = "class cx cy w h, the last four from 0 to 1"
# What rounding to a few digits leaves over the border.
TOLERANCE = 0.01
NUM_WORDS = 5


def recognises(path: Path) -> bool:
    """By the number of words of the first line that has any, or by `classes.txt` alone."""
    line = first_line(path, ".txt")
    if line is None:
        return (path / "classes.txt").is_file()
    return len(line.split()) == NUM_WORDS


def read(
    labels_dir: str | Path,
    images_dir: str | Path | None = None,
    class_names: Sequence[str] | None = None,
) -> Index:
    """Labelled pictures of a folder of YOLO text.

    Args:
        labels_dir: the folder of `.txt` files.
        images_dir: where the pictures of the same names lie; by default the folder `images` beside
            `labels_dir`.
        class_names: all classes, in order; by default the lines of `classes.txt` in or beside
            `labels_dir`.

    Returns:
        an Index; boxes are clipped to their picture. A picture whose file is empty has no objects.

    Raises:
        FileNotFoundError: the folder, its files, a picture, or the class names do not exist.
        ValueError: a line is wrong; names file and line.
    """
    labels_dir = Path(labels_dir)
    images_dir = labels_dir.parent / "images" if images_dir is None else Path(images_dir)
    names = tuple(class_names or _class_names(labels_dir))
    files = label_files(labels_dir, ".txt")
    return Index(
        names,
        tuple(
            _record(find_picture(images_dir, file.stem), _rows(file, len(names)), number)
            for number, file in enumerate(files, start=1)
        ),
    )


def _class_names(labels_dir: Path) -> list[str]:
    for file in (labels_dir / "classes.txt", labels_dir.parent / "classes.txt"):
        if file.is_file():
            lines = file.read_text(encoding="utf-8-sig").splitlines()
            return [line.strip() for line in lines if line.strip()]
    raise FileNotFoundError(
        f"{labels_dir}: the files number their classes; give their names, or a classes.txt there"
    )


def _rows(file: Path, num_classes: int) -> NDArray[np.float64]:
    """(N, 5) class, cx, cy, w, h."""
    rows = []
    for number, line in enumerate(file.read_text(encoding="utf-8-sig").splitlines(), start=1):
        words = line.split()
        if not words:
            continue
        try:
            row = [float(word) for word in words]
        except ValueError:
            row = []
        if len(row) != NUM_WORDS or not all(
            -TOLERANCE <= part <= 1 + TOLERANCE for part in row[1:]
        ):
            raise ValueError(f"{file}: line {number} is {line!r}, not {LINE}")
        if row[0] not in range(num_classes):
            raise ValueError(
                f"{file}: line {number} has class {words[0]}; there are {num_classes} names"
            )
        rows.append(row)
    return np.array(rows, dtype=np.float64).reshape(-1, NUM_WORDS)


def _record(picture: Path, rows: NDArray[np.float64], image_id: int) -> ImageRecord:
    width, height = picture_size(picture)
    centres, halves = rows[:, 1:3], rows[:, 3:] / 2
    corners = np.concatenate([centres - halves, centres + halves], axis=1)
    boxes = corners * [width, height, width, height]
    return picture_record(picture, (width, height), boxes, rows[:, 0], image_id)


def _read_source(source: LabelSource, split: str | None, with_masks: bool) -> Index:
    return read(source.annotations, source.images, source.class_names)


FORMAT = LabelFormat(
    "YOLO text", "a folder of .txt files with lines of class cx cy w h", recognises, _read_source
)
