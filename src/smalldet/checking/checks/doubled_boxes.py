"""Objects that are labelled twice."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray

from smalldet.checking.findings import MAX_EXAMPLES, Finding, Severity, counted
from smalldet.checking.labelled_set import LabelledSet
from smalldet.geometry.pairs import intersecting_pairs
from smalldet.geometry.rotated import rotated_iou

SAME_IOU = 0.9
"""Over this two boxes are of one object."""
CLOSE_IOU = 0.5
"""Over this they may be."""
INSIDE_FRAC = 0.9
"""A box of which this part lies in another one is inside it."""

Rows = NDArray[np.int64]


def find(labelled: LabelledSet) -> Iterator[Finding]:
    """Pairs of boxes of a picture that lie on each other."""
    first, second, iou, inside = _pairs(labelled)
    same_class = labelled.objects.labels[first] == labelled.objects.labels[second]
    doubled = iou > SAME_IOU
    yield from _told(
        labelled,
        first,
        second,
        doubled & same_class,
        Severity.WARNING,
        "labelled twice with the same class",
        "delete one of each pair",
    )
    yield from _told(
        labelled,
        first,
        second,
        doubled & ~same_class,
        Severity.NOTE,
        "labelled with two classes",
        "look which class is right, if not both are",
    )
    yield from _told(
        labelled,
        first,
        second,
        same_class & (iou > CLOSE_IOU) & ~doubled,
        Severity.NOTE,
        "over another of the same class by more than half",
        "look whether they are labelled twice",
    )
    yield from _told(
        labelled,
        first,
        second,
        same_class & (inside > INSIDE_FRAC) & (iou <= CLOSE_IOU),
        Severity.NOTE,
        "inside a larger box of the same class",
        "look whether a part is labelled beside the whole",
    )


def _pairs(labelled: LabelledSet) -> tuple[Rows, Rows, NDArray[np.float64], NDArray[np.float64]]:
    """Rows of the pairs that meet, their IoU, and the part of the smaller one that is shared.

    Of oriented boxes it is theirs: upright boxes round objects that stand aslant lie on each other
    by right.
    """
    objects = labelled.objects
    boxes = objects.boxes
    a, b = intersecting_pairs(torch.from_numpy(boxes), torch.from_numpy(objects.pictures))
    first, second = a.numpy(), b.numpy()
    order = np.lexsort((second, first))
    first, second = first[order], second[order]
    if objects.rboxes is not None:
        areas = objects.rboxes[:, 2:4].prod(axis=1)
        one, other = (torch.from_numpy(objects.rboxes[rows]) for rows in (first, second))
        iou = rotated_iou(one, other).numpy()
        shared = iou / (1 + iou) * (areas[first] + areas[second])
    else:
        areas = objects.sides.prod(axis=1)
        low = np.maximum(boxes[first, :2], boxes[second, :2])
        high = np.minimum(boxes[first, 2:], boxes[second, 2:])
        shared = (high - low).prod(axis=1)
        iou = shared / (areas[first] + areas[second] - shared)
    return first, second, iou, shared / np.minimum(areas[first], areas[second])


def _told(
    labelled: LabelledSet,
    first: Rows,
    second: Rows,
    which: NDArray[np.bool_],
    severity: Severity,
    text: str,
    todo: str,
) -> Iterator[Finding]:
    num = len(np.unique(second[which]))
    if not num:
        return
    pairs = zip(first[which].tolist(), second[which].tolist(), strict=True)
    examples = [
        labelled.example(
            np.array([a, b]), f"{labelled.class_and_size(a)}; {labelled.class_and_size(b)}"
        )
        for a, b in list(pairs)[:MAX_EXAMPLES]
    ]
    total = len(labelled.objects)
    text = f"{counted(num, 'object')} of {total:,} {text}"
    yield Finding(severity, num, text, todo, tuple(examples))
