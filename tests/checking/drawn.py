"""Labelled sets that tests of checks make in memory."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from smalldet.checking.labelled_set import WHOLE, LabelledSet
from smalldet.checking.table import CHECKS
from smalldet.data.index import ImageRecord, Index

Box = Sequence[float]


def record(
    name: str,
    boxes: Sequence[Box] = (),
    labels: Sequence[int] | None = None,
    *,
    side: int = 100,
    rboxes: Sequence[Sequence[float]] | None = None,
    gsd_m: float | None = None,
    ignore: Sequence[bool] | None = None,
) -> ImageRecord:
    """A square picture with objects; all of class 0 where no labels are given."""
    num = len(boxes)
    return ImageRecord(
        path=Path(name),
        width=side,
        height=side,
        boxes=np.array(boxes, dtype=np.float32).reshape(-1, 4),
        labels=np.array([0] * num if labels is None else labels, dtype=np.int64),
        ignore=np.array([False] * num if ignore is None else ignore, dtype=bool),
        difficult=np.zeros(num, dtype=bool),
        image_id=1,
        rboxes=None if rboxes is None else np.array(rboxes, dtype=np.float32),
        gsd_m=gsd_m,
    )


def whole(*records: ImageRecord, classes: Sequence[str] = ("car",)) -> LabelledSet:
    """A set in one piece."""
    return LabelledSet({WHOLE: Index(tuple(classes), records)})


def told(name: str, labelled: LabelledSet) -> list[str]:
    """`severity: text` of everything that the check of a name finds."""
    check = next(one for one in CHECKS if one.name == name)
    return [f"{one.severity.value}: {one.text}" for one in check.find(labelled)]
