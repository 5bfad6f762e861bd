"""What kind of mistake each false alarm and each miss is.

Source: Bolya et al. 2020 (TIDE), arXiv 2008.08115, section 2.2.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

from smalldet.columns import column
from smalldet.evaluation.matching import Matches, match_boxes
from smalldet.evaluation.rows import Rows
from smalldet.geometry.overlaps import iou
from smalldet.geometry.pairs import alike_pairs

if TYPE_CHECKING:
    from smalldet.evaluation.comparison import Comparison

ERROR_KINDS = ("classification", "localisation", "both", "duplicate", "background", "missed")
CLASSIFICATION, LOCALISATION, BOTH, DUPLICATE, BACKGROUND, MISSED = range(len(ERROR_KINDS))

FOREGROUND_IOU = 0.5
BACKGROUND_IOU = 0.1


@dataclass(frozen=True, eq=False)
class Errors:
    """False alarms in the order of the detections, then misses in the order of the objects.

    Args:
        pictures: (N,) int64, position of the picture in the Index.
        labels: (N,) int64, of the detection; of the object where it is missed.
        boxes: (N, 4) float64 xyxy pixels, of the detection; of the object where it is missed.
        scores: (N,) float64; 0 where an object is missed.
        kinds: (N,) int8, positions in `ERROR_KINDS`.
        objects: (N,) int64, row of the object that the mistake is about; -1 on background.
        detections: (N,) int64, row of the detection; -1 where an object is missed.
    """

    pictures: NDArray[np.int64] = field(metadata=column())
    labels: NDArray[np.int64] = field(metadata=column())
    boxes: NDArray[np.float64] = field(metadata=column())
    scores: NDArray[np.float64] = field(metadata=column())
    kinds: NDArray[np.int8] = field(metadata=column())
    objects: NDArray[np.int64] = field(metadata=column())
    detections: NDArray[np.int64] = field(metadata=column())

    def __len__(self) -> int:
        return len(self.kinds)


def find_errors(comparison: Comparison, conf: float | None = None) -> Errors:
    """Every mistake of the detections from a score on; rows point into those of the comparison.

    Args:
        comparison: truth and detections.
        conf: least score; the comparison's own if None.
    """
    conf = comparison.conf if conf is None else conf
    rows = np.flatnonzero(comparison.detections.is_at_least(conf))
    if conf == comparison.conf:
        matches = comparison.at_conf
    else:
        counted = comparison.detections.at_least(conf)
        matches = match_boxes(comparison.index, comparison.objects, counted)
    errors = errors_of(matches)
    found = errors.detections >= 0
    detections = errors.detections.copy()
    detections[found] = rows[detections[found]]
    return replace(errors, detections=detections)


def errors_of(matches: Matches) -> Errors:
    """Every mistake; rows point into those of the matches.

    With the highest IoU that a false alarm has with an object of its class, and with one of
    another class, it is the first of these that holds:

    - localisation: 0.1 <= IoU < 0.5 in its class;
    - classification: IoU >= 0.5 in another class;
    - duplicate: IoU >= 0.5 in its class, where a stronger detection has met the object;
    - both: IoU >= 0.1 in another class;
    - background: anything else.

    An object that no detection meets is missed, unless a mistake of class or place is about it: to
    mend that one would find it.
    """
    truth, alarms = matches.truth, np.flatnonzero(matches.false_alarm)
    false = matches.detections[matches.false_alarm]
    (own_iou, own), (other_iou, other) = _nearest(truth, false)
    tests = [
        (own_iou >= BACKGROUND_IOU) & (own_iou < FOREGROUND_IOU),
        other_iou >= FOREGROUND_IOU,
        own_iou >= FOREGROUND_IOU,
        other_iou >= BACKGROUND_IOU,
    ]
    kinds = np.select(tests, [LOCALISATION, CLASSIFICATION, DUPLICATE, BOTH], BACKGROUND)
    about = np.select(tests, [own, other, own, other], -1)
    missed = matches.missed.copy()
    missed[about[(kinds == LOCALISATION) | (kinds == CLASSIFICATION)]] = False
    misses = np.flatnonzero(missed)
    lost = truth[missed]
    return Errors(
        np.concatenate([false.pictures, lost.pictures]),
        np.concatenate([false.labels, lost.labels]),
        np.concatenate([false.boxes, lost.boxes]),
        np.concatenate([false.scores, np.zeros(len(misses))]),
        np.concatenate([kinds, np.full(len(misses), MISSED)]).astype(np.int8),
        np.concatenate([about, misses]),
        np.concatenate([alarms, np.full(len(misses), -1)]),
    )


Nearest = tuple[NDArray[np.float64], NDArray[np.int64]]
"""(D,) the highest IoU of each detection and (D,) the row of that object; 0 and -1 for none."""


def overlapping(
    truth: Rows, detections: Rows, least_iou: float
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """Pairs of an object and a detection of one picture, of any classes, ignore regions left out.

    Returns:
        (P,) rows of `truth`, (P,) rows of `detections`, (P,) their IoU, at least `least_iou`.
    """
    objects = np.flatnonzero(~truth.ignore)
    num = len(objects)
    boxes = torch.from_numpy(np.concatenate([truth.boxes[objects], detections.boxes]))
    pictures = np.concatenate([truth.pictures[objects], detections.pictures])
    side = torch.arange(len(boxes)) >= num  # objects on one, detections on the other
    first, second = alike_pairs(boxes, least_iou, torch.from_numpy(pictures), side.long())
    overlap = iou(boxes[first], boxes[second]).numpy()
    kept = overlap >= least_iou
    return objects[first.numpy()[kept]], second.numpy()[kept] - num, overlap[kept]


def _nearest(truth: Rows, detections: Rows) -> tuple[Nearest, Nearest]:
    """The nearest object of each detection in its own class, and in another."""
    objects, rows, overlap = overlapping(truth, detections, BACKGROUND_IOU)
    # The last of several assignments to a place stays: the highest IoU, of equals the first object.
    order = np.lexsort((-objects, overlap))
    objects, rows, overlap = objects[order], rows[order], overlap[order]
    same = truth.labels[objects] == detections.labels[rows]
    found: list[Nearest] = []
    for of_group in (same, ~same):
        best, which = np.zeros(len(detections)), np.full(len(detections), -1)
        best[rows[of_group]] = overlap[of_group]
        which[rows[of_group]] = objects[of_group]
        found.append((best, which))
    return found[0], found[1]
