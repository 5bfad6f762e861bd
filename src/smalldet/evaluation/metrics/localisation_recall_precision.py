"""LRP: what places, false alarms and misses cost together, 0 the best and 1 the worst.

Source: Oksuz et al. 2018, arXiv 1807.01696, equations 2 to 6; 2020, arXiv 2009.13592.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from smalldet.evaluation.comparison import Comparison
from smalldet.evaluation.judging import judge, last_of_equals, rows_by_class
from smalldet.evaluation.metrics.by_class import ClassValues
from smalldet.geometry.overlaps import iou

IOU_THRESHOLD = 0.5
PARTS = ("", "_Loc", "_FP", "_FN")
OWN = frozenset({"oLRP_conf"})


def measure_lrp(comparison: Comparison) -> ClassValues:
    """LRP of the detections from `conf` on, and oLRP at the best score of each class, `oLRP_conf`.

    Their parts: mean 1 - IoU of hits (`_Loc`), share of false alarms among detections (`_FP`) and
    of misses among objects (`_FN`).
    """
    detections, num_objects = comparison.detections, comparison.num_objects
    counts = detections.is_at_least(comparison.conf)
    verdicts = judge(comparison.preferences, IOU_THRESHOLD)
    lost = np.zeros(len(detections))
    hits = np.flatnonzero(verdicts.hit)
    boxes = [detections.boxes[hits], comparison.objects.boxes[verdicts.given[hits]]]
    lost[hits] = 1 - iou(*(torch.from_numpy(side) for side in boxes)).numpy()
    names = [*(f"LRP{part}" for part in PARTS), *(f"oLRP{part}" for part in PARTS), "oLRP_conf"]
    table = np.full((len(names), len(num_objects)), np.nan)
    for label, rows in rows_by_class(detections, len(num_objects)):
        if not num_objects[label]:
            continue
        rows = rows[verdicts.hit[rows] | verdicts.false_alarm[rows]]
        scores = detections.scores[rows]
        curve = _curve(verdicts.hit[rows], lost[rows], int(num_objects[label]))
        ends = np.concatenate([[0], last_of_equals(scores) + 1])
        best = int(ends[curve[0, ends].argmin()])
        at_conf = int(counts[rows].sum())
        table[:4, label] = curve[:, at_conf]
        table[4:8, label] = curve[:, best]
        table[8, label] = scores[best - 1] if best else np.nan
    return dict(zip(names, table, strict=True))


def _curve(
    hits: NDArray[np.bool_], lost: NDArray[np.float64], num_objects: int
) -> NDArray[np.float64]:
    """(4, D + 1) LRP and its parts of the first 0 to D detections, strongest first."""
    found = np.concatenate([[0], hits.cumsum()])
    false = np.arange(len(found)) - found
    apart = np.concatenate([[0.0], np.where(hits, lost, 0.0).cumsum()])
    missed = num_objects - found
    with np.errstate(invalid="ignore"):  # 0 / 0 is NaN: no hit has no place
        return np.stack(
            [
                (apart / (1 - IOU_THRESHOLD) + false + missed) / (found + false + missed),
                apart / found,
                false / (found + false),
                missed / num_objects,
            ]
        )
