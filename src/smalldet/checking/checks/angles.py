"""Doubt about the angles of oriented boxes, by the upright boxes that stand beside them.

A file's own upright boxes refute angles in degrees, and those of the other side. Of boxes that turn
the other way they tell nothing, as both have the same upright box: see `angle_edges`.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray

from smalldet.checking.findings import MAX_EXAMPLES, Example, Finding, Severity, counted, share
from smalldet.checking.labelled_set import LabelledSet
from smalldet.data.formats.corners import telling
from smalldet.geometry.oriented import enclosing_boxes

MIN_OBJECTS = 10
LOW_IOU = 0.8
QUARTER_TURN = np.array([0, 0, 0, 0, np.pi / 2])


def find(labelled: LabelledSet) -> Iterator[Finding]:
    """Oriented boxes that none turns, or that do not fit their upright ones."""
    objects = labelled.objects
    if objects.rboxes is None or not len(objects):
        return
    rboxes, num = objects.rboxes, len(objects)
    slant = np.abs(np.sin(2 * rboxes[:, 4]))
    if num >= MIN_OBJECTS and (slant < 1e-3).all():
        yield Finding(
            Severity.NOTE,
            num,
            f"{counted(num, 'oriented box', 'oriented boxes')} stand upright, all of them",
            "look whether the angles were lost; if objects do not turn, a detector of upright "
            "boxes is enough",
        )
    inside = (objects.boxes[:, :2] > 0) & (objects.boxes[:, 2:] < objects.frames)
    rows = np.flatnonzero(telling(rboxes) & inside.all(axis=1))  # none that the border cuts
    if len(rows) < MIN_OBJECTS:
        return
    fit = _fit(rboxes[rows], objects.boxes[rows])
    if np.median(fit) >= LOW_IOU:
        return
    turned = np.median(_fit(rboxes[rows] + QUARTER_TURN, objects.boxes[rows])) >= LOW_IOU
    why = "be those of the other side" if turned else "have another unit, such as degrees"
    wrong = rows[fit < LOW_IOU]
    yield Finding(
        Severity.WARNING,
        len(wrong),
        f"{len(wrong):,} of {counted(num, 'oriented box', 'oriented boxes')} "
        f"({share(len(wrong), num)}) do not fit their upright boxes: the angles seem to {why}",
        "angles are radians, clockwise on the screen, of the side w; corners say it without doubt",
        tuple(_example(labelled, row) for row in wrong[:MAX_EXAMPLES].tolist()),
    )


def _example(labelled: LabelledSet, row: int) -> Example:
    """An object by both its boxes."""
    objects = labelled.objects
    picture = labelled.records[objects.pictures[row]].path
    _, rboxes = labelled.marks(np.array([row]))
    x1, y1, x2, y2 = objects.boxes[row].tolist()
    return Example(picture, ((x1, y1, x2, y2),), "upright and oriented box", rboxes=rboxes)


def _fit(rboxes: NDArray[np.float64], boxes: NDArray[np.float64]) -> NDArray[np.float64]:
    """IoU of upright boxes with those round the oriented ones, where both lie."""
    round_them = enclosing_boxes(torch.from_numpy(rboxes)).numpy()
    low = np.maximum(round_them[:, :2], boxes[:, :2])
    high = np.minimum(round_them[:, 2:], boxes[:, 2:])
    shared = np.maximum(high - low, 0).prod(axis=1)
    areas = [np.maximum(one[:, 2:] - one[:, :2], 0).prod(axis=1) for one in (round_them, boxes)]
    return shared / np.maximum(areas[0] + areas[1] - shared, 1e-9)
