"""A labelled set as the checks see it: its splits, its objects in columns, what its files show."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from smalldet.checking.findings import MAX_EXAMPLES, Box, Example, RBox
from smalldet.checking.looking import Look
from smalldet.class_names import class_key
from smalldet.data.formats.object_columns import upright
from smalldet.data.index import ImageRecord, Index

WHOLE = "all"
"""The name of a set in one piece."""


@dataclass(frozen=True)
class ReaderMessage:
    """What a reader of labels said.

    Attributes:
        split: of which split.
        text: its words.
        fatal: it read nothing.
        count: objects or pictures that it is about.
        clipped: it is about boxes that left their pictures.
    """

    split: str
    text: str
    fatal: bool = False
    count: int = 1
    clipped: bool = False


@dataclass(frozen=True, eq=False)
class Objects:
    """N objects that are no ignore regions.

    Args:
        pictures: (N,) int64, rows of `LabelledSet.records`.
        boxes: (N, 4) float64 xyxy pixels.
        labels: (N,) int64, places in `LabelledSet.class_names`.
        frames: (N, 2) float64 width and height of each object's picture.
        gsd_m: (N,) float64 metres a pixel, NaN where unknown.
        rboxes: (N, 5) float64 oriented boxes, upright ones of pictures without; None where no
            picture has any.
    """

    pictures: NDArray[np.int64]
    boxes: NDArray[np.float64]
    labels: NDArray[np.int64]
    frames: NDArray[np.float64]
    gsd_m: NDArray[np.float64]
    rboxes: NDArray[np.float64] | None = None

    def __len__(self) -> int:
        return len(self.pictures)

    @cached_property
    def sides(self) -> NDArray[np.float64]:
        """(N, 2) widths and heights in pixels."""
        return self.boxes[:, 2:] - self.boxes[:, :2]

    @cached_property
    def sizes_px(self) -> NDArray[np.float64]:
        """(N,) square roots of areas, to a hundredth of a pixel as evaluation counts them."""
        return np.sqrt(self.sides.round(2).prod(axis=1))


@dataclass(frozen=True, eq=False)
class LabelledSet:
    """What the checks look at.

    Args:
        splits: {name: pictures}; `WHOLE` where the set is in one piece.
        messages: what the readers said.
        looks: what each file shows; None where no picture has been read.
    """

    splits: Mapping[str, Index]
    messages: tuple[ReaderMessage, ...] = ()
    looks: Mapping[Path, Look] | None = None

    @cached_property
    def records(self) -> tuple[ImageRecord, ...]:
        """All pictures, split by split."""
        return tuple(record for index in self.splits.values() for record in index.records)

    @cached_property
    def split_of(self) -> tuple[str, ...]:
        """The split of each picture of `records`."""
        return tuple(name for name, index in self.splits.items() for _ in index.records)

    @cached_property
    def class_names(self) -> tuple[str, ...]:
        """The classes of all splits; those that are spelled alike stand once."""
        names: dict[str, str] = {}
        for index in self.splits.values():
            for name in index.class_names:
                names.setdefault(class_key(name), name)
        return tuple(names.values())

    @cached_property
    def objects(self) -> Objects:
        """All objects, in the order of `records`."""
        place = {class_key(name): label for label, name in enumerate(self.class_names)}
        labels: list[NDArray[np.int64]] = []
        for index in self.splits.values():
            own = np.array([place[class_key(name)] for name in index.class_names], dtype=np.int64)
            labels += [own[record.labels[~record.ignore]] for record in index.records]
        records = self.records
        counts = [len(part) for part in labels]
        rows = np.repeat(np.arange(len(records)), counts)
        frames = np.array([(r.width, r.height) for r in records], dtype=np.float64).reshape(-1, 2)
        gsd_m = np.array([self.gsd_of(record) or np.nan for record in records], dtype=np.float64)
        boxes = [np.zeros((0, 4)), *(record.boxes[~record.ignore] for record in records)]
        return Objects(
            pictures=rows.astype(np.int64),
            boxes=np.concatenate(boxes).astype(np.float64),
            labels=np.concatenate([np.zeros(0, dtype=np.int64), *labels]),
            frames=frames[rows],
            gsd_m=gsd_m[rows],
            rboxes=_rboxes(records) if any(r.rboxes is not None for r in records) else None,
        )

    def gsd_of(self, record: ImageRecord) -> float | None:
        """Metres a pixel, as the labels say or else the picture's georeference."""
        if record.gsd_m is not None or self.looks is None:
            return record.gsd_m
        return self.looks[record.path].gsd_m

    def named(self, split: str) -> str:
        """` in val`; nothing for a set in one piece."""
        return "" if split == WHOLE else f" in {split}"

    def examples(self, rows: NDArray[np.int64]) -> tuple[Example, ...]:
        """An example for each of the first objects, by rows of `objects`."""
        return tuple(
            self.example(np.array([row]), self.class_and_size(row))
            for row in rows[:MAX_EXAMPLES].tolist()
        )

    def example(self, rows: NDArray[np.int64], caption: str) -> Example:
        """Objects of one picture, by rows of `objects`."""
        boxes, rboxes = self.marks(rows)
        picture = self.records[self.objects.pictures[rows[0]]].path
        return Example(picture, boxes, caption, rboxes=rboxes)

    def marks(self, rows: NDArray[np.int64]) -> tuple[tuple[Box, ...], tuple[RBox, ...]]:
        """What to draw of objects: boxes, or oriented boxes in a set that has them."""
        if self.objects.rboxes is not None:
            return (), tuple(map(tuple, self.objects.rboxes[rows].tolist()))
        return tuple(map(tuple, self.objects.boxes[rows].tolist())), ()

    def class_and_size(self, row: int) -> str:
        """`car, 12 x 8 px`."""
        width, height = self.objects.sides[row].tolist()
        return f"{self.class_names[self.objects.labels[row]]}, {width:.4g} x {height:.4g} px"


def _rboxes(records: Sequence[ImageRecord]) -> NDArray[np.float64]:
    parts = [
        upright(one.boxes.astype(np.float64)) if one.rboxes is None else one.rboxes
        for one in records
    ]
    kept = [part[~one.ignore] for part, one in zip(parts, records, strict=True)]
    return np.concatenate(kept).astype(np.float64)
