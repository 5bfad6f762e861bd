"""Metrics: what is measured of detections that were compared with truth."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from smalldet.evaluation.comparison import Comparison
from smalldet.evaluation.metrics.angle_error import measure_angles
from smalldet.evaluation.metrics.at_conf import measure_at_conf
from smalldet.evaluation.metrics.at_distance import measure_at_distance
from smalldet.evaluation.metrics.average_precision import measure_by_coco, measure_by_size
from smalldet.evaluation.metrics.best_conf import measure_best_conf
from smalldet.evaluation.metrics.by_class import ClassMetric, ClassValues
from smalldet.evaluation.metrics.calibration_error import measure_calibration
from smalldet.evaluation.metrics.dota import measure_dota
from smalldet.evaluation.metrics.localisation_recall_precision import OWN, measure_lrp
from smalldet.evaluation.metrics.loose_iou import measure_loose
from smalldet.evaluation.metrics.mask_precision import has_masks, measure_masks
from smalldet.evaluation.metrics.mistakes import measure_ap_costs
from smalldet.evaluation.metrics.oriented_precision import is_oriented, measure_oriented
from smalldet.evaluation.metrics.other_likeness import measure_centres, measure_nwd
from smalldet.evaluation.metrics.smallest_size import measure_resolvable
from smalldet.evaluation.metrics.visdrone import measure_visdrone, pictures_of_each_class
from smalldet.evaluation.metrics.voc import measure_voc

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
    Metric("points within a distance", measure_at_distance),
)
"""In the order of `metrics.json`. A new metric is a file with its function and a line here, or in
the table below where it is a mean over classes."""

CLASS_METRICS: tuple[ClassMetric, ...] = (
    ClassMetric("average precision at IoU 0.25", measure_loose),
    ClassMetric("average precision of PASCAL VOC", measure_voc),
    ClassMetric("VisDrone's protocol", measure_visdrone, weights=pictures_of_each_class),
    ClassMetric("localisation recall precision", measure_lrp, own=OWN),
    ClassMetric("average precision by normalised Wasserstein distance", measure_nwd),
    ClassMetric("average precision by centres", measure_centres),
    ClassMetric("average precision of masks", measure_masks, applies=has_masks),
    ClassMetric("average precision of oriented boxes", measure_oriented, applies=is_oriented),
    ClassMetric("DOTA's protocol", measure_dota, applies=is_oriented),
    ClassMetric("errors of angles", measure_angles, applies=is_oriented),
)
"""Behind those above, in the order of `metrics.json`."""


def measure_classes(comparison: Comparison) -> tuple[Values, list[Values]]:
    """The second table: over all classes together, and of each."""
    measured: list[tuple[ClassMetric, ClassValues]] = [
        (metric, metric.measure(comparison))
        for metric in CLASS_METRICS
        if metric.applies(comparison)
    ]
    over_all = _merged([metric.over_all(comparison, values) for metric, values in measured])
    of_each: list[Values] = [{} for _ in comparison.index.class_names]
    for name, column in (item for _, values in measured for item in values.items()):
        for values, value in zip(of_each, column.tolist(), strict=True):
            values[name] = value if np.isfinite(value) else None
    return over_all, of_each


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
