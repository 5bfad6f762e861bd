"""Validation during a run: predicted by all processes together, and drawn."""

from __future__ import annotations

from collections.abc import Callable
from operator import itemgetter
from pathlib import Path

from accelerate import Accelerator
from accelerate.utils import gather_object

from smalldet.data.index import Index
from smalldet.detections import Detections
from smalldet.evaluation.evaluate import predict_labelled
from smalldet.evaluation.scoring import matches_at
from smalldet.evaluation.worst import draw_worst
from smalldet.inference.options import PredictOptions
from smalldet.inference.predictor import Predictor
from smalldet.models.detector import Detector
from smalldet.tile_models import TorchTileModel

# Average precision needs the weak detections too: they are the end of the curve.
LOWEST_CONF = 0.01
NUM_DRAWN = 6


def predict_shared(
    detector: Detector,
    val: Index,
    accelerator: Accelerator,
    on_picture: Callable[[int, int], None] | None = None,
) -> list[Detections]:
    """Detections of every picture, each predicted by one of the processes; all of them get all.

    Args:
        detector: that predicts.
        val: the pictures.
        accelerator: of the processes.
        on_picture: called with this process's pictures that are done, and their number.
    """
    model = TorchTileModel(detector, device=str(accelerator.device))
    predictor = Predictor(model, PredictOptions(conf=LOWEST_CONF))
    mine = range(accelerator.process_index, len(val), accelerator.num_processes)
    predicted: list[tuple[int, Detections]] = []
    for row in mine:
        predicted.append((row, predict_labelled(predictor, val.records[row]).to("cpu")))
        if on_picture is not None:
            on_picture(len(predicted), len(mine))
    if accelerator.num_processes > 1:
        predicted = gather_object(predicted)
    return [detections for _, detections in sorted(predicted, key=itemgetter(0))]


def draw_spread(val: Index, detections: list[Detections], conf: float, folder: Path) -> list[Path]:
    """Draw what is found, missed and falsely found in the same few pictures at every evaluation.

    Returns:
        the files, those with most mistakes first; a picture without any is left out.
    """
    folder.mkdir(exist_ok=True)
    rows = range(0, len(val), max(len(val) // NUM_DRAWN, 1))[:NUM_DRAWN]
    chosen = Index(val.class_names, tuple(val.records[row] for row in rows))
    matches = matches_at(chosen, [detections[row] for row in rows], conf)
    return draw_worst(*matches, folder, limit=NUM_DRAWN)
