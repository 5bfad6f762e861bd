"""What box voting does to a Speck: accuracy by size of object, and the time of an evaluation.

    python -m benchmarks.accuracy.box_voting [MODEL:SET ...] [--part train --every 8]

Without pairs named, the embedded models on all sets that bear on them. Every model finds the
objects of a set with boxes where suppression leaves them, and moved by the votes of the boxes that
overlap them by more than each of `--votes`. Weights and scores are the same, so that differences
are due to the votes alone.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter, run
from rich.console import Console
from rich.table import Table

from benchmarks.accuracy.embedded import PASSES
from benchmarks.sets import labelled_set, shared_folder
from smalldet.data.index import Index
from smalldet.evaluation.evaluate import evaluate
from smalldet.evaluation.options import EvaluateOptions
from smalldet.models import load_model
from smalldet.models.speck.detector import Speck
from smalldet.tile_models import TorchTileModel

SHOWN = ("AP", "AP50", "AP75", "AP_very_tiny", "AP_tiny", "AP_small", "AP_medium", "AP_large")
Words = Parameter(consume_multiple=True)


def main(
    *pairs: str,
    votes: Annotated[tuple[float, ...], Words] = (0.7,),
    part: str = "val",
    every: int = 1,
    shared: Path | None = None,
) -> None:
    """Print a table of models with and without votes.

    Args:
        pairs: MODEL:SET, a model's name or file and a labelled set; default: the embedded ones.
        votes: IoU from which a box votes.
        part: of the set.
        every: so many pictures stand for one.
    """
    table = Table(title=f"{part}, one picture of {every}", title_justify="left")
    for header in ("model", "set", "votes from IoU", *SHOWN, "s"):
        table.add_column(header, justify="right")
    root = shared_folder(shared)
    mappings = {set_name: mapping for _, set_name, mapping in PASSES}
    for pair in pairs or [f"{name}:{set_name}" for name, set_name, _ in PASSES]:
        name, _, set_name = pair.rpartition(":")
        whole = labelled_set(root, set_name, part)
        truth = Index(whole.class_names, whole.records[::every])
        detector = load_model(name)
        if not isinstance(detector, Speck):
            raise SystemExit(f"{name}: is no Speck")
        mapping = mappings.get(set_name, {})
        for vote_iou in (None, *votes):
            chosen = detector.suppression.model_copy(update={"vote_iou": vote_iou})
            detector.suppression = chosen
            began = time.perf_counter()
            model = TorchTileModel(detector)
            metrics = evaluate(model, truth, EvaluateOptions(map=mapping)).metrics
            seconds = time.perf_counter() - began
            cells = ["" if (ap := metrics[key]) is None else f"{100 * ap:.1f}" for key in SHOWN]
            table.add_row(name, set_name, str(vote_iou or "none"), *cells, f"{seconds:.1f}")
    Console(width=150).print(table)


if __name__ == "__main__":
    run(main)
