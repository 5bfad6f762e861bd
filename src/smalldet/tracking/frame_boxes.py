"""Boxes of many frames in columns, and what they are read from: MOT text and COCO json."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from smalldet.data.formats.json_files import load_json
from smalldet.tracking.frames import Frames

NO_TRACK = -1
LEAST_COLUMNS, MOST_COLUMNS = 6, 10
EXAMPLE = "frame,id,left,top,width,height,score,class,-1,-1"


@dataclass(frozen=True, eq=False)
class FrameBoxes:
    """Boxes of frames, sorted by frame.

    Args:
        frames: (N,) numbers, from 1.
        ids: (N,) of the tracks; `NO_TRACK` where there is none.
        boxes: (N, 4) float64 xyxy in pixels of their frame.
        scores: (N,).
        labels: (N,) positions in `class_names`.
        class_names: of the labels.
        ignored: (N,) bool, of true boxes: what is neither to be found nor a mistake.
        told_of: frames that a file tells of, with boxes or without; all if None.
    """

    frames: NDArray[np.int64]
    ids: NDArray[np.int64]
    boxes: NDArray[np.float64]
    scores: NDArray[np.float64]
    labels: NDArray[np.int64]
    class_names: tuple[str, ...]
    ignored: NDArray[np.bool_]
    told_of: frozenset[int] | None = None

    def __len__(self) -> int:
        return len(self.frames)

    def rows_of(self, frame: int) -> slice:
        """The rows of one frame."""
        first, behind = np.searchsorted(self.frames, (frame, frame + 1)).tolist()
        return slice(first, behind)

    @property
    def sides(self) -> NDArray[np.float64]:
        """(N,) square roots of the areas, px."""
        return np.sqrt(np.prod(self.boxes[:, 2:] - self.boxes[:, :2], axis=1))


def read_frame_boxes(path: Path, frames: Frames, class_names: tuple[str, ...] = ()) -> FrameBoxes:
    """Boxes of frames from a file.

    Args:
        path: COCO json, whole or a list of results, or MOT text.
        frames: by whose names COCO's pictures are found.
        class_names: of MOT text, which has numbers from 1; `object` where it has none either.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is no such file, or tells of none of these frames.
    """
    if path.suffix.lower() == ".json":
        return _of_coco(path, frames)
    return _of_mot(path, class_names)


def _of_mot(path: Path, class_names: tuple[str, ...]) -> FrameBoxes:
    rows: list[list[float]] = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        words = line.replace(",", " ").split()
        if not words or words[0].startswith("#"):
            continue
        try:
            row = [float(word) for word in words[:MOST_COLUMNS]]
        except ValueError:
            row = []
        if len(row) < LEAST_COLUMNS or not all(map(math.isfinite, row[:LEAST_COLUMNS])):
            raise ValueError(f"{path}: line {number} is not MOT text ({EXAMPLE}): {line[:80]!r}")
        if row[0] < 1 or row[0] % 1:
            raise ValueError(f"{path}: line {number}: frames are counted from 1, not {words[0]}")
        if min(row[4:6]) < 0:
            raise ValueError(f"{path}: line {number}: the box has a negative side: {line[:80]!r}")
        rows.append(row + [1.0] * (8 - len(row)) if len(row) < 8 else row[:8])
    table = np.array(rows, dtype=np.float64).reshape(-1, 8)
    table = table[np.argsort(table[:, 0], kind="stable")]
    labels = np.maximum(table[:, 7].astype(np.int64) - 1, 0)
    num = max(len(class_names), int(labels.max(initial=0)) + 1)
    spare = [f"class {number}" if num > 1 else "object" for number in range(1, num + 1)]
    names = (*class_names, *spare[len(class_names) :])
    return FrameBoxes(
        table[:, 0].astype(np.int64),
        table[:, 1].astype(np.int64),
        np.concatenate([table[:, 2:4], table[:, 2:4] + table[:, 4:6]], axis=1),
        table[:, 6],
        labels,
        names,
        table[:, 6] == 0,
    )


def _of_coco(path: Path, frames: Frames) -> FrameBoxes:
    content = load_json(path)
    try:
        if isinstance(content, list):
            return _of_results(path, content, frames)
        names = {one["id"]: str(one["file_name"]) for one in content["images"]}
        classes = {one["id"]: str(one["name"]) for one in content["categories"]}
        entries: list[dict[str, Any]] = content["annotations"]
        numbers = {key: frames.number_of(name) for key, name in names.items()}
        if names and not any(numbers.values()):
            raise ValueError(
                f"{path}: none of its pictures, such as {next(iter(names.values()))}, is a frame "
                f"of {frames.name}"
            )
        place = {key: label for label, key in enumerate(classes)}
        kept = [one for one in entries if numbers.get(one["image_id"])]
        read = _of_entries(
            kept,
            [numbers[one["image_id"]] or 0 for one in kept],
            [place[one["category_id"]] for one in kept],
            tuple(classes.values()),
        )
        return replace(read, told_of=frozenset(filter(None, numbers.values())))
    except (KeyError, TypeError, IndexError) as error:
        raise ValueError(
            f"{path}: must be COCO json of boxes: images with id and file_name, categories with id "
            f"and name, annotations with image_id, category_id and bbox ({error!r})"
        ) from error


def _of_results(path: Path, entries: list[dict[str, Any]], frames: Frames) -> FrameBoxes:
    """A bare list names frames by their numbers or names, and classes by numbers from 1."""
    numbers: list[int] = []
    kept: list[dict[str, Any]] = []
    for entry in entries:
        name = entry["image_id"]
        number = name if isinstance(name, int) else frames.number_of(str(name))
        if number is not None:
            numbers.append(number)
            kept.append(entry)
    if entries and not kept:
        named = entries[0]["image_id"]
        raise ValueError(f"{path}: none of its pictures, such as {named}, is of {frames.name}")
    labels = [max(int(one["category_id"]) - 1, 0) for one in kept]
    names = tuple(f"class {number}" for number in range(1, max(labels, default=0) + 2))
    return _of_entries(kept, numbers, labels, names)


def _of_entries(
    entries: list[dict[str, Any]],
    numbers: list[int],
    labels: list[int],
    class_names: tuple[str, ...],
) -> FrameBoxes:
    order = np.argsort(np.array(numbers, dtype=np.int64), kind="stable")
    boxes = np.array([one["bbox"][:4] for one in entries], dtype=np.float64).reshape(-1, 4)
    boxes[:, 2:] += boxes[:, :2]
    ids = [int(one.get("track_id", NO_TRACK)) for one in entries]
    crowds = [bool(one.get("iscrowd") or one.get("ignore")) for one in entries]
    return FrameBoxes(
        np.array(numbers, dtype=np.int64)[order],
        np.array(ids, dtype=np.int64)[order],
        boxes[order],
        np.array([float(one.get("score", 1.0)) for one in entries], dtype=np.float64)[order],
        np.array(labels, dtype=np.int64)[order],
        class_names,
        np.array(crowds, dtype=np.bool_)[order],
    )
