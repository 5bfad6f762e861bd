"""DOTA text: one file for each picture, one oriented box on each line.

A line is x1 y1 x2 y2 x3 y3 x4 y4 class difficult, the last of them optional. Lines before the first
box may say `imagesource:` and `gsd:`, metres a pixel or `null`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from smalldet.data.formats.coco_oriented import rboxes_of_quads
from smalldet.data.formats.pictures import find_picture, picture_size
from smalldet.data.index import ImageRecord, Index

LINE = "x1 y1 x2 y2 x3 y3 x4 y4 class difficult"


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
    files = sorted(labels_dir.glob("*.txt"))
    if not files:
        raise FileNotFoundError(f"{labels_dir}: is no folder of .txt files")
    labelled = [_read_file(file) for file in files]
    occurring = sorted({name for one in labelled for name in one.names})
    names = tuple(occurring if class_names is None else class_names)
    for file, one in zip(files, labelled, strict=True):
        unknown = sorted(set(one.names) - set(names))
        if unknown:
            raise ValueError(f"{file}: has classes {unknown}; class_names are {list(names)}")
    label_of = {name: label for label, name in enumerate(names)}
    records = [
        _record(find_picture(images_dir, file.stem), one, label_of, number)
        for number, (file, one) in enumerate(zip(files, labelled, strict=True), start=1)
    ]
    return Index(names, tuple(records))


@dataclass(frozen=True)
class _Labelled:
    """What one file says: corners (8 numbers), class and difficulty of each box; metres a pixel."""

    corners: list[list[float]]
    names: list[str]
    difficult: list[bool]
    gsd_m: float | None


def _read_file(file: Path) -> _Labelled:
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
            if len(words) not in (9, 10) or len(points) != 8 or not np.isfinite(points).all():
                raise ValueError(f"{file}: line {number} is {line!r}, not {LINE}")
            corners.append(points)
            names.append(words[8])
            difficult.append(hard)
    return _Labelled(corners, names, difficult, gsd_m)


def _metres(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) and value > 0 else None


def _record(
    picture: Path, labelled: _Labelled, label_of: dict[str, int], image_id: int
) -> ImageRecord:
    width, height = picture_size(picture)
    corners = np.array(labelled.corners, dtype=np.float64).reshape(-1, 4, 2)
    boxes = np.concatenate([corners.min(axis=1), corners.max(axis=1)], axis=1)
    boxes = np.clip(boxes, 0, np.array([width, height, width, height]))
    inside = (boxes[:, 2:] > boxes[:, :2]).all(axis=1)
    labels = np.array([label_of[name] for name in labelled.names], dtype=np.int64)
    return ImageRecord(
        path=picture,
        width=width,
        height=height,
        boxes=boxes[inside].astype(np.float32),
        labels=labels[inside],
        ignore=np.zeros(int(inside.sum()), dtype=np.bool_),
        difficult=np.array(labelled.difficult, dtype=np.bool_)[inside],
        rboxes=rboxes_of_quads(corners.reshape(-1, 8))[inside],
        image_id=image_id,
        gsd_m=labelled.gsd_m,
    )
