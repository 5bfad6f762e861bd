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
UNUSUAL_TIMES = 5.0
MIN_OF_CLASS = 5
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
        f"smaller than {TINIEST_PX:g} px",
        "delete what nobody can see, or label at the full resolution",
    )
    ratio = sides.max(axis=1) / sides.min(axis=1)
    yield from _told(
        labelled,
        (ratio > THINNEST) & (sides.min(axis=1) < TINIEST_PX),
        -ratio,
        f"thin as a line: {THINNEST:g} times as long as wide, and under {TINIEST_PX:g} px wide",
        "look whether they are the rest of something that was cut",
    )
    part = sides.prod(axis=1) / objects.frames.prod(axis=1)
    yield from _told(
        labelled,
        part > WHOLE_FRAC,
        -part,
        f"covering more than {100 * WHOLE_FRAC:.0f} % of their picture",
        "look whether they are labels of the whole picture; tiles show only parts of them",
    )
    times = _times_usual(labelled)
    unusual = (times > UNUSUAL_TIMES) | (times < 1 / UNUSUAL_TIMES)
    yield from _told(
        labelled,
        unusual,
        -np.abs(np.log(times)),
        f"over {UNUSUAL_TIMES:g} times or under a {UNUSUAL_TIMES:g}th of the usual size of the "
        "class in that picture",
        "look whether they are of another class, or several objects in one box",
        Severity.NOTE,
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


def _times_usual(labelled: LabelledSet) -> NDArray[np.float64]:
    """(N,) sizes over the median of the class in the same picture; 1 where too few are there."""
    objects = labelled.objects
    times = np.ones(len(objects))
    group = objects.pictures * len(labelled.class_names) + objects.labels
    order = np.argsort(group, kind="stable")
    starts = np.flatnonzero(np.diff(group[order], prepend=-1))
    for rows in np.split(order, starts[1:]):
        if len(rows) >= MIN_OF_CLASS:
            times[rows] = objects.sizes_px[rows] / np.median(objects.sizes_px[rows])
    return np.maximum(times, 1e-6)


def _told(
    labelled: LabelledSet,
    which: NDArray[np.bool_],
    rank: NDArray[np.float64],
    text: str,
    todo: str,
    severity: Severity = Severity.WARNING,
) -> Iterator[Finding]:
    rows = np.flatnonzero(which)
    if len(rows):
        rows = rows[np.argsort(rank[rows], kind="stable")]
        yield Finding(
            severity,
            len(rows),
            f"{counted(len(rows), 'object')} of {len(labelled.objects):,} {text}",
            todo,
            labelled.examples(rows),
        )
