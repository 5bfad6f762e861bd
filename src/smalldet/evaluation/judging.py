"""Detections as hits, false alarms and neither, and average precision made of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from smalldet.evaluation.assignment import Preferences, assign

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


def average_precision_101(
    hits: NDArray[np.bool_], counted: NDArray[np.bool_], num_objects: int
) -> float:
    """COCO's: mean of the best precision at 101 points of recall; NaN without objects."""
    if not num_objects:
        return float("nan")
    recall, precision = precision_at_recall(hits, counted, num_objects)
    return float(np.append(precision, 0.0)[np.searchsorted(recall, RECALL_POINTS)].mean())


def class_table(
    verdicts: Verdicts,
    labels: NDArray[np.int64],
    scores: NDArray[np.float64],
    num_objects: NDArray[np.int64],
) -> NDArray[np.float64]:
    """(num classes,) average precision at 101 points; NaN where there is no object.

    Args:
        verdicts: of all detections.
        labels: (D,) of the detections.
        scores: (D,).
        num_objects: (num classes,) that count.
    """
    order = by_strength(scores)
    order = order[np.argsort(labels[order], kind="stable")]
    borders = np.searchsorted(labels[order], np.arange(len(num_objects) + 1))
    hits = verdicts.hit[order]
    counted = hits | verdicts.false_alarm[order]
    return np.array(
        [
            average_precision_101(hits[low:high], counted[low:high], num)
            for low, high, num in zip(borders[:-1], borders[1:], num_objects.tolist(), strict=True)
        ],
        dtype=np.float64,
    )
