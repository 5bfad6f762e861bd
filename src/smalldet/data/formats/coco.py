"""COCO json: the format that every other is changed into and out of.

Beside the standard keys it knows `ignore` and `difficult` of an annotation, oriented boxes (see
`coco_oriented`), `gsd_m` of an image, and LVIS's `not_exhaustive_category_ids` of an image: classes
that may occur there without a label.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from smalldet.data.formats import coco_masks
from smalldet.data.formats.coco_checks import (
    Entry,
    annotation_problems,
    category_problems,
    flat_annotations,
    image_problems,
)
from smalldet.data.formats.coco_oriented import oriented_boxes
from smalldet.data.formats.coco_places import images_dir_of, recognises
from smalldet.data.formats.coco_writing import LOSES, write, write_json
from smalldet.data.formats.collector import collector_paused
from smalldet.data.formats.json_files import load_json
from smalldet.data.formats.object_columns import (
    BORDER_TOLERANCE_PX,
    tell_clipped,
    tell_without_area,
)
from smalldet.data.formats.picture_files import refuse_missing
from smalldet.data.index import ImageRecord, Index

__all__ = ["LOSES", "read", "recognises", "write", "write_json"]

MAX_PROBLEMS_SHOWN = 10


def read(
    json_path: str | Path,
    images_dir: str | Path | None = None,
    class_names: Sequence[str] | None = None,
    *,
    with_masks: bool = False,
    check_pictures: bool = True,
) -> Index:
    """Labelled pictures of a COCO json.

    Crowds (`iscrowd`) and `ignore` become ignore regions, boxes are clipped to their picture, those
    with a side of 0 are left out and named, a picture without annotations is a negative.

    Args:
        json_path: the file.
        images_dir: where `file_name` starts; by default the folder `images` beside the json, the
            json's own folder, or a folder of the split (`train2017`) or `images` beside or above
            it, whichever has the first picture.
        class_names: other than the json's, which has its own: refused.
        with_masks: read outlines too.
        check_pictures: refuse pictures that are not there.

    Raises:
        FileNotFoundError: the json or pictures do not exist; names the first of them.
        ValueError: not JSON, or entries are wrong; names the first of them and what is wrong.
    """
    json_path = Path(json_path)
    if class_names is not None:
        raise ValueError(f"{json_path}: COCO names its classes itself; leave class_names out")
    with collector_paused():
        return _read(json_path, images_dir, with_masks, check_pictures)


def category_ids(json_path: Path) -> list[int]:
    """The id of each class, in the order of the Index that `read` makes."""
    content = load_json(json_path, keys=frozenset(("categories", "id")))
    return [entry["id"] for entry in content["categories"]]


def _read(
    json_path: Path, images_dir: str | Path | None, with_masks: bool, check_pictures: bool
) -> Index:
    images, annotations, categories = _sections(json_path)
    _refuse(json_path, category_problems(categories))
    label_of = {entry["id"]: label for label, entry in enumerate(categories)}
    _refuse(json_path, image_problems(images, set(label_of)))
    row_of = {entry["id"]: row for row, entry in enumerate(images)}
    sizes = {entry["id"]: (entry["width"], entry["height"]) for entry in images}
    annotations = _with_area(json_path, annotations)
    _refuse(json_path, annotation_problems(annotations, sizes, set(label_of)))
    first = images[0]["file_name"] if images else ""
    folder = images_dir_of(json_path, first) if images_dir is None else Path(images_dir)
    paths = [folder / entry["file_name"] for entry in images]
    if check_pictures:
        refuse_missing(paths, json_path)

    rows = np.array([row_of[entry["image_id"]] for entry in annotations], dtype=np.int64)
    order = np.argsort(rows, kind="stable")
    ends = np.cumsum(np.bincount(rows, minlength=len(images)))[:-1]
    columns = _columns(json_path, annotations, images, rows, label_of)
    try:
        if with_masks:
            columns["masks"] = coco_masks.grids(annotations, columns["boxes"])
    except ValueError as error:  # of outlines, which name their annotation
        raise ValueError(f"{json_path}: {error}") from None
    grouped = {name: np.split(column[order], ends) for name, column in columns.items()}
    return Index(
        tuple(entry["name"] for entry in categories),
        tuple(
            ImageRecord(
                path=paths[row],
                width=entry["width"],
                height=entry["height"],
                image_id=entry["id"],
                gsd_m=entry.get("gsd_m"),
                unknown=frozenset(
                    label_of[i] for i in entry.get("not_exhaustive_category_ids", ())
                ),
                **{name: parts[row] for name, parts in grouped.items()},
            )
            for row, entry in enumerate(images)
        ),
    )


def _columns(
    json_path: Path,
    annotations: list[Entry],
    images: list[Entry],
    rows: NDArray[np.int64],
    label_of: dict[int, int],
) -> dict[str, NDArray[Any]]:
    """One array for each field of the objects, boxes clipped to their pictures."""
    xywh = np.array([a["bbox"] for a in annotations], dtype=np.float64).reshape(-1, 4)
    boxes = np.concatenate([xywh[:, :2], xywh[:, :2] + xywh[:, 2:]], axis=1)
    sizes = np.array([(i["width"], i["height"]) for i in images], dtype=np.float64).reshape(-1, 2)
    limits = np.tile(sizes, 2)[rows]
    clipped = np.clip(boxes, 0, limits)
    num_over = int((np.abs(clipped - boxes) > BORDER_TOLERANCE_PX).any(axis=1).sum())
    tell_clipped(num_over)
    columns: dict[str, NDArray[Any]] = {
        "boxes": clipped.astype(np.float32),
        "labels": np.array([label_of[a["category_id"]] for a in annotations], dtype=np.int64),
        "ignore": _flags(annotations, "iscrowd") | _flags(annotations, "ignore"),
        "difficult": _flags(annotations, "difficult"),
    }
    named = partial(_named, json_path, annotations)
    rboxes = oriented_boxes(annotations, boxes, named)
    if rboxes is not None:
        columns["rboxes"] = rboxes
    return columns


def _named(json_path: Path, annotations: list[Entry], row: int) -> str:
    return f"{json_path}: annotation {annotations[row].get('id')}"


def _with_area(json_path: Path, annotations: list[Entry]) -> list[Entry]:
    flat = flat_annotations(annotations)
    if not flat:
        return annotations
    tell_without_area(np.array(flat), partial(_named, json_path, annotations))
    left_out = set(flat)
    return [entry for place, entry in enumerate(annotations) if place not in left_out]


def _flags(annotations: list[Entry], key: str) -> NDArray[np.bool_]:
    return np.array([bool(a.get(key, 0)) for a in annotations], dtype=bool)


def _sections(json_path: Path) -> tuple[list[Entry], list[Entry], list[Entry]]:
    content = load_json(json_path)
    if not isinstance(content, dict):
        raise ValueError(f"{json_path}: must hold an object with images, annotations, categories")
    sections: list[list[Entry]] = []
    for name in ("images", "annotations", "categories"):
        entries = content.get(name)
        if not isinstance(entries, list):
            what = "has no" if entries is None else "must have a list of"
            raise ValueError(f"{json_path}: {what} '{name}'")
        sections.append(entries)
    return sections[0], sections[1], sections[2]


def _refuse(json_path: Path, problems: Iterable[str]) -> None:
    faults = list(problems)
    if faults:
        more = len(faults) - MAX_PROBLEMS_SHOWN
        lines = faults[:MAX_PROBLEMS_SHOWN] + ([f"and {more} more"] if more > 0 else [])
        raise ValueError(f"{json_path}: {len(faults)} wrong entries:\n  " + "\n  ".join(lines))
