"""The score from which to count detections so that F1 is highest."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from smalldet.evaluation.comparison import Comparison
from smalldet.evaluation.matching import best_threshold


def measure_best_conf(
    comparison: Comparison, classes: NDArray[np.int64]
) -> dict[str, float | None]:
    """The highest F1 over all classes, and the score that reaches it."""
    best_f1, best_conf = best_threshold(comparison.at_any_score)
    return {"best_F1": best_f1, "best_conf": best_conf}
