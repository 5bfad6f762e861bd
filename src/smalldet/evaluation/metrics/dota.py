"""Average precision as DOTA's task 1 has it: VOC's rules on oriented boxes, over an IoU of 0.5.

Labels and detections must both have oriented boxes. Classes without an object are not in the mean.

Source: github.com/CAPTAIN-WHU/DOTA_devkit, dota_evaluation_task1.py; Xia et al. 2018,
arXiv 1711.10398.
"""

from __future__ import annotations

from smalldet.evaluation.comparison import Comparison
from smalldet.evaluation.metrics.by_class import ClassValues
from smalldet.evaluation.metrics.voc import voc_tables

IOU_THRESHOLD = 0.5


def measure_dota(comparison: Comparison) -> ClassValues:
    """AP over 11 points of recall, as the kit is delivered, and under the curve (VOC 2012)."""
    pairs = comparison.by_rboxes.pairs
    on_something = pairs[pairs.likeness > IOU_THRESHOLD]  # VOC takes those of just a half too
    return voc_tables(comparison, on_something, "DOTA07_AP50", "DOTA_AP50")
