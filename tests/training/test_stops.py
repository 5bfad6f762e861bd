"""A run that is killed and resumed ends bit-equal to one that nobody disturbed."""

from __future__ import annotations

import json
import multiprocessing
import random
import time
from collections.abc import Callable
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open

from smalldet.models.checkpoints.native import read_state
from smalldet.training.loop import train
from smalldet.training.recipe import TrainRecipe, recipe_for_labels
from smalldet.training.run import Run

# A state is saved after every step, so that most stops lie within an epoch, and many in a saving.
MORE = (
    "training.save_every_s=0",
    "training.epochs=5",
    "training.eval_every=2",
    "data.tiles_per_epoch=80",
    "data.mixup_prob=0.3",
)
FILES = ("last.safetensors", "best.safetensors", "resume.safetensors")
NUM_KILLS = 10


@pytest.fixture(scope="module")
def start_life() -> Callable[..., BaseProcess]:
    """Start to train in a process that has imported everything: a fork of one that does nothing."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["smalldet.training.loop"])
    first = context.Process(target=time.sleep, args=(0,))
    first.start()
    first.join()  # from now on it has imported

    def start(recipe: TrainRecipe, out: Path) -> BaseProcess:
        resume = (out / "resume.safetensors").exists()
        options = {"resume": resume, "device": "cpu"}
        life = context.Process(target=train, args=(recipe, out), kwargs=options)
        life.start()
        return life

    return start


def run_undisturbed(start: Callable[..., BaseProcess], recipe: TrainRecipe, out: Path) -> Any:
    """Train to the end; seconds until the first state was saved, and from then on."""
    begin, first = time.monotonic(), None
    life = start(recipe, out)
    while life.is_alive():
        if first is None and (out / "resume.safetensors").exists():
            first = time.monotonic()
        time.sleep(0.002)
    assert life.exitcode == 0
    assert first is not None
    return first - begin, time.monotonic() - first


def same(first: Path, second: Path) -> bool:
    """Whether two runs ended with the same bits, in all that they keep."""
    for name in FILES:
        one, two = read_state(first / name), read_state(second / name)
        if one.keys() != two.keys() or not all(torch.equal(one[key], two[key]) for key in one):
            return False
    return True


def kill_at_random(
    life: BaseProcess, out: Path, rng: random.Random, startup_s: float, training_s: float
) -> None:
    """SIGKILL while it starts, or some time after its first state, or when it next writes one."""
    state, part = out / "resume.safetensors", out / ".resume.part.safetensors"
    before = state.stat().st_mtime_ns if state.exists() else 0
    moment = rng.choices(("starting", "anywhere", "writing"), (3, 5, 2))[0]
    if moment == "starting":
        time.sleep(rng.uniform(0, startup_s))
    else:
        while life.is_alive() and (not state.exists() or state.stat().st_mtime_ns == before):
            time.sleep(0.002)
    if moment == "anywhere":
        time.sleep(rng.uniform(0, training_s))
    while moment == "writing" and life.is_alive() and not part.exists():
        time.sleep(0.0005)
    assert life.is_alive(), "the run ended before it was killed as often as wanted"
    life.kill()
    life.join()


@pytest.mark.parametrize("seed", [0, *(pytest.param(i, marks=pytest.mark.slow) for i in (1, 2))])
def test_killed_runs_end_bit_equal(
    start_life: Callable[..., BaseProcess],
    draw_set: Callable[..., Path],
    small: tuple[str, ...],
    tmp_path: Path,
    seed: int,
) -> None:
    """Killed ten times at moments drawn in wall time, wherever they fall: starting up, in a step,
    amid the writing of a state or of an evaluation. Weights, averages, optimiser and log agree."""
    folder = draw_set("train").parent
    draw_set("val", num_pictures=2, seed=1)
    recipe = recipe_for_labels(folder, (*small, *MORE))
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    startup_s, training_s = run_undisturbed(start_life, recipe, whole)
    rng, steps, num_cut = random.Random(seed), [], 0
    for _ in range(NUM_KILLS):
        life = start_life(recipe, killed)
        kill_at_random(life, killed, rng, startup_s, training_s / NUM_KILLS)
        steps.append(step_of(killed / "resume.safetensors"))
        num_cut += len(list(killed.glob(".*.part.*")))
    print(f"killed at steps {steps}, {num_cut} times amid the writing of a state or model")
    run_undisturbed(start_life, recipe, killed)
    assert same(whole, killed)
    logs = [(out / "log.jsonl").read_text().splitlines() for out in (whole, killed)]
    one, two = ({(row["group"], row["step"]) for row in map(json.loads, log)} for log in logs)
    assert one == two


def step_of(state: Path) -> int:
    """Where a run goes on; 0 if it has saved nothing."""
    if not state.exists():
        return 0
    with safe_open(state, framework="pt") as file:
        return json.loads(file.metadata()["progress"])["step"]


@pytest.mark.parametrize("moment", ["evaluate", "save", "summarise"])
def test_a_run_stopped_at_its_very_end_is_brought_to_it(
    draw_set: Callable[..., Path],
    small: tuple[str, ...],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    moment: str,
) -> None:
    """All steps are done and saved, but not the last evaluation, models or summary."""
    folder = draw_set("train").parent
    draw_set("val", num_pictures=2, seed=1)
    recipe = recipe_for_labels(
        folder, (*small, *MORE, "training.epochs=1", "data.tiles_per_epoch=8")
    )
    train(recipe, tmp_path / "whole", device="cpu")

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    out = tmp_path / "stopped"
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Run, moment, stop)
        train(recipe, out, device="cpu")
    assert not (out / "summary.txt").exists()
    report = train(recipe, out, resume=True, device="cpu")
    assert report is not None
    assert same(tmp_path / "whole", out)
    whole, stopped = (
        (tmp_path / name / "summary.txt").read_text() for name in ("whole", "stopped")
    )
    assert len(whole.splitlines()) == len(stopped.splitlines())
