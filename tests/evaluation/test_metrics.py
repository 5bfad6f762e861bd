"""The table of metrics: one line more is one metric more, in the report and for each class."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from smalldet.data.index import ImageRecord, Index
from smalldet.detections import Detections
from smalldet.evaluation import metrics
from smalldet.evaluation.comparison import Comparison
from smalldet.evaluation.metrics import METRICS, Metric
from smalldet.evaluation.scoring import score
from smalldet.evaluation.tide import MENDED

NAMES = ("car", "bus")


def _truth() -> Index:
    boxes = np.array([[0, 0, 10, 10], [50, 50, 60, 60]], dtype=np.float32)
    no = np.zeros(2, dtype=np.bool_)
    record = ImageRecord(Path("a.png"), 100, 100, boxes, np.array([0, 1]), no, no, image_id=1)
    return Index(NAMES, (record,))


def _detections() -> Detections:
    boxes = torch.tensor([[0.0, 0, 10, 10], [80, 80, 90, 90]])
    return Detections(boxes, torch.tensor([0.9, 0.8]), torch.tensor([0, 0]), NAMES)


def _mean_score(comparison: Comparison, classes: np.ndarray) -> dict[str, float | None]:
    of_classes = np.isin(comparison.detections.labels, classes)
    scores = comparison.detections.scores[of_classes]
    return {"mean_score": float(scores.mean()) if len(scores) else None}


def test_a_new_metric_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    before = score(_truth(), [_detections()])
    monkeypatch.setattr(metrics, "METRICS", (*METRICS, Metric("mean score", _mean_score)))
    report = score(_truth(), [_detections()])
    assert report.metrics == {**before.metrics, "mean_score": pytest.approx(0.85)}
    assert report.per_class["car"]["mean_score"] == pytest.approx(0.85)
    assert report.per_class["bus"]["mean_score"] is None


def test_the_order_of_metrics_json_stays() -> None:
    """Files of other runs are compared line by line."""
    report = score(_truth(), [_detections()], sizes={"small": (0, 32)})
    at_conf = ["precision", "recall", "false_alarms", "false_alarms_per_megapixel"]
    by_size = ["AP", "AP50", "AP75", "AR", "AP_small", "AP50_small", "AR_small"]
    coco = ["COCO_AP", "COCO_AP50", "COCO_AP75", "COCO_AR_1", "COCO_AR_10", "COCO_AR_100"]
    coco += [
        f"COCO_{kind}_{size}" for size in ("small", "medium", "large") for kind in ("AP", "AR")
    ]
    costs = [f"dAP_{name}{size}" for size in ("", "_small") for name in MENDED]
    ends = ("", "_low", "_high")
    smallest = [f"resolvable_{unit}{end}" for unit in ("px", "m") for end in ends]
    rest = [*costs, *smallest, "ECE", "ECE_small"]
    voc = ["VOC07_AP50", "VOC_AP50"]
    lrp = [f"{name}{part}" for name in ("LRP", "oLRP") for part in ("", "_Loc", "_FP", "_FN")]
    likeness = ["NWD_AP", "NWD_AP50", "centre_AP"]
    best = ["best_F1", "best_conf"]
    voc = ["AP25", "AP25_small", *voc]
    voc += [f"VisDrone_{name}" for name in ("AP", "AP50", "AP75", "AR1", "AR10", "AR100", "AR500")]
    means = [*voc, *lrp, *likeness]
    assert list(report.metrics) == [*by_size, *coco, *at_conf, *best, *rest, *means]
    of_class = [*rest, *voc, *lrp, "oLRP_conf", *likeness]
    assert list(report.per_class["car"]) == [*by_size, *at_conf, *of_class, "counts"]
