"""Starting `scene_pipelines.py`: one row of a table for each run, whatever becomes of it."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

WORKER = Path(__file__).with_name("scene_pipelines.py")


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
    words = [python, "-W", "ignore", WORKER, name, json.dumps(settings), source, out, memory_gb]
    try:
        done = subprocess.run(
            [str(word) for word in words],
            capture_output=True,
            text=True,
            timeout=limit_s,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return Outcome({}, f"over {limit_s:.0f} s")
    if done.returncode:
        last = (done.stderr.strip().splitlines() or [f"signal {-done.returncode}"])[-1]
        return Outcome({}, last[:90])
    return Outcome(json.loads(done.stdout.strip().splitlines()[-1]))
