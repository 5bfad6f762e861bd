"""Result files: detections that somebody else's tool wrote, put to the pictures of the truth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from smalldet.data.formats.json_files import load_json, shown
from smalldet.data.index import ImageRecord, Index
from smalldet.detections import Detections
from smalldet.evaluation.dota_results import is_dota_results, read_dota_results
from smalldet.evaluation.picture_names import rows_of_ids, rows_of_names
from smalldet.evaluation.result_remarks import doubts, left_out, strangers
from smalldet.evaluation.result_shapes import Entry, box_of, mask_grids, oriented_boxes


@dataclass(frozen=True, eq=False)
class Results:
    """Detections of every picture of a truth.

    Attributes:
        detections: one for each record of the truth, in its order.
        remarks: what did not fit, counted and named, a sentence each.
    """

    detections: list[Detections]
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class _Columns:
    """What a file holds, one row for each detection.

    Attributes:
        pictures: (N,) rows of the truth, -1 for none.
        labels: (N,) positions in `class_names`, -1 for none.
        boxes: (N, 4) left, top, width, height in pixels.
        scores: (N,).
        class_names: of the labels.
        remarks: what was left out so far.
        rboxes: (N, 5) oriented boxes, NaN where what is given is none; None where there are none.
        entries: N as they stand in a json; masks are read from them.
    """

    pictures: NDArray[np.int64]
    labels: NDArray[np.int64]
    boxes: NDArray[np.float64]
    scores: NDArray[np.float64]
    class_names: tuple[str, ...]
    remarks: list[str]
    rboxes: NDArray[np.float64] | None
    entries: list[Entry]


def read_results(path: Path, truth: Index, category_ids: Sequence[int] | None = None) -> Results:
    """Read a list of COCO results, a whole COCO json whose annotations have scores, or a folder.

    A list names pictures by the ids of the truth (numbers), or by the names of their files with or
    without the ending; a whole json by its own `images`. What does not fit is left out and told.
    An `rbbox`, or a `segmentation` of four corners in every result, is an oriented box; a
    `segmentation` as run-length code is a mask, read where the truth has masks. A folder is of
    DOTA's texts, which name pictures by their files.

    Args:
        path: the file, or the folder.
        truth: the pictures.
        category_ids: that a list has for each class of the truth; counted from 1 if None.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it holds no results, or none of the pictures or classes of the truth.
    """
    if is_dota_results(path):
        return _by_picture(_of_dota(path, truth), truth)
    content = load_json(path, with_nan=True)
    if isinstance(content, dict) and isinstance(content.get("annotations"), list):
        columns = _of_whole(path, content, truth)
    elif isinstance(content, list):
        columns = _of_list(path, content, truth, category_ids)
    else:
        raise ValueError(
            f"{path}: must hold a list of results (image_id, category_id, bbox, score), or an "
            f"object with images, annotations and categories, not {shown(content)}"
        )
    return _by_picture(columns, truth)


def _of_list(
    path: Path, entries: list[Any], truth: Index, category_ids: Sequence[int] | None
) -> _Columns:
    entries, remarks = _whole_entries(entries)
    ids = [entry["image_id"] for entry in entries]
    pictures, names = rows_of_ids(ids, truth)
    _refuse_strangers(path, pictures, names, truth)
    remarks += strangers(pictures, names, "picture")
    known = category_ids or range(1, len(truth.class_names) + 1)
    given = [entry["category_id"] for entry in entries]
    if category_ids is None and given and 0 in given and len(truth.class_names) not in given:
        known = range(len(truth.class_names))
        remarks.append("category ids are counted from 0: an id 0 is among them")
    place = {one: label for label, one in enumerate(known)}
    labels = np.array([place.get(one, -1) for one in given], dtype=np.int64)
    if len(labels) and (labels < 0).all():
        raise ValueError(
            f"{path}: none of its category ids, {shown(sorted(set(given)))}, is of the data, whose "
            f"are {shown(dict(zip(known, truth.class_names, strict=False)))}"
        )
    remarks += strangers(labels, [str(one) for one in given], "category id")
    return _columns(entries, pictures, labels, truth.class_names, remarks)


def _of_whole(path: Path, content: dict[str, Any], truth: Index) -> _Columns:
    try:
        names = {image["id"]: str(image["file_name"]) for image in content["images"]}
        classes = {one["id"]: str(one["name"]) for one in content["categories"]}
    except (KeyError, TypeError) as error:
        raise ValueError(f"{path}: images need id, file_name; categories id, name") from error
    twice = len(content["images"]) - len(names)
    if twice:
        raise ValueError(f"{path}: {twice} images share an id with another; give each its own")
    entries, remarks = _whole_entries(content["annotations"])
    table = dict(zip(names, rows_of_names(list(names.values()), truth), strict=True))
    pictures = np.array([table.get(entry["image_id"], -1) for entry in entries], dtype=np.int64)
    own = [names.get(entry["image_id"], f"id {entry['image_id']}") for entry in entries]
    _refuse_strangers(path, pictures, own, truth)
    remarks += strangers(pictures, own, "picture")
    place = {one: label for label, one in enumerate(classes)}
    labels = np.array([place.get(entry["category_id"], -1) for entry in entries], dtype=np.int64)
    remarks += strangers(labels, [str(entry["category_id"]) for entry in entries], "category id")
    return _columns(entries, pictures, labels, tuple(classes.values()), remarks)


def _of_dota(path: Path, truth: Index) -> _Columns:
    found = read_dota_results(path)
    table = np.array(rows_of_names(found.picture_names, truth), dtype=np.int64)
    pictures = table[found.pictures] if len(table) else found.pictures
    names = [found.picture_names[row] for row in found.pictures.tolist()]
    _refuse_strangers(path, pictures, names, truth)
    remarks = strangers(pictures, names, "picture") if names else ["holds no result"]
    low, high = found.boxes[:, :2], found.boxes[:, 2:]
    boxes = np.concatenate([low, high - low], axis=1)
    nothing: list[Entry] = [{}] * len(names)
    return _Columns(
        pictures,
        found.labels,
        boxes,
        found.scores,
        found.class_names,
        remarks,
        found.rboxes,
        nothing,
    )


def _whole_entries(entries: list[Any]) -> tuple[list[Entry], list[str]]:
    """Entries with all that a result needs, and a remark about the others."""
    whole = [entry for entry in entries if _is_whole(entry)]
    num = len(entries) - len(whole)
    if not num:
        return whole, [] if whole else ["holds no result"]
    first = next(entry for entry in entries if not _is_whole(entry))
    what = "lack image_id, category_id, a bbox of 4 numbers or a score: left out, such as"
    return whole, [f"{num:,} of {len(entries):,} results {what} {shown(first)}"]


def _is_whole(entry: Any) -> bool:
    if not isinstance(entry, dict):
        return False
    entry = cast("Entry", entry)
    return (
        type(entry.get("image_id")) in (int, str)
        and type(entry.get("category_id")) is int
        and type(entry.get("score")) in (int, float)
        and box_of(entry) is not None
    )


def _columns(
    entries: list[Entry],
    pictures: NDArray[np.int64],
    labels: NDArray[np.int64],
    class_names: tuple[str, ...],
    remarks: list[str],
) -> _Columns:
    boxes = np.array([box_of(entry) for entry in entries], dtype=np.float64).reshape(-1, 4)
    scores = np.array([entry["score"] for entry in entries], dtype=np.float64)
    rboxes = oriented_boxes(entries, boxes)
    return _Columns(pictures, labels, boxes, scores, class_names, remarks, rboxes, entries)


def _refuse_strangers(
    path: Path, pictures: NDArray[np.int64], names: Sequence[str], truth: Index
) -> None:
    if len(pictures) and (pictures < 0).all():
        first = truth.records[0].path.name if len(truth) else "none"
        raise ValueError(
            f"{path}: none of its pictures, such as {names[0]}, is in the data, which has {first} "
            "and so on; is it the result of another set or split?"
        )


def _by_picture(columns: _Columns, truth: Index) -> Results:
    remarks = list(columns.remarks)
    fits = (columns.pictures >= 0) & (columns.labels >= 0)
    finite = np.isfinite(columns.scores) & np.isfinite(columns.boxes).all(axis=1)
    sound = (columns.boxes[:, 2:] >= 0).all(axis=1)
    rboxes = columns.rboxes
    turned = np.ones(len(fits), np.bool_) if rboxes is None else np.isfinite(rboxes).all(axis=1)
    remarks += left_out(
        {
            "a score or box that is no finite number": fits & ~finite,
            "a box of negative width or height": fits & finite & ~sound,
            "an oriented box that is not cx, cy, w, h, angle": fits & finite & sound & ~turned,
        }
    )
    kept = np.flatnonzero(fits & finite & sound & turned)
    kept = kept[np.argsort(columns.pictures[kept], kind="stable")]
    pictures, boxes = columns.pictures[kept], columns.boxes[kept]
    scores, labels = columns.scores[kept], columns.labels[kept]
    entries = [columns.entries[row] for row in kept.tolist()]
    turned_boxes = boxes[:, :0] if rboxes is None else rboxes[kept]
    remarks += doubts(np.column_stack([pictures, labels]), boxes, turned_boxes, scores)
    without = len(truth) - len(np.unique(pictures))
    if without and len(kept):
        remarks.append(f"{without:,} of {len(truth):,} pictures have no result")
    masks, told = _masks(entries, boxes, [truth.records[row] for row in pictures.tolist()])
    xyxy = np.concatenate([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], axis=1)
    whole = Detections(
        torch.from_numpy(xyxy.astype(np.float32)),
        torch.from_numpy(scores.astype(np.float32)),
        torch.from_numpy(labels),
        columns.class_names,
        None if rboxes is None else torch.from_numpy(rboxes[kept]),
        masks,
    )
    ends = np.cumsum(np.bincount(pictures, minlength=len(truth))).tolist()
    detections = [whole[first:last] for first, last in pairwise([0, *ends])]
    return Results(detections, (*remarks, *told))


def _masks(
    entries: list[Entry], boxes: NDArray[np.float64], pictures: list[ImageRecord]
) -> tuple[Tensor | None, list[str]]:
    """Masks if all results have one and the truth has some, and a remark if some lack one."""
    coded = sum(isinstance(entry.get("segmentation"), dict) for entry in entries)
    if not coded or all(picture.masks is None for picture in pictures):
        return None, []
    grids, known = mask_grids(entries, boxes, pictures)
    if known.all():
        return torch.from_numpy(grids), []
    num = int((~known).sum())
    return None, [
        f"{num:,} of {len(entries):,} results have no run-length code of their picture as "
        "segmentation: masks are not measured"
    ]
