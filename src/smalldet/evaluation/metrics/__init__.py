"""Metrics: what is measured of detections that were compared with truth."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from smalldet.evaluation.comparison import Comparison
from smalldet.evaluation.metrics.at_conf import measure_at_conf
from smalldet.evaluation.metrics.average_precision import measure_by_coco, measure_by_size
from smalldet.evaluation.metrics.best_conf import measure_best_conf
from smalldet.evaluation.metrics.calibration_error import measure_calibration
from smalldet.evaluation.metrics.mistakes import measure_ap_costs
from smalldet.evaluation.metrics.smallest_size import measure_resolvable

Values = dict[str, float | None]


@dataclass(frozen=True)
class Metric:
    """One kind of measurement.

    Args:
        name: what people call it.
        measure: (comparison, positions of the classes to look at) to {name in `metrics.json`:
            value, or None where nothing could be measured}.
        of_each_class: whether it is measured of single classes too.
    """

    name: str
    measure: Callable[[Comparison, NDArray[np.int64]], Values]
    of_each_class: bool = True


METRICS: tuple[Metric, ...] = (
    Metric("average precision by size", measure_by_size),
    Metric("COCO's own numbers", measure_by_coco, of_each_class=False),
    Metric("precision, recall and false alarms at one score", measure_at_conf),
    Metric("best score to count from", measure_best_conf, of_each_class=False),
    Metric("average precision that mistakes cost", measure_ap_costs),
    Metric("smallest size found", measure_resolvable),
    Metric("calibration", measure_calibration),
)
"""In the order of `metrics.json`. A new metric is a file with its function and a line here."""


def measure_all(comparison: Comparison) -> Values:
    """Every metric, over all classes together."""
    every_class = np.arange(len(comparison.index.class_names))
    return _merged([metric.measure(comparison, every_class) for metric in METRICS])


def measure_class(comparison: Comparison, position: int) -> Values:
    """Every metric that is measured of single classes, of one class."""
    one = np.array([position])
    return _merged([m.measure(comparison, one) for m in METRICS if m.of_each_class])


def _merged(parts: list[Values]) -> Values:
    return {name: value for part in parts for name, value in part.items()}
