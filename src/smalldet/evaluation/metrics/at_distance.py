"""Objects that are labelled by points: precision, recall and F1 within a distance of centres."""

from __future__ import annotations

import numpy as np
from hotcoco.primitives import lsap
from numpy.typing import NDArray

from smalldet.evaluation.assignment import Preferences
from smalldet.evaluation.candidates import Candidates, by_centre
from smalldet.evaluation.comparison import Comparison
from smalldet.evaluation.judging import by_strength, judge, last_of_equals


def measure_at_distance(
    comparison: Comparison, classes: NDArray[np.int64]
) -> dict[str, float | None]:
    """Of the detections from `conf` on, strongest first, each on the nearest point that is left;
    the best F1 at any confidence; and F1 of the most pairs that there can be.

    Nothing where no distance was asked for.
    """
    reach_px = comparison.reach_px
    if reach_px is None:
        return {}
    objects, detections = comparison.objects, comparison.detections
    objects = objects[np.isin(objects.labels, classes)]
    detections = detections[np.isin(detections.labels, classes)]
    pairs = by_centre(objects, detections, reach_px[objects.pictures])
    preferences = Preferences.of(pairs, objects.ignore, objects.ignore, len(detections))
    verdicts = judge(preferences, 0.5)
    num_objects = int((~objects.ignore).sum())
    order = by_strength(detections.scores)
    order = order[verdicts.hit[order] | verdicts.false_alarm[order]]
    hits = verdicts.hit[order].cumsum()
    f1 = 2 * hits / (np.arange(1, len(hits) + 1) + num_objects)
    counts = detections.is_at_least(comparison.conf)
    num_found = int(counts[order].sum())
    num_hits = int(hits[num_found - 1]) if num_found else 0
    ends = last_of_equals(detections.scores[order])
    best = int(ends[f1[ends].argmax()]) if len(f1) and hits[-1] else None
    strong = pairs[counts[pairs.detections] & ~objects.ignore[pairs.objects]]
    most = _most_pairs(strong, detections.pictures, detections.labels)
    return {
        "precision_at_distance": num_hits / num_found if num_found else None,
        "recall_at_distance": num_hits / num_objects if num_objects else None,
        "F1_at_distance": _f1(num_hits, num_found, num_objects),
        "F1_at_distance_optimal": _f1(most, num_found, num_objects),
        "best_F1_at_distance": None if best is None else float(f1[best]),
        "best_conf_at_distance": None if best is None else float(detections.scores[order[best]]),
    }


def _f1(num_hits: int, num_found: int, num_objects: int) -> float | None:
    return 2 * num_hits / (num_found + num_objects) if num_objects else None


def _most_pairs(pairs: Candidates, pictures: NDArray[np.int64], labels: NDArray[np.int64]) -> int:
    """How many objects can have a detection of their own at most."""
    num = 0
    cell = pictures[pairs.detections] * (labels.max(initial=0) + 1) + labels[pairs.detections]
    order = np.argsort(cell, kind="stable")
    for rows in np.split(order, np.flatnonzero(np.diff(cell[order])) + 1):
        found, row = np.unique(pairs.detections[rows], return_inverse=True)
        objects, place = np.unique(pairs.objects[rows], return_inverse=True)
        if len(rows):
            within = np.zeros((len(found), len(objects)))
            within[row, place] = 1
            num += int(within[lsap(within, maximize=True)].sum())
    return num
