"""Detections as hits, false alarms and neither, and average precision made of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from smalldet.evaluation.assignment import Preferences, assign
from smalldet.evaluation.rows import Rows

RECALL_POINTS = np.linspace(0, 1, 101)


@dataclass(frozen=True, eq=False)
class Verdicts:
    """What became of each detection at one threshold.

    Args:
        given: (D,) int64, row of the object or ignore region that each is on; -1 for none.
        hit: (D,) bool, on an object that counts.
        false_alarm: (D,) bool; a detection that is neither does not count.
    """

    given: NDArray[np.int64]
    hit: NDArray[np.bool_]
    false_alarm: NDArray[np.bool_]


def judge(
    preferences: Preferences, threshold: float, outside: NDArray[np.bool_] | None = None
) -> Verdicts:
    """Match, and say what each detection is.

    Args:
        preferences: of the detections.
        threshold: least likeness.
        outside: (D,) bool, detections that are no false alarms, being of another size.
    """
    given = assign(preferences, threshold)
    on_something = given >= 0
    hit = on_something.copy()
    hit[on_something] = ~preferences.ignored[given[on_something]]
    false_alarm = ~on_something if outside is None else ~on_something & ~outside
    return Verdicts(given, hit, false_alarm)


def by_strength(scores: NDArray[np.float64]) -> NDArray[np.int64]:
    """Rows by falling score, equal ones in their order, as COCO has them."""
    return np.argsort(-scores, kind="stable")


def last_of_equals(scores: NDArray[np.float64]) -> NDArray[np.int64]:
    """Rows, of scores that fall, behind which a confidence can cut: not between equal ones."""
    return np.flatnonzero(np.append(np.diff(scores) != 0, True)[: len(scores)])


def precision_at_recall(
    hits: NDArray[np.bool_], counted: NDArray[np.bool_], num_objects: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Recall and the best precision from there on, after each detection that counts.

    Args:
        hits: (D,) strongest first.
        counted: (D,) hits and false alarms.
        num_objects: at least 1.

    Returns:
        recall and precision, (number counted,) each.
    """
    found = hits[counted].cumsum()
    precision = found / np.arange(1, len(found) + 1)
    return found / num_objects, np.maximum.accumulate(precision[::-1])[::-1]


AveragePrecision = Callable[[NDArray[np.bool_], NDArray[np.bool_], int], float]
"""(hits, hits and false alarms, strongest first; number of objects) to average precision."""


def at_101_points(hits: NDArray[np.bool_], counted: NDArray[np.bool_], num_objects: int) -> float:
    """COCO's: mean of the best precision at 101 points of recall."""
    recall, precision = precision_at_recall(hits, counted, num_objects)
    return float(np.append(precision, 0.0)[np.searchsorted(recall, RECALL_POINTS)].mean())


def at_11_points(hits: NDArray[np.bool_], counted: NDArray[np.bool_], num_objects: int) -> float:
    """VOC's until 2009: mean of the best precision at 11 points of recall."""
    recall, precision = precision_at_recall(hits, counted, num_objects)
    points = np.arange(11) * 0.1
    return float(np.append(precision, 0.0)[np.searchsorted(recall, points)].mean())


def under_the_curve(hits: NDArray[np.bool_], counted: NDArray[np.bool_], num_objects: int) -> float:
    """VOC's from 2010 on: the area under the best precision at each recall."""
    recall, precision = precision_at_recall(hits, counted, num_objects)
    return float((np.diff(recall, prepend=0.0) * precision).sum())


def class_table(
    verdicts: Verdicts, detections: Rows, num_objects: NDArray[np.int64], average: AveragePrecision
) -> NDArray[np.float64]:
    """(num classes,) average precision; NaN where there is no object.

    Args:
        verdicts: of all detections.
        detections: that they are of.
        num_objects: (num classes,) that count.
        average: how precision is averaged over recall.
    """
    table = np.full(len(num_objects), np.nan)
    for label, rows in rows_by_class(detections, len(num_objects)):
        if num_objects[label]:
            hits = verdicts.hit[rows]
            table[label] = average(hits, hits | verdicts.false_alarm[rows], int(num_objects[label]))
    return table


def rows_by_class(detections: Rows, num_classes: int) -> Iterator[tuple[int, NDArray[np.int64]]]:
    """Each class with its rows, strongest first."""
    order = by_strength(detections.scores)
    order = order[np.argsort(detections.labels[order], kind="stable")]
    borders = np.searchsorted(detections.labels[order], np.arange(num_classes + 1))
    for label in range(num_classes):
        yield label, order[borders[label] : borders[label + 1]]
