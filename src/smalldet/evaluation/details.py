"""What is measured and is no single figure: curves and tables of `metrics.json`."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from smalldet.evaluation.calibration import calibrate
from smalldet.evaluation.caps import Cap
from smalldet.evaluation.comparison import Comparison
from smalldet.evaluation.confusion import confusion_table
from smalldet.evaluation.recall_by_size import recall_by_size
from smalldet.evaluation.scene_errors import scene_errors
from smalldet.evaluation.tile_views import TileViews


def recall_curve(comparison: Comparison) -> dict[str, Any]:
    """Recall against size over all classes, as plain lists."""
    recall = recall_by_size(comparison)
    return {
        "edges_px": recall.edges_px.tolist(),
        "num_objects": recall.num_objects.tolist(),
        "num_found_any": recall.num_found_any.tolist(),
        "num_found_conf": recall.num_found_conf.tolist(),
        "low": _plain(recall.low),
        "high": _plain(recall.high),
    }


def calibration_curves(comparison: Comparison) -> dict[str, Any]:
    """Calibration of all detections and of those of each size range, as plain lists."""
    curves: dict[str, Any] = {}
    for name, sides in {"all": (0.0, np.inf), **comparison.sizes}.items():
        curve = calibrate(comparison, None, sides)
        curves[name] = {
            "score_edges": curve.edges.tolist(),
            "num_detections": curve.num.tolist(),
            "mean_score": _plain(curve.mean_score),
            "precision": _plain(curve.precision),
        }
    return curves


DETAILS: Mapping[str, Callable[[Comparison], Any]] = {
    "recall_by_size": recall_curve,
    "confusion": confusion_table,
    "calibration": calibration_curves,
}
"""{key in `metrics.json`: what measures it}, over all classes."""


def measure_details(
    comparison: Comparison, caps: Sequence[Cap], views: TileViews | None
) -> dict[str, Any]:
    """Every curve and table, with the limits on the way and, over scenes, what tiling does."""
    details = {key: measure(comparison) for key, measure in DETAILS.items()}
    details["caps"] = {cap.name: cap.as_dict() for cap in caps}
    scenes = {} if views is None else scene_errors(comparison, views)
    return details | ({"scene_errors": scenes} if scenes else {})


def _plain(values: NDArray[np.float64]) -> list[float | None]:
    """None where there was nothing to measure."""
    return [None if math.isnan(value) else value for value in values.tolist()]
