"""Measure what a benchmark's recipe has trained, as its published figures are measured."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from smalldet.evaluation.evaluate import evaluate
from smalldet.evaluation.kept import About
from smalldet.evaluation.options import EvaluateOptions
from smalldet.evaluation.size_ranges import read_sizes
from smalldet.models.checkpoints.native import read_metadata
from smalldet.reproducing.benchmark import Benchmark
from smalldet.reproducing.departures import departures
from smalldet.reproducing.reproduction import Reproduction
from smalldet.tile_models import open_tile_model
from smalldet.training.recipe import TrainRecipe
from smalldet.training.setup import fitted
from smalldet.training.sources import divide_sources

WEIGHTS = "last.safetensors"


def measure(
    benchmark: Benchmark,
    published: TrainRecipe,
    recipe: TrainRecipe,
    out: Path,
    *,
    command: str,
    device: str = "auto",
    on_progress: Callable[[int, int], None] | None = None,
) -> Reproduction:
    """Measure the last weights of a finished run on all pictures of the recipe's val.

    Not the best ones: those were chosen on the very pictures that are measured. All that an
    evaluation writes goes to `out/evaluation`, and `reproduction.json` and `.md` to `out`.

    Args:
        benchmark: whose figures.
        published: its own recipe for the set's folder; see `recipe_in`.
        recipe: the same with what a person changed, whose val is measured.
        out: folder of the run.
        command: that repeats it.
        device: as of `open_tile_model`.
        on_progress: called with pictures done and pictures in all.

    Raises:
        FileNotFoundError, ValueError: as of `divide_sources` and `evaluate`; the recipe has no val.
    """
    train, val = divide_sources(recipe.data)
    if val is None:
        raise ValueError(f"{benchmark.title}: its recipe names no val to measure on")
    weights = out / WEIGHTS
    sizes, unit = read_sizes(benchmark.sizes)
    report = evaluate(
        open_tile_model(str(weights), device=device, backend="torch"),
        val,
        EvaluateOptions(
            sizes=dict(sizes),
            size_unit=unit,
            max_detections=benchmark.max_detections,
            no_gsd_match=True,  # pictures as they are, as others look at them too
            num_resamples=0,
        ),
        out=out / "evaluation",
        about=About(str(weights), benchmark.title),
        on_progress=on_progress,
    )
    about = read_metadata(weights)["about"]
    reproduction = Reproduction(
        benchmark=benchmark,
        command=command,
        figures=_in_percent(benchmark, report.metrics),
        per_class={name: _in_percent(benchmark, row) for name, row in report.per_class.items()},
        num_train=len(train),
        num_val=len(val),
        departures=departures(
            benchmark,
            fitted(published, train).model_dump(mode="json"),
            about["recipe"],
            len(train) + len(val),
            report,
        ),
        num_steps=about["steps"],
        minutes=about["minutes"],
        seed=recipe.training.seed,
        versions=json.loads((out / "versions.json").read_text(encoding="utf-8")),
    )
    reproduction.write(out)
    return reproduction


def _in_percent(benchmark: Benchmark, measured: dict[str, float | None]) -> dict[str, float | None]:
    """Figures by their published names; None where nothing was measured."""
    values = {name: measured[own] for name, own in benchmark.figures.items() if own in measured}
    return {name: None if one is None else 100 * one for name, one in values.items()}
