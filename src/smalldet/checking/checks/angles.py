"""Doubt about the angles of oriented boxes, by the upright boxes that stand beside them."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray

from smalldet.checking.findings import Example, Finding, Severity, counted, share
from smalldet.checking.labelled_set import LabelledSet
from smalldet.geometry.oriented import enclosing_boxes

MIN_OBJECTS = 10
MIN_RATIO = 1.5
MIN_SLANT = 0.3
LOW_IOU = 0.8


def find(labelled: LabelledSet) -> Iterator[Finding]:
    """Oriented boxes that none turns, or that do not fit their upright ones."""
    records = [record for record in labelled.records if record.rboxes is not None]
    parts = [record.rboxes[~record.ignore] for record in records if record.rboxes is not None]
    if not parts or not sum(map(len, parts)):
        return
    rboxes = np.concatenate(parts).astype(np.float64)
    boxes = np.concatenate([r.boxes[~r.ignore] for r in records]).astype(np.float64)
    pictures = np.repeat(np.arange(len(records)), [len(part) for part in parts])
    slant = np.abs(np.sin(2 * rboxes[:, 4]))
    if len(rboxes) >= MIN_OBJECTS and (slant < 1e-3).all():
        yield Finding(
            Severity.NOTE,
            len(rboxes),
            f"{counted(len(rboxes), 'oriented box', 'oriented boxes')} stand upright, all of them",
            "look whether the angles were lost; if objects do not turn, a detector of upright "
            "boxes is enough",
        )
    telling = (slant > MIN_SLANT) & (rboxes[:, 2] > MIN_RATIO * rboxes[:, 3])
    if telling.sum() < MIN_OBJECTS:
        return
    fit = _fit(rboxes, boxes)[telling]
    if np.median(fit) >= LOW_IOU:
        return
    mirrored = _fit(rboxes * (1, 1, 1, 1, -1), boxes)[telling]
    why = (
        "they seem to turn the other way"
        if np.median(mirrored) > max(LOW_IOU, float(np.median(fit)))
        else "their unit or direction seems to be another"
    )
    rows = np.flatnonzero(telling)[fit < LOW_IOU]
    yield Finding(
        Severity.WARNING,
        len(rows),
        f"{len(rows):,} of {counted(len(rboxes), 'oriented box', 'oriented boxes')} "
        f"({share(len(rows), len(rboxes))}) do not fit their upright boxes: {why}",
        "angles are radians, clockwise on the screen, of the side w; corners say it without doubt",
        tuple(
            Example(records[pictures[row]].path, (tuple(boxes[row].tolist()),), "upright box")
            for row in rows[:100].tolist()
        ),
    )


def _fit(rboxes: NDArray[np.float64], boxes: NDArray[np.float64]) -> NDArray[np.float64]:
    """IoU of upright boxes with those round the oriented ones, where both lie."""
    round_them = enclosing_boxes(torch.from_numpy(rboxes)).numpy()
    low = np.maximum(round_them[:, :2], boxes[:, :2])
    high = np.minimum(round_them[:, 2:], boxes[:, 2:])
    shared = np.maximum(high - low, 0).prod(axis=1)
    areas = [np.maximum(one[:, 2:] - one[:, :2], 0).prod(axis=1) for one in (round_them, boxes)]
    return shared / np.maximum(areas[0] + areas[1] - shared, 1e-9)
