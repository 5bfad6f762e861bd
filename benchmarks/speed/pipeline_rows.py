"""Starting `peers/scene_pipelines.py`: one row of a table for each run, whatever becomes of it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.limited import run_limited

WORKER = "benchmarks.peers.scene_pipelines"


@dataclass(frozen=True)
class Outcome:
    """What a pipeline took, or why it failed."""

    figures: dict[str, float]
    failure: str = ""


def run_pipeline(
    python: str,
    name: str,
    settings: dict[str, Any],
    source: Path,
    out: Path,
    *,
    memory_gb: float,
    limit_s: float,
) -> Outcome:
    """Predict a scene in a process with limited memory and time."""
    words: list[object] = [python, "-W", "ignore", "-m", WORKER, name]
    words += [json.dumps(settings), source, out, memory_gb]
    printed, failure = run_limited(words, limit_s)
    return Outcome({}, failure) if failure else Outcome(json.loads(printed.splitlines()[-1]))
