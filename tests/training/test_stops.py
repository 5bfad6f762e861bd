"""A run that is killed and resumed ends bit-equal to one that nobody disturbed."""

from __future__ import annotations

import random
import subprocess
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
import torch

from smalldet.models.checkpoints.native import read_state
from smalldet.training.loop import train
from smalldet.training.recipe import recipe_for_folder

# A state is saved after every step, so that most stops lie within an epoch.
MORE = ("training.save_every_s=0", "data.tiles_per_epoch=40", "data.mixup_prob=0.3")


def kill_at_random(start: Callable[..., subprocess.Popen[bytes]], out: Path, num: int) -> int:
    """Kill a run a moment after it has saved a state, so many times; returns how often it was."""
    state, rng = out / "resume.safetensors", random.Random(0)
    for kills in range(num):
        before = state.stat().st_mtime_ns if state.exists() else 0
        run = start(*(("--resume",) if before else ()))
        while run.poll() is None and (not state.exists() or state.stat().st_mtime_ns == before):
            time.sleep(0.01)
        time.sleep(rng.uniform(0, 0.5))
        if run.poll() is not None:
            return kills
        run.kill()
        run.communicate()
    return num


@pytest.mark.parametrize(
    ("num_kills", "epochs"), [(1, 2), pytest.param(10, 20, marks=pytest.mark.slow)]
)
def test_killed_runs_end_bit_equal(
    start_run: Callable[..., subprocess.Popen[bytes]],
    draw_set: Callable[..., Path],
    small: tuple[str, ...],
    tmp_path: Path,
    num_kills: int,
    epochs: int,
) -> None:
    """SIGKILL at random moments, amid saving too; weights, averages and their buffers agree."""
    folder, more = draw_set("train").parent, (*MORE, f"training.epochs={epochs}")
    recipe = recipe_for_folder(folder, (*small, *more))
    torch.set_num_threads(1)
    train(recipe, tmp_path / "whole", device="cpu")
    start = partial(start_run, folder, tmp_path / "killed", *more)
    kills = kill_at_random(start, tmp_path / "killed", num_kills)
    assert kills == num_kills, "the run ended before it was killed as often as wanted"
    train(recipe, tmp_path / "killed", resume=True, device="cpu")
    for name in ("last.safetensors", "resume.safetensors"):
        whole, killed = (read_state(tmp_path / run / name) for run in ("whole", "killed"))
        assert whole.keys() == killed.keys()
        assert all(torch.equal(whole[key], killed[key]) for key in whole), name
