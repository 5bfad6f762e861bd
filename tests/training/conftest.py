"""What the tests of training share: a small recipe, and runs in processes of their own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

SMALL = (
    "model.backbone=mobilenetv3_small_050",
    "model.width=32",
    "data.tile_px=64",
    "training.start=scratch",
    "training.batch_size=4",
    "training.num_workers=0",
    "training.warmup_steps=2",
    "training.precision=fp32",
)


@pytest.fixture
def small() -> tuple[str, ...]:
    """Overrides that make a run a matter of seconds."""
    return SMALL


@pytest.fixture
def start_run() -> Callable[..., subprocess.Popen[bytes]]:
    """Start `smalldet train` on a folder in a process of its own."""

    def start(
        folder: Path, out: Path, *more: str, env: dict[str, str] | None = None
    ) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "smalldet.cli", "train", *SMALL, *more]
        command += ["--data", str(folder), "--out", str(out), "--device", "cpu"]
        env = {**os.environ, "OMP_NUM_THREADS": "1", **(env or {})}
        return subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)

    return start
