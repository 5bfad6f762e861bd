"""Boxes whose size or shape is hardly an object's."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from smalldet.checking.findings import Finding, Severity, counted
from smalldet.checking.labelled_set import LabelledSet

TINIEST_PX = 2.0
THINNEST = 20.0
WHOLE_FRAC = 0.9
MIN_OBJECTS = 20


def find(labelled: LabelledSet) -> Iterator[Finding]:
    """Boxes of hardly a pixel, of the whole picture, thin as a line, or all alike."""
    objects = labelled.objects
    sides = objects.sides
    if not len(objects):
        return
    yield from _told(
        labelled,
        objects.sizes_px < TINIEST_PX,
        objects.sizes_px,
        f"are smaller than {TINIEST_PX:g} px",
        "delete what nobody can see, or label at the full resolution",
    )
    ratio = sides.max(axis=1) / sides.min(axis=1)
    yield from _told(
        labelled,
        (ratio > THINNEST) & (sides.min(axis=1) < TINIEST_PX),
        -ratio,
        f"are thin as a line: {THINNEST:g} times as long as wide, and under {TINIEST_PX:g} px wide",
        "look whether they are the rest of something that was cut",
    )
    part = sides.prod(axis=1) / objects.frames.prod(axis=1)
    yield from _told(
        labelled,
        part > WHOLE_FRAC,
        -part,
        f"cover more than {100 * WHOLE_FRAC:.0f} % of their picture",
        "look whether they are labels of the whole picture; tiles show only parts of them",
    )
    inner = ((objects.boxes[:, :2] > 0) & (objects.boxes[:, 2:] < objects.frames)).all(axis=1)
    if inner.sum() >= MIN_OBJECTS and np.ptp(sides[inner].round(2), axis=0).max() == 0:
        width, height = sides[inner][0].tolist()
        yield Finding(
            Severity.WARNING,
            int(inner.sum()),
            f"{counted(int(inner.sum()), 'box', 'boxes')} have the very same size, "
            f"{width:.4g} x {height:.4g} px",
            "if they stand for points, only the distance of centres means anything, and no IoU",
        )


def _told(
    labelled: LabelledSet,
    which: NDArray[np.bool_],
    rank: NDArray[np.float64],
    text: str,
    todo: str,
) -> Iterator[Finding]:
    rows = np.flatnonzero(which)
    if len(rows):
        rows = rows[np.argsort(rank[rows], kind="stable")]
        total = counted(len(labelled.objects), "object")
        yield Finding(
            Severity.WARNING,
            len(rows),
            f"{len(rows):,} of {total} {text}",
            todo,
            labelled.examples(rows),
        )
