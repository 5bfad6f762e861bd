"""How far scores are from the share of detections that is right."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from smalldet.evaluation.calibration import calibrate
from smalldet.evaluation.comparison import Comparison


def measure_calibration(
    comparison: Comparison, classes: NDArray[np.int64]
) -> dict[str, float | None]:
    """Expected calibration error of some classes, over all sizes and by our ranges."""
    values = {"ECE": calibrate(comparison, classes).error}
    for size, sides in comparison.sizes.items():
        values[f"ECE_{size}"] = calibrate(comparison, classes, sides).error
    return values
