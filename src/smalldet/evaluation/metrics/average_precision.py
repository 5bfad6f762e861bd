"""Average precision and recall: by our size ranges, and as COCO has them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from smalldet.evaluation.coco_curves import COCO_CAPS
from smalldet.evaluation.comparison import Comparison
from smalldet.evaluation.sizes import COCO_AREA_RANGES

_IOU_50, _IOU_75 = 0, 5  # places of IoU 0.5 and 0.75 in COCO's 0.5:0.05:0.95


def measure_by_size(comparison: Comparison, classes: NDArray[np.int64]) -> dict[str, float | None]:
    """AP and AR of some classes over all sizes and by our ranges, with no cap but the picture's."""
    curves = comparison.curves
    precision = curves.precision[..., -1][:, :, classes]
    recall = curves.recall[..., -1][:, classes]
    values = {
        "AP": _mean(precision[..., 0]),
        "AP50": _mean(precision[_IOU_50, ..., 0]),
        "AP75": _mean(precision[_IOU_75, ..., 0]),
        "AR": _mean(recall[..., 0]),
    }
    for a, size in enumerate(comparison.sizes, start=1):
        values[f"AP_{size}"] = _mean(precision[..., a])
        values[f"AP50_{size}"] = _mean(precision[_IOU_50, ..., a])
        values[f"AR_{size}"] = _mean(recall[..., a])
    return values


def measure_by_coco(comparison: Comparison, classes: NDArray[np.int64]) -> dict[str, float | None]:
    """COCO's own numbers, over all classes: at most 100 detections of each, COCO's ranges."""
    precision, recall = comparison.curves.precision, comparison.curves.recall
    cap = COCO_CAPS.index(100)
    values = {
        "COCO_AP": _mean(precision[..., 0, cap]),
        "COCO_AP50": _mean(precision[_IOU_50, ..., 0, cap]),
        "COCO_AP75": _mean(precision[_IOU_75, ..., 0, cap]),
    }
    for i, most in enumerate(COCO_CAPS):
        values[f"COCO_AR_{most}"] = _mean(recall[..., 0, i])
    for a, size in enumerate(COCO_AREA_RANGES, start=1 + len(comparison.sizes)):
        values[f"COCO_AP_{size}"] = _mean(precision[..., a, cap])
        values[f"COCO_AR_{size}"] = _mean(recall[..., a, cap])
    return values


def _mean(values: NDArray[np.float64]) -> float | None:
    """Mean over what was measured, or None: COCO evaluation writes -1 where there is no object."""
    measured = values[values > -1]
    return float(measured.mean()) if measured.size else None
