"""Metrics that are a value of each class, and over all classes their mean."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from smalldet.evaluation.comparison import Comparison

ClassValues = dict[str, NDArray[np.float64]]
"""{name in `metrics.json`: (num classes,) values, NaN where nothing could be measured}."""


@dataclass(frozen=True)
class ClassMetric:
    """One kind of measurement of all classes at once.

    Args:
        name: what people call it.
        measure: comparison to values.
        weights: comparison to (num classes,) weights of the mean; equal ones if None.
        own: names that have no mean, as a confidence to choose has none.
        applies: whether there is anything to measure it by.
    """

    name: str
    measure: Callable[[Comparison], ClassValues]
    weights: Callable[[Comparison], NDArray[np.float64]] | None = None
    own: frozenset[str] = frozenset()
    applies: Callable[[Comparison], bool] = lambda comparison: True

    def over_all(self, comparison: Comparison, values: ClassValues) -> dict[str, float | None]:
        """Means over the classes that have a value."""
        equal = np.ones(len(comparison.index.class_names))
        weights = equal if self.weights is None else self.weights(comparison)
        means = {
            name: _mean(of_class, weights)
            for name, of_class in values.items()
            if name not in self.own
        }
        return means


def _mean(values: NDArray[np.float64], weights: NDArray[np.float64]) -> float | None:
    measured = np.isfinite(values) & (weights > 0)
    if not measured.any():
        return None
    return float(np.average(values[measured], weights=weights[measured]))
