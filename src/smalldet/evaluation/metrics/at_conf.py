"""Precision, recall and false alarms of the detections from one score on."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from smalldet.evaluation.comparison import Comparison


def measure_at_conf(comparison: Comparison, classes: NDArray[np.int64]) -> dict[str, float | None]:
    """Precision, recall and false alarms of some classes.

    False alarms are for the area of the pictures in which any of the classes is known.
    """
    matches = comparison.at_conf
    is_object = np.isin(matches.truth.labels, classes) & ~matches.truth.ignore
    is_detection = np.isin(matches.detections.labels, classes)
    hits = int((matches.hit & is_detection).sum())
    false_alarms = int((matches.false_alarm & is_detection).sum())
    known = [not r.unknown.issuperset(classes.tolist()) for r in comparison.index.records]
    megapixels = float(comparison.megapixels[np.array(known, dtype=np.bool_)].sum())
    return {
        "precision": _ratio(hits, hits + false_alarms),
        "recall": _ratio(int((matches.reached & is_object).sum()), int(is_object.sum())),
        "false_alarms": false_alarms,
        "false_alarms_per_megapixel": _ratio(false_alarms, megapixels),
    }


def _ratio(part: float, whole: float) -> float | None:
    return part / whole if whole else None
