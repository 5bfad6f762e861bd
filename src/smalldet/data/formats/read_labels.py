"""Reading labels whatever their format."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from smalldet.data.formats import coco, dota, voc, yolo_text
from smalldet.data.index import Index

YOLO_WORDS = 5


def read_labels(
    path: Path,
    images_dir: Path | None = None,
    *,
    split: str | None = None,
    class_names: Sequence[str] | None = None,
    first_pixel: Literal[0, 1] = 1,
    with_masks: bool = False,
) -> Index:
    """Labelled pictures of a COCO json, or of a folder of VOC XML, DOTA text or YOLO text.

    Args:
        path: the json, or the folder.
        images_dir: the pictures' folder; each format has a usual place.
        split: part of the set to read, such as `val`, of a folder that holds it as `val.json`.
        class_names: of a folder, in order; see each format.
        first_pixel: of VOC; see `voc.read`.
        with_masks: read outlines too, where the format has them.

    Raises:
        FileNotFoundError, ValueError: what is missing or wrong, with its file.
    """
    if split is not None and (path / f"{split}.json").is_file():
        path = path / f"{split}.json"
    if not path.is_dir():
        return coco.read(path, images_dir, with_masks)
    if any(path.glob("*.xml")):
        return voc.read(path, images_dir, class_names, first_pixel)
    if _is_yolo(path):
        return yolo_text.read(path, images_dir, class_names)
    return dota.read(path, images_dir, class_names)


def _is_yolo(folder: Path) -> bool:
    """By the number of words of the first line that has any; DOTA's lines are longer."""
    for file in sorted(folder.glob("*.txt")):
        if file.name == "classes.txt":
            continue
        for line in file.read_text(encoding="utf-8-sig").splitlines():
            if line.split():
                return len(line.split()) == YOLO_WORDS
    return (folder / "classes.txt").is_file()
