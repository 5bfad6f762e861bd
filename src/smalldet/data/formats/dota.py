"""DOTA text: one file for each picture, one oriented box on each line.

A line is x1 y1 x2 y2 x3 y3 x4 y4 class difficult, the last of them optional. Lines before the first
box may say `imagesource:` and `gsd:`, metres a pixel or `null`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from smalldet.data.formats.coco_oriented import rboxes_of_quads
from smalldet.data.formats.folders import (
    Labelled,
    classes_of,
    find_picture,
    first_line,
    label_files,
    picture_record,
    picture_size,
)
from smalldet.data.formats.label_format import LabelFormat
from smalldet.data.formats.label_source import LabelSource
from smalldet.data.index import ImageRecord, Index

LINE = "x1 y1 x2 y2 x3 y3 x4 y4 class difficult"
NUM_WORDS = (9, 10)
HEADER_KEYS = ("imagesource", "gsd")


def recognises(path: Path) -> bool:
    """By the first line that has any words; files without any are a set of negatives."""
    line = first_line(path, ".txt")
    if line is None:
        return any(path.glob("*.txt"))
    return line.partition(":")[0] in HEADER_KEYS or len(line.split()) in NUM_WORDS


def read(
    labels_dir: str | Path,
    images_dir: str | Path | None = None,
    class_names: Sequence[str] | None = None,
) -> Index:
    """Labelled pictures of a folder of DOTA text.

    Args:
        labels_dir: the folder of `.txt` files.
        images_dir: where the pictures of the same names lie; by default the folder `images` beside
            `labels_dir`.
        class_names: all classes, in order; those that occur, by the alphabet, if None.

    Returns:
        an Index with oriented boxes as the smallest round the corners. Boxes enclose them and are
        clipped to the picture.

    Raises:
        FileNotFoundError: the folder, its files or a picture do not exist.
        ValueError: a line is wrong; names file and line.
    """
    labels_dir = Path(labels_dir)
    images_dir = labels_dir.parent / "images" if images_dir is None else Path(images_dir)
    files = label_files(labels_dir, ".txt")
    labelled = [_read_file(file) for file in files]
    names = classes_of(files, labelled, class_names)
    records = [
        _record(find_picture(images_dir, file.stem), one, names, number)
        for number, (file, one) in enumerate(zip(files, labelled, strict=True), start=1)
    ]
    return Index(names, tuple(records))


def _read_file(file: Path) -> Labelled:
    corners: list[list[float]] = []
    names: list[str] = []
    difficult: list[bool] = []
    gsd_m = None
    for number, line in enumerate(file.read_text(encoding="utf-8-sig").splitlines(), start=1):
        key, _, value = line.partition(":")
        words = line.split()
        if key == "gsd":
            gsd_m = _metres(value)
        elif key != "imagesource" and words:
            try:
                points = [float(word) for word in words[:8]]
                hard = words[9] != "0" if len(words) == 10 else False
            except ValueError:
                points, hard = [], False
            if len(words) not in NUM_WORDS or len(points) != 8 or not np.isfinite(points).all():
                raise ValueError(f"{file}: line {number} is {line!r}, not {LINE}")
            corners.append(points)
            names.append(words[8])
            difficult.append(hard)
    return Labelled(corners, names, difficult, gsd_m)


def _metres(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) and value > 0 else None


def _record(picture: Path, labelled: Labelled, names: Sequence[str], image_id: int) -> ImageRecord:
    corners = np.array(labelled.corners, dtype=np.float64).reshape(-1, 4, 2)
    return picture_record(
        picture,
        picture_size(picture),
        np.concatenate([corners.min(axis=1), corners.max(axis=1)], axis=1),
        [names.index(name) for name in labelled.names],
        image_id,
        difficult=labelled.difficult,
        rboxes=rboxes_of_quads(corners.reshape(-1, 8)),
        gsd_m=labelled.gsd_m,
    )


def _read_source(source: LabelSource, split: str | None, with_masks: bool) -> Index:
    return read(source.annotations, source.images, source.class_names)


FORMAT = LabelFormat(
    "DOTA text",
    "a folder of .txt files with lines of x1 y1 x2 y2 x3 y3 x4 y4 class difficult",
    recognises,
    _read_source,
)
