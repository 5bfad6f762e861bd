"""Folders of labels, one file for each picture: what VOC XML, YOLO text and DOTA text share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from smalldet.data.index import ImageRecord
from smalldet.imagery.rasters import open_dataset

PICTURES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp")


@dataclass(frozen=True)
class Labelled:
    """What one file says of its picture, in lists of one length.

    Args:
        corners: numbers of each object's place.
        names: class of each object.
        difficult: of each object.
        gsd_m: metres a pixel, where the file says it.
    """

    corners: list[list[float]]
    names: list[str]
    difficult: list[bool]
    gsd_m: float | None = None


def label_files(labels_dir: Path, suffix: str) -> list[Path]:
    """The files of a folder, by name; `classes.txt` is none of them.

    Raises:
        FileNotFoundError: there are none.
    """
    files = [file for file in sorted(labels_dir.glob(f"*{suffix}")) if file.name != "classes.txt"]
    if not files:
        raise FileNotFoundError(f"{labels_dir}: is no folder of {suffix} files")
    return files


def first_line(labels_dir: Path, suffix: str) -> str | None:
    """The first line with words among the files of a folder; None where there is none.

    Bytes that are no text are passed over, so that any folder can be looked at.
    """
    for file in sorted(labels_dir.glob(f"*{suffix}")):
        if file.name != "classes.txt" and file.is_file():
            with file.open(encoding="utf-8-sig", errors="replace") as lines:
                for line in lines:
                    if line.split():
                        return line.strip()
    return None


def classes_of(
    files: Sequence[Path], labelled: Sequence[Labelled], class_names: Sequence[str] | None
) -> tuple[str, ...]:
    """The classes as given, or those that occur, by the alphabet.

    Raises:
        ValueError: a file has a class that is not among those given; names both.
    """
    if class_names is None:
        return tuple(sorted({name for one in labelled for name in one.names}))
    for file, one in zip(files, labelled, strict=True):
        foreign = sorted(set(one.names) - set(class_names))
        if foreign:
            raise ValueError(f"{file}: has classes {foreign}; class_names are {list(class_names)}")
    return tuple(class_names)


def find_picture(images_dir: Path, stem: str) -> Path:
    """The picture `stem` with any of the usual endings.

    Raises:
        FileNotFoundError: there is none.
    """
    for suffix in PICTURES:
        for path in (images_dir / f"{stem}{suffix}", images_dir / f"{stem}{suffix.upper()}"):
            if path.is_file():
                return path
    raise FileNotFoundError(
        f"{images_dir}: has no picture {stem} ({', '.join(PICTURES)}); give images_dir if it is "
        "elsewhere"
    )


def picture_size(picture: Path) -> tuple[int, int]:
    """Width and height in pixels, from the header."""
    with open_dataset(str(picture)) as dataset:
        return dataset.width, dataset.height


def picture_record(
    picture: Path,
    size: tuple[int, int],
    boxes: NDArray[np.floating],
    labels: ArrayLike,
    image_id: int,
    *,
    difficult: ArrayLike | None = None,
    rboxes: NDArray[np.float32] | None = None,
    gsd_m: float | None = None,
) -> ImageRecord:
    """The record of a picture: boxes (N, 4) xyxy clipped to it, those outside left out."""
    width, height = size
    boxes = np.clip(boxes, 0, np.array([width, height, width, height])).astype(np.float32)
    inside = (boxes[:, 2:] > boxes[:, :2]).all(axis=1)
    hard = np.zeros(len(boxes)) if difficult is None else difficult
    return ImageRecord(
        path=picture,
        width=width,
        height=height,
        boxes=boxes[inside],
        labels=np.array(labels, dtype=np.int64)[inside],
        ignore=np.zeros(int(inside.sum()), dtype=np.bool_),
        difficult=np.array(hard, dtype=np.bool_)[inside],
        rboxes=None if rboxes is None else rboxes[inside],
        image_id=image_id,
        gsd_m=gsd_m,
    )
