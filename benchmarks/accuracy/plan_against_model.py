"""What `smalldet plan` says can be found, beside what a trained model finds, by size.

    python -m benchmarks.accuracy.plan_against_model [SET] [--model MODEL] [--shared ../shared]

Recall at IoU 0.5 of the set's val: of the truth that goes through tiles, suppression and merge; of
boxes whose edges are off by half a pixel; and of the model at some scores.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
from cyclopts import Parameter, run
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from benchmarks.sets import labelled_set, shared_folder
from smalldet.class_names import class_key
from smalldet.data.index import Index
from smalldet.detections import Detections
from smalldet.evaluation.matching import match_boxes
from smalldet.evaluation.rows import detection_rows, truth_rows
from smalldet.evaluation.size_ranges import SIZE_RANGES_PX, span_text
from smalldet.inference.options import PredictOptions, TilingOptions
from smalldet.inference.predictor import Predictor
from smalldet.planning.ceiling import recall_ceilings, within
from smalldet.planning.jitter import share_met
from smalldet.tile_models import open_tile_model

NMS_IOU = 0.5
LEAST_SCORE = 0.01


def main(
    name: str = "hituav",
    *,
    model: Annotated[str, Parameter(help="Of the set's classes.")] = "speck-n-thermal",
    shared: Path | None = None,
) -> None:
    """Print a row for each figure."""
    torch.set_num_threads(1)
    val = labelled_set(shared_folder(shared), name, "val")
    tile_model = open_tile_model(model, device="cpu", backend="torch")
    truth = truth_rows(val)
    objects = ~truth.ignore
    boxes, sides = truth.boxes[objects], np.sqrt(truth.areas[objects])
    way = (tile_model.tile_px, TilingOptions().overlap_frac)
    (ceiling,) = recall_ceilings(val, [way], NMS_IOU)
    table = Table("", "all", *(span_text(*span) for span in SIZE_RANGES_PX.values()))
    table.add_row("objects", str(len(sides)), *_counts(sides))
    table.add_row("tiles, suppression, merge", *_means(ceiling.found, sides))
    table.add_row("edges off by half a pixel", *_means(_met(boxes), sides))
    rows = detection_rows(_detections(Predictor(tile_model, PredictOptions(conf=LEAST_SCORE)), val))
    for conf in (LEAST_SCORE, 0.05, tile_model.conf):
        reached = match_boxes(val, truth, rows.at_least(conf)).reached[objects]
        table.add_row(f"{model}, score {conf:g}", *_means(reached, sides))
    Console(width=110).print(table)


def _met(boxes: NDArray[np.float64]) -> NDArray[np.float64]:
    return share_met(boxes[:, 2:] - boxes[:, :2], 1.0)


def _detections(predictor: Predictor, val: Index) -> list[Detections]:
    """Of every picture, under the classes of the set."""
    rows = {class_key(name): row for row, name in enumerate(val.class_names)}
    labels = torch.tensor([rows[class_key(name)] for name in predictor.model.class_names])
    found = (predictor.predict(record.path) for record in val.records)
    return [replace(one, labels=labels[one.labels], class_names=val.class_names) for one in found]


def _counts(sides: NDArray[np.float64]) -> list[str]:
    return [str(int(within(sides, span).sum())) for span in SIZE_RANGES_PX.values()]


def _means(values: NDArray[Any], sides: NDArray[np.float64]) -> list[str]:
    parts = [values[within(sides, span)] for span in SIZE_RANGES_PX.values()]
    return [f"{part.mean():.3f}" if len(part) else "-" for part in (values, *parts)]


if __name__ == "__main__":
    run(main)
