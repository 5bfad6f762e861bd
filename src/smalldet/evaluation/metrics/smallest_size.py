"""The smallest objects of which half are found."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from smalldet.evaluation.comparison import Comparison
from smalldet.evaluation.recall_by_size import recall_by_size
from smalldet.evaluation.resolvability import resolvable


def measure_resolvable(
    comparison: Comparison, classes: NDArray[np.int64]
) -> dict[str, float | None]:
    """Of some classes, in pixels and, where distances are known, in metres; see `resolvable`.

    `_low` and `_high` are the ends of its interval.
    """
    values: dict[str, float | None] = {}
    for unit in ("px", "m"):
        size = resolvable(recall_by_size(comparison, classes, in_metres=unit == "m"))
        values[f"resolvable_{unit}"] = None if size is None else size.side
        values[f"resolvable_{unit}_low"] = None if size is None else size.low
        values[f"resolvable_{unit}_high"] = None if size is None else size.high
    return values
