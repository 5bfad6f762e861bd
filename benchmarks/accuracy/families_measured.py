"""What is measured of a row: its training, its accuracy, its time, its parity."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from benchmarks.accuracy.families_rows import CONFIGS, Row
from smalldet.config.load import dump
from smalldet.data.index import Index
from smalldet.evaluation.evaluate import evaluate
from smalldet.inference.predictor import Predictor
from smalldet.models import load_model
from smalldet.models.detector import Detector
from smalldet.tile_models import TorchTileModel, open_tile_model
from smalldet.training.setup import start_detector

TILE_PX = 640
NUM_WARM, NUM_TIMED = 2, 9
METRICS = ("AP", "AP50", "AP_very_tiny", "AP_tiny", "AP_small", "AP_medium")


class OtherRunError(SystemExit):
    """A folder holds a run of another recipe."""


def train(row: Row, folder: Path, shared: Path, minutes: float, index: Index) -> None:
    """`smalldet train` on one core, in a process of its own; goes on with a run that was stopped.

    Raises:
        OtherRunError: the folder's run has another recipe or budget.
        RuntimeError: it failed; the end of its output is the message.
    """
    recipe = folder / "recipe.yaml"
    if recipe.exists() and recipe.read_text() != dump(row.recipe(shared, minutes, index)):
        raise OtherRunError(f"{folder}: a run of another recipe or budget; remove it or give --out")
    if (folder / "summary.txt").exists():
        return
    folder.mkdir(parents=True, exist_ok=True)
    command = [
        sys.executable, "-m", "smalldet.cli", "train", str(CONFIGS / row.config),
        *row.assignments(shared, minutes), "--out", str(folder), "--device", "cpu",
    ]  # fmt: skip
    if (folder / "resume.safetensors").exists():
        command.append("--resume")
    one_core = {**os.environ, "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    with (folder / "output.txt").open("wb") as output:
        ended = subprocess.run(command, stdout=output, stderr=subprocess.STDOUT, env=one_core)
    if ended.returncode:
        raise RuntimeError((folder / "output.txt").read_text(errors="replace")[-2000:])


def course_of(folder: Path) -> dict[str, float]:
    """How a training went: steps, tiles a second, the loss at its first and last note."""
    lines = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    notes = [line for line in lines if line["group"] == "train"]
    if not notes:
        return {}
    return {
        "steps": notes[-1]["step"],
        "tiles_per_s": notes[-1]["tiles_per_s"],
        "first_loss": notes[0]["loss"],
        "last_loss": notes[-1]["loss"],
    }


def accuracy(folder: Path, truth: Index) -> dict[str, float | None]:
    """Metrics of a run's last averaged weights; measured once for as many pictures."""
    weights, kept = folder / "last.safetensors", folder / "accuracy.json"
    if kept.exists() and kept.stat().st_mtime > weights.stat().st_mtime:
        measured = json.loads(kept.read_text())
        if measured["num_pictures"] == len(truth):
            return measured["metrics"]
    report = evaluate(open_tile_model(weights, backend="torch"), truth)
    metrics = {key: report.metrics[key] for key in METRICS}
    kept.write_text(json.dumps({"num_pictures": len(truth), "metrics": metrics}))
    return metrics


def detector(row: Row, folder: Path, shared: Path, index: Index) -> Detector:
    """What the row trained, or the same with the weights that training would start from."""
    if row.trains and (folder / "last.safetensors").exists():
        return load_model(folder / "last.safetensors")
    return start_detector(row.recipe(shared, 1, index), index.class_names)


def tile_of(truth: Index) -> NDArray[np.uint8]:
    """(640, 640, 3) a picture of the set, mirrored where it ends."""
    with Image.open(truth.records[0].path) as picture:
        pixels = np.asarray(picture.convert("RGB"))
    missing = [(0, max(TILE_PX - side, 0)) for side in pixels.shape[:2]]
    return np.pad(pixels, [*missing, (0, 0)], mode="symmetric")[:TILE_PX, :TILE_PX]


def milliseconds(
    detectors: Mapping[str, Detector], tile: NDArray[np.uint8], num_threads: int
) -> dict[str, float]:
    """Median time of a tile's prediction by each detector, at its own confidence.

    All detectors take turns, so that what else the machine does meets all of them alike.
    """
    torch.set_num_threads(num_threads)
    predictors = {name: Predictor(TorchTileModel(each, "cpu")) for name, each in detectors.items()}
    seconds: dict[str, list[float]] = {name: [] for name in predictors}
    for _ in range(NUM_WARM + NUM_TIMED):
        for name, predictor in predictors.items():
            began = time.perf_counter()
            predictor.predict(tile)
            seconds[name].append(time.perf_counter() - began)
    return {name: 1000 * statistics.median(each[NUM_WARM:]) for name, each in seconds.items()}


def parity(row: Row, path: Path) -> list[dict[str, Any]]:
    """Entries of the parity report that speak for a row."""
    if not path.exists():
        return []
    entries: Sequence[dict[str, Any]] = json.loads(path.read_text())
    return [entry for entry in entries if entry["model"] in row.parity]
