"""Average precision at IoU 0.25, which TinyPerson and AI-TOD state beside the usual thresholds.

Source: Yu et al. 2020, arXiv 1912.10664, section 3.3; Wang et al. 2021, AI-TOD's cocoapi-aitod.
"""

from __future__ import annotations

from smalldet.evaluation.candidates import SizedPairs, by_iou
from smalldet.evaluation.comparison import Comparison
from smalldet.evaluation.metrics.by_class import ClassValues
from smalldet.evaluation.metrics.by_size import precision_by_size

IOU_THRESHOLD = 0.25


def measure_loose(comparison: Comparison) -> ClassValues:
    """AP25 over all sizes and by size; ignore regions take half of a detection here too."""
    objects, detections = comparison.objects, comparison.detections
    pairs = by_iou(objects, detections, IOU_THRESHOLD)
    pairs = pairs[(pairs.likeness >= 0.5) | ~objects.ignore[pairs.objects]]
    sized = SizedPairs(pairs, comparison.object_areas, comparison.detection_areas)
    tables = precision_by_size(comparison, sized, [IOU_THRESHOLD])
    return {f"AP25_{size}" if size else "AP25": of_size[0] for size, of_size in tables.items()}
