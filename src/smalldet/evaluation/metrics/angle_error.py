"""How far the angles of oriented boxes are off, where they are on an object."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from smalldet.evaluation.assignment import Preferences
from smalldet.evaluation.comparison import Comparison
from smalldet.evaluation.judging import judge
from smalldet.evaluation.metrics.by_class import ClassValues

IOU_THRESHOLD = 0.5
SQUARE_RATIO = 1.2
"""Of the sides, under which chance decides which one is the longer."""


def measure_angles(comparison: Comparison) -> ClassValues:
    """Mean error in degrees, 0 to 90, over all detections that are on an object at IoU 0.5.

    A rectangle is the same after half a turn. Where it, or the detection, is nearly a square, its
    angle is compared up to quarter turns, and the error is 0 to 45.
    """
    objects, detections = comparison.objects, comparison.detections
    preferences = Preferences.of(
        comparison.by_rboxes.pairs, objects.ignore, objects.ignore, len(detections)
    )
    verdicts = judge(preferences, IOU_THRESHOLD)
    hits = np.flatnonzero(verdicts.hit)
    errors = angle_errors(objects.oriented[verdicts.given[hits]], detections.oriented[hits])
    labels, num_classes = detections.labels[hits], len(comparison.index.class_names)
    num = np.bincount(labels, minlength=num_classes)
    total = np.bincount(labels, errors, minlength=num_classes)
    return {"OBB_angle_error_deg": np.where(num > 0, total / np.maximum(num, 1), np.nan)}


def angle_errors(first: NDArray[np.float64], second: NDArray[np.float64]) -> NDArray[np.float64]:
    """(N,) degrees between canonical oriented boxes (N, 5), up to turns that change nothing."""
    square = np.minimum(*(box[:, 2] / np.maximum(box[:, 3], 1e-9) for box in (first, second)))
    period = np.where(square < SQUARE_RATIO, 90.0, 180.0)
    apart = np.degrees(first[:, 4] - second[:, 4]) % period
    return np.minimum(apart, period - apart)
