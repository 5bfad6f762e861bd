"""Evaluate a detector: predict over labelled pictures, score, and write what was seen."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

from smalldet.data.index import Index
from smalldet.detections import Detections
from smalldet.evaluation.classes import ClassMatch, match_classes
from smalldet.evaluation.report import Report
from smalldet.evaluation.rows import detection_rows
from smalldet.evaluation.scoring import matches_at, score
from smalldet.evaluation.worst import draw_worst
from smalldet.inference import Predictor
from smalldet.models.detector import Detector

# Average precision needs the weak detections too: they are the end of the curve.
_LOWEST_CONF = 0.01


def evaluate(
    detector: Detector,
    truth: Index,
    *,
    tile_px: int | None = None,
    overlap_frac: float = 0.2,
    scales: Sequence[float] = (1.0,),
    whole: bool = False,
    merge: str = "tiles",
    merge_iou: float | None = None,
    across_classes: bool = False,
    device: str = "auto",
    batch_size: int | None = None,
    conf: float | None = None,
    max_detections: int = 1500,
    mapping: Mapping[str, str] | None = None,
    out: Path | str | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> Report:
    """Predict over the pictures of `truth` as one would over new ones, and measure.

    Args:
        detector: any detector.
        truth: labelled pictures.
        tile_px, overlap_frac, scales, whole, merge, merge_iou, across_classes, device,
            batch_size: as in `Predictor`.
        conf: score from which precision, recall and false alarms are counted; the detector's own
            if None.
        max_detections: the strongest of a picture that count.
        mapping: {model class: data class}; see `match_classes`.
        out: folder for `metrics.json`, `detections.json` (COCO results) and the worst pictures.
        on_progress: called with pictures done and pictures in all.

    Raises:
        ValueError: no class in common.
    """
    # First of all: a wrong map must not show after an hour of prediction.
    conf = detector.conf if conf is None else conf
    classes = match_classes(truth, detector.class_names, mapping)
    predictor = Predictor(
        detector,
        tile_px=tile_px,
        overlap_frac=overlap_frac,
        conf=_LOWEST_CONF,
        device=device,
        batch_size=batch_size,
        scales=scales,
        merge=merge,
        merge_iou=merge_iou,
        across_classes=across_classes,
        whole=whole,
    )
    detections: list[Detections] = []
    for record in truth.records:
        found = predictor.predict(record.path)
        detections.append(found.to("cpu"))
        if on_progress is not None:
            on_progress(len(detections), len(truth))
    report = score(truth, detections, conf=conf, max_detections=max_detections, mapping=mapping)
    if out is not None:
        folder = Path(out)
        folder.mkdir(parents=True, exist_ok=True)
        report.write(folder / "metrics.json")
        write_coco_results(folder / "detections.json", classes, detections)
        draw_worst(
            *matches_at(truth, detections, conf, max_detections=max_detections, mapping=mapping),
            folder,
        )
    return report


def write_coco_results(path: Path, classes: ClassMatch, detections: Sequence[Detections]) -> None:
    """Write the detections of the common classes as COCO results.

    `category_id` counts the classes of the data from 1. Pictures go by their own ids, or by their
    place from 1 where ids are not unique.
    """
    records = classes.truth.records
    ids = [record.image_id for record in records]
    if len(set(ids)) < len(ids):
        ids = list(range(1, len(ids) + 1))
    rows = detection_rows([classes.relabel(found) for found in detections])
    columns = zip(
        np.array(ids, dtype=np.int64)[rows.pictures].tolist(),
        (classes.data_labels[rows.labels] + 1).tolist(),
        rows.boxes_xywh.round(2).tolist(),
        rows.scores.round(5).tolist(),
        strict=True,
    )
    keys = ("image_id", "category_id", "bbox", "score")
    lines = [json.dumps(dict(zip(keys, row, strict=True))) for row in columns]
    path.write_text("[" + ",\n".join(lines) + "]\n", encoding="utf-8")
