"""Average precision of masks, as COCO's `segm`: IoU counts pixels of masks in place of boxes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from smalldet.evaluation.comparison import Comparison
from smalldet.evaluation.metrics.by_class import ClassValues

_IOU_50, _IOU_75 = 0, 5


def has_masks(comparison: Comparison) -> bool:
    """Whether labels and detections both have masks."""
    return comparison.has_masks


def measure_masks(comparison: Comparison) -> ClassValues:
    """AP over all sizes, at IoU 0.50 to 0.95, 0.50 and 0.75, and by size.

    An object's size is that of its box, so that the ranges hold the same objects as by boxes. An
    object that nobody has outlined is neither hit nor missed, and its box is an ignore region.
    """
    precision = comparison.mask_curves.precision[..., -1]  # IoU, recall, class, range
    values = {
        "mask_AP": _of_class(precision[..., 0]),
        "mask_AP50": _of_class(precision[[_IOU_50], ..., 0]),
        "mask_AP75": _of_class(precision[[_IOU_75], ..., 0]),
    }
    for a, size in enumerate(comparison.sizes, start=1):
        values[f"mask_AP_{size}"] = _of_class(precision[..., a])
        values[f"mask_AP50_{size}"] = _of_class(precision[[_IOU_50], ..., a])
    return values


def _of_class(precision: NDArray[np.float64]) -> NDArray[np.float64]:
    """(num classes,) mean over (IoU, recall, class); NaN for COCO's -1, no object."""
    means = precision.mean(axis=(0, 1))
    return np.where(means < 0, np.nan, means)
