"""Average precision by size of whatever pairs of detections and objects there are."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from smalldet.evaluation.assignment import Preferences
from smalldet.evaluation.candidates import SizedPairs
from smalldet.evaluation.comparison import Comparison
from smalldet.evaluation.judging import at_101_points, class_table, judge
from smalldet.evaluation.sizes import is_within


def precision_by_size(
    comparison: Comparison, sized: SizedPairs, thresholds: Sequence[float]
) -> dict[str, NDArray[np.float64]]:
    """AP of each class as COCO has it, over all sizes and by ours.

    An object of another size is neither hit nor missed, and a detection of another size counts
    only where it is on an object of this one.

    Args:
        comparison: what the pairs are of.
        sized: pairs down to the least threshold.
        thresholds: (T,) least likenesses.

    Returns:
        {size, empty for all: (T, num classes)}; NaN where there is no object.
    """
    objects, detections = comparison.objects, comparison.detections
    tables: dict[str, NDArray[np.float64]] = {}
    for size, span in {"": (0.0, np.inf), **comparison.sizes}.items():
        ignored = objects.ignore | ~is_within(sized.object_areas, span)
        preferences = Preferences.of(sized.pairs, ignored, objects.ignore, len(detections))
        outside = ~is_within(sized.detection_areas, span)
        num = np.bincount(objects.labels[~ignored], minlength=len(comparison.num_objects))
        verdicts = [judge(preferences, threshold, outside) for threshold in thresholds]
        tables[size] = np.stack(
            [class_table(one, detections, num, at_101_points) for one in verdicts]
        )
    return tables
