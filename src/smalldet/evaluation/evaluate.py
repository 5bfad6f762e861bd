"""Evaluate a model: predict over labelled pictures, score, and write what was measured."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from smalldet.atomic_write import write_text
from smalldet.config.load import dump
from smalldet.data.distances import in_metres, of_size
from smalldet.data.index import ImageRecord, Index
from smalldet.detections import Detections
from smalldet.evaluation.classes import ClassMatch, match_classes
from smalldet.evaluation.comparison import compare
from smalldet.evaluation.match_distance import read_distance
from smalldet.evaluation.options import EvaluateOptions
from smalldet.evaluation.report import Report
from smalldet.evaluation.rows import detection_rows
from smalldet.evaluation.scoring import report_of
from smalldet.evaluation.worst import draw_worst
from smalldet.imagery import open_scene
from smalldet.imagery.gsd import Gsd
from smalldet.inference.options import PredictOptions, TilingOptions
from smalldet.inference.predictor import Predictor
from smalldet.tile_models import TileModel

# Average precision needs the weak detections too: they are the end of the curve.
_LOWEST_CONF = 0.01


def evaluate(
    model: TileModel,
    truth: Index,
    options: EvaluateOptions | None = None,
    *,
    out: Path | str | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> Report:
    """Predict over the pictures of `truth` as one would over new ones, and measure.

    Args:
        model: any tile model.
        truth: labelled pictures.
        options: how to predict, and what to measure.
        out: folder for `metrics.json`, `options.yaml` (with what the model says where an option
            was not given), `detections.json` (COCO results) and the worst pictures.
        on_progress: called with pictures done and pictures in all.

    Raises:
        OSError: `out` cannot be written, as on a full disk; no file of it is left half written.
        ValueError: no class in common, or sizes are asked for in metres and a picture's ground
            sample distance is not known.
    """
    options = options or EvaluateOptions()
    # First of all: a wrong map must not show after an hour of prediction.
    classes = match_classes(truth, model.class_names, options.map)
    tiling = options.model_dump(include=set(TilingOptions.model_fields))
    predictor = Predictor(model, PredictOptions(conf=_LOWEST_CONF, **tiling))
    least_m, most_m = options.min_size_m, options.max_size_m
    if least_m is not None or most_m is not None:
        truth = of_size(truth, options.gsd_m, least_m, most_m)
    distance = options.match_distance
    if "m" in (options.size_unit, distance and read_distance(distance)[1]):
        truth = in_metres(truth, options.gsd_m)
    conf = model.conf if options.conf is None else options.conf
    options = options.model_copy(update={"conf": conf, "tile_px": predictor.tile_px})
    detections: list[Detections] = []
    for record in truth.records:
        detections.append(predict_labelled(predictor, record).to("cpu"))
        if on_progress is not None:
            on_progress(len(detections), len(truth))
    comparison = compare(
        truth,
        detections,
        conf=conf,
        max_detections=options.max_detections,
        mapping=options.map,
        sizes=options.sizes,
        size_unit=options.size_unit,
        match_distance=options.match_distance,
    )
    report = report_of(comparison, detections, options.num_resamples)
    if out is not None:
        folder = Path(out)
        report.write(folder / "metrics.json")
        write_text(folder / "options.yaml", dump(options))
        write_coco_results(folder / "detections.json", classes, detections)
        draw_worst(comparison.index, comparison.at_conf, folder)
    return report


def predict_labelled(predictor: Predictor, record: ImageRecord) -> Detections:
    """Objects of a labelled picture; what its labels say of its distance goes before the file."""
    gsd = None if record.gsd_m is None else Gsd(record.gsd_m, "by its labels")
    with open_scene(record.path, predictor.usual_bands, gsd=gsd) as scene:
        return predictor.predict(scene)


def write_coco_results(path: Path, classes: ClassMatch, detections: Sequence[Detections]) -> None:
    """Write the detections of the common classes as COCO results.

    `category_id` counts the classes of the data from 1. Pictures go by their own ids, or by their
    place from 1 where ids are not unique.
    """
    records = classes.truth.records
    ids = [record.image_id for record in records]
    if len(set(ids)) < len(ids):
        ids = list(range(1, len(ids) + 1))
    rows = detection_rows([classes.relabel(of_picture) for of_picture in detections])
    columns = zip(
        np.array(ids, dtype=np.int64)[rows.pictures].tolist(),
        (classes.data_labels[rows.labels] + 1).tolist(),
        rows.boxes_xywh.round(2).tolist(),
        rows.scores.round(5).tolist(),
        strict=True,
    )
    keys = ("image_id", "category_id", "bbox", "score")
    lines = [json.dumps(dict(zip(keys, row, strict=True))) for row in columns]
    write_text(path, "[" + ",\n".join(lines) + "]\n")
