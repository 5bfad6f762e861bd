"""Average precision at IoU 0.25, which TinyPerson and AI-TOD state beside the usual thresholds.

Source: Yu et al. 2020, arXiv 1912.10664, section 3.3; Wang et al. 2021, AI-TOD's cocoapi-aitod.
"""

from __future__ import annotations

import numpy as np

from smalldet.evaluation.assignment import Preferences
from smalldet.evaluation.candidates import by_iou
from smalldet.evaluation.comparison import Comparison
from smalldet.evaluation.judging import at_101_points, class_table, judge
from smalldet.evaluation.metrics.by_class import ClassValues
from smalldet.evaluation.sizes import is_within

IOU_THRESHOLD = 0.25


def measure_loose(comparison: Comparison) -> ClassValues:
    """AP25 over all sizes and by size; ignore regions take half of a detection here too."""
    objects, detections = comparison.objects, comparison.detections
    pairs = by_iou(objects, detections, IOU_THRESHOLD)
    pairs = pairs[(pairs.likeness >= 0.5) | ~objects.ignore[pairs.objects]]
    values: ClassValues = {}
    for size, span in {"": (0.0, np.inf), **comparison.sizes}.items():
        ignored = objects.ignore | ~is_within(comparison.object_areas, span)
        preferences = Preferences.of(pairs, ignored, objects.ignore, len(detections))
        outside = ~is_within(comparison.detection_areas, span)
        verdicts = judge(preferences, IOU_THRESHOLD, outside)
        num = np.bincount(objects.labels[~ignored], minlength=len(comparison.num_objects))
        name = f"AP25_{size}" if size else "AP25"
        values[name] = class_table(verdicts, detections, num, at_101_points)
    return values
