"""The page at the end of a run: the evaluation of its best weights, and its curves."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from smalldet.atomic_write import write_text
from smalldet.data.index import Index
from smalldet.detections import Detections
from smalldet.evaluation.classes import match_classes
from smalldet.evaluation.comparison import compare
from smalldet.evaluation.intervals import NUM_RESAMPLES
from smalldet.evaluation.kept import ABOUT, About, keep, read_kept
from smalldet.evaluation.page.charts import line_chart
from smalldet.evaluation.page.evaluation_page import evaluation_page
from smalldet.evaluation.scoring import report_of
from smalldet.reporting.page import section
from smalldet.reporting.vega import chart
from smalldet.training.recipe import TrainRecipe

MAX_DETECTIONS = 1500
MOST_POINTS = 400
NO_LOSS = ("group", "step", "lr", "norm", "tiles_per_s", "wait_frac")
"""What a line of training says beside the terms of the loss."""
MEASURED = ("AP", "AP50", "OBB_AP", "OBB_AP50", "best_F1")


def keep_best(
    out: Path, recipe: TrainRecipe, val: Index, detections: Sequence[Detections], conf: float
) -> None:
    """Keep the detections of the best weights, for the page and to be compared; see `keep`."""
    sources = [str(one.annotations) for one in recipe.data.val or recipe.data.train]
    about = About(str(out), ", ".join(sources), conf)
    keep(out, val, match_classes(val, val.class_names), detections, about)


def write_run_page(out: Path, log: Sequence[dict[str, Any]]) -> Path | None:
    """Write `report.html` from what the last better evaluation kept; nothing is predicted anew.

    Args:
        out: run folder.
        log: lines of `log.jsonl`.

    Returns:
        The page; None where no evaluation was kept, as in a run that began before there were any.
    """
    if not (out / ABOUT).is_file():
        return None
    kept = read_kept(out)
    comparison = compare(
        kept.truth,
        kept.detections,
        conf=kept.conf,
        max_detections=MAX_DETECTIONS,
        mapping=kept.mapping,
    )
    report = report_of(comparison, kept.detections, NUM_RESAMPLES)
    about = About(str(out / "best.safetensors"), kept.data, kept.conf)
    page = out / "report.html"
    write_text(page, evaluation_page(comparison, report, about, [curves(log)]))
    return page


def curves(log: Sequence[dict[str, Any]]) -> str:
    """Loss and figures by step, as a section of the page."""
    steps = [line for line in log if line["group"] == "train"]
    steps = steps[:: max(1, len(steps) // MOST_POINTS)]
    terms = [name for name in (steps[-1] if steps else ()) if name not in NO_LOSS]
    losses = [
        {"line": name, "step": line["step"], "loss": line[name]}
        for name in terms
        for line in steps
        if line.get(name) is not None
    ]
    figures = [
        {"line": name, "step": line["step"], "value": line[name]}
        for line in log
        if line["group"] == "val"
        for name in MEASURED
        if line.get(name) is not None
    ]
    parts = [
        "<div>" + chart(line_chart(rows, "step", y), f"{y} by step") + "</div>"
        for rows, y in ((losses, "loss"), (figures, "value"))
        if rows
    ]
    lead = "How it learned; figures are of the averaged weights at each evaluation."
    return section("Training", lead, f'<div class="card two">{"".join(parts)}</div>')
