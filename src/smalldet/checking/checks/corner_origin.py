"""Doubt about where corners are counted from, by where boxes end at the pictures' borders.

A labelled object that is cut by the border ends on it. Corners from 0 pile up at 0 and at the
width; pixels counted from 1 pile up at 1 and at the width, and never lie at 0; pixels counted from
0, the last one included, pile up at 0 and at the width less 1, and never lie at the width.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from smalldet.checking.findings import Finding, Severity, counted
from smalldet.checking.labelled_set import LabelledSet

MIN_SHARE_WHOLE = 0.95
MIN_PILE = 5
TIMES_NEIGHBOURS = 3.0


def find(labelled: LabelledSet) -> Iterator[Finding]:
    """Piles of corners one pixel inside the border, where none is on it."""
    objects = labelled.objects
    whole = (objects.boxes == objects.boxes.round()).all(axis=1)
    if not len(objects) or whole.mean() < MIN_SHARE_WHOLE:
        return
    low = objects.boxes[:, :2]
    high = objects.frames - objects.boxes[:, 2:]
    on_low, on_high = _at(low, 0), _at(high, 0)
    if not on_low and _is_pile(low) and on_high:
        rows = np.flatnonzero((low == 1).any(axis=1))
        yield Finding(
            Severity.WARNING,
            len(rows),
            f"{counted(len(rows), 'box', 'boxes')} begin one pixel inside the border and none on "
            "it: the labels seem to count pixels from 1, and boxes lie a pixel too far right and "
            "down",
            "subtract 1 from the first corners; of Pascal VOC see --first-pixel",
            labelled.examples(rows),
        )
    if not on_high and _is_pile(high) and on_low:
        rows = np.flatnonzero((high == 1).any(axis=1))
        yield Finding(
            Severity.WARNING,
            len(rows),
            f"{counted(len(rows), 'box', 'boxes')} end one pixel inside the border and none on "
            "it: the labels seem to name the last pixel, and boxes are a pixel too small",
            "add 1 to the second corners",
            labelled.examples(rows),
        )


def _at(distances: NDArray[np.float64], px: int) -> int:
    return int((distances == px).sum())


def _is_pile(distances: NDArray[np.float64]) -> bool:
    """Whether far more corners lie 1 px inside than at each of the next distances."""
    beyond = np.mean([_at(distances, px) for px in (2, 3, 4, 5)])
    return _at(distances, 1) >= max(MIN_PILE, TIMES_NEIGHBOURS * float(beyond))
