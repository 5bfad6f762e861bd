"""The labelled sets that the benchmarks measure on, and what a training notes of its speed."""

from __future__ import annotations

import json
import os
from pathlib import Path

from smalldet.data.formats import coco
from smalldet.data.index import Index


def shared_folder(given: Path | None) -> Path:
    """The folder of the labelled sets: as given, SMALLDET_SHARED, or beside the checkout."""
    beside = Path(__file__).resolve().parents[2] / "shared"
    folder = given or Path(os.environ.get("SMALLDET_SHARED", beside))
    if not (folder / "data").is_dir():
        raise SystemExit(f"{folder}: no labelled sets; name their folder with --shared")
    return folder


def labelled_set(shared: Path, name: str, part: str) -> Index:
    """One part (`train`, `val`) of a set."""
    return coco.read(shared / "data" / name / f"{part}.json")


def tiles_per_s(run_folder: Path) -> float:
    """Of a training, as last noted in its log; 0 where it was too short to note any."""
    lines = (run_folder / "log.jsonl").read_text(encoding="utf-8").splitlines()
    speeds = [row["tiles_per_s"] for row in map(json.loads, lines) if "tiles_per_s" in row]
    return speeds[-1] if speeds else 0.0
