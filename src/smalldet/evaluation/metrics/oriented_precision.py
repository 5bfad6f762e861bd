"""Average precision of oriented boxes as COCO has it, by their exact IoU.

Measured where labels and detections both have oriented boxes. Among such, what has none is its
upright box; labels that are all upright, or detections, have no figures.
"""

from __future__ import annotations

from smalldet.evaluation.assignment import IOU_THRESHOLDS
from smalldet.evaluation.comparison import Comparison
from smalldet.evaluation.metrics.by_class import ClassValues
from smalldet.evaluation.metrics.by_size import precision_by_size

_IOU_50, _IOU_75 = 0, 5


def is_oriented(comparison: Comparison) -> bool:
    """Whether labels and detections both have oriented boxes."""
    return comparison.is_oriented


def measure_oriented(comparison: Comparison) -> ClassValues:
    """AP over IoU 0.50 to 0.95, at 0.50 and 0.75, and by size: the square root of the oriented
    box's area. An ignore region takes detections with half of their area in it."""
    tables = precision_by_size(comparison, comparison.by_rboxes, IOU_THRESHOLDS.tolist())
    every = tables.pop("")
    values = {"OBB_AP": every.mean(0), "OBB_AP50": every[_IOU_50], "OBB_AP75": every[_IOU_75]}
    for size, table in tables.items():
        values[f"OBB_AP_{size}"] = table.mean(axis=0)
        values[f"OBB_AP50_{size}"] = table[_IOU_50]
    return values
