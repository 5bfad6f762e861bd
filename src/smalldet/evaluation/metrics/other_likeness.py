"""Average precision where detections meet objects by another likeness than IoU.

A shift of a pixel takes more IoU from a small object than from a large one. Ignore regions take
half of a detection, as they do by IoU.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from smalldet.evaluation.assignment import IOU_THRESHOLDS, Preferences
from smalldet.evaluation.candidates import Candidates, by_centre, by_nwd
from smalldet.evaluation.comparison import Comparison
from smalldet.evaluation.judging import at_101_points, class_table, judge
from smalldet.evaluation.metrics.by_class import ClassValues

CENTRE_SHARE = 0.5
"""Of an object's side, the square root of its area: how far off a centre may lie."""


def measure_nwd(comparison: Comparison) -> ClassValues:
    """AP over normalised Wasserstein distances of 0.50 to 0.95 and at 0.50, C = 12.7 px.

    Source: Wang et al. 2021, arXiv 2110.13389.
    """
    preferences = _preferences(comparison, by_nwd(comparison.objects, comparison.detections))
    tables = [_table(comparison, preferences, threshold) for threshold in IOU_THRESHOLDS.tolist()]
    return {"NWD_AP": np.mean(tables, axis=0), "NWD_AP50": tables[0]}


def measure_centres(comparison: Comparison) -> ClassValues:
    """AP where a detection's centre lies within half of the object's side from its centre."""
    reach_px = CENTRE_SHARE * np.sqrt(comparison.objects.areas)
    pairs = by_centre(comparison.objects, comparison.detections, reach_px)
    return {"centre_AP": _table(comparison, _preferences(comparison, pairs), 0.5)}


def _preferences(comparison: Comparison, pairs: Candidates) -> Preferences:
    ignored = comparison.objects.ignore
    return Preferences.of(pairs, ignored, ignored, len(comparison.detections))


def _table(
    comparison: Comparison, preferences: Preferences, threshold: float
) -> NDArray[np.float64]:
    verdicts = judge(preferences, threshold)
    return class_table(verdicts, comparison.detections, comparison.num_objects, at_101_points)
