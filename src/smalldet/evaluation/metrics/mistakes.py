"""What each kind of mistake costs in average precision at IoU 0.5, as TIDE counts."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from smalldet.evaluation.comparison import Comparison
from smalldet.evaluation.tide import MENDED


def measure_ap_costs(comparison: Comparison, classes: NDArray[np.int64]) -> dict[str, float | None]:
    """Mean over the classes that have objects, over all sizes and by our ranges."""
    costs = comparison.ap_costs[:, classes]
    values: dict[str, float | None] = {}
    for r, suffix in enumerate(["", *(f"_{size}" for size in comparison.sizes)]):
        for name, of_classes in zip(MENDED, costs[..., r], strict=True):
            measured = of_classes[~np.isnan(of_classes)]
            values[f"dAP_{name}{suffix}"] = float(measured.mean()) if measured.size else None
    return values
