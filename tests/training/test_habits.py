"""Runs that are stopped, that end early, that are over: what they keep, and what they say."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

from smalldet.models.checkpoints.native import read_state
from smalldet.training.loop import train
from smalldet.training.recipe import recipe_for_labels
from smalldet.training.stopping import RunStoppedError, StopRequest

MORE = ("training.epochs=3", "training.eval_every=1", "data.tiles_per_epoch=8")


def same(first: Path, second: Path) -> bool:
    one, two = read_state(first), read_state(second)
    return one.keys() == two.keys() and all(torch.equal(one[key], two[key]) for key in one)


@pytest.fixture(autouse=True)
def _interruptible() -> Iterator[None]:  # pyright: ignore[reportUnusedFunction]
    """SIGINT as in a terminal: a shell's background processes, and their children, ignore it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def folder(draw_set: Callable[..., Path]) -> Path:
    draw_set("val", num_pictures=2, seed=1)
    return draw_set("train").parent


@pytest.mark.parametrize(("part", "signum"), [("epoch 2", "SIGINT"), ("evaluating", "SIGTERM")])
def test_a_signal_saves_the_state_and_the_run_ends_bit_equal(
    folder: Path, small: tuple[str, ...], tmp_path: Path, part: str, signum: str
) -> None:
    """Amid an epoch and amid an evaluation, which is then done anew and not passed over."""
    recipe = recipe_for_labels(folder, (*small, *MORE))
    train(recipe, tmp_path / "whole", device="cpu")
    out = tmp_path / "stopped"

    def interrupt(share: float, text: str) -> None:
        if share < 1 and text.startswith(part):
            signal.raise_signal(signal.Signals[signum])

    before = [signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM)]
    with pytest.raises(RunStoppedError) as stopped:
        train(recipe, out, device="cpu", on_progress=interrupt)
    assert stopped.value.signum == signal.Signals[signum]
    assert [signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM)] == before
    train(recipe, out, resume=True, device="cpu")
    for name in ("last.safetensors", "best.safetensors", "resume.safetensors"):
        assert same(tmp_path / "whole" / name, out / name)
    logs = [(run / "log.jsonl").read_text().splitlines() for run in (tmp_path / "whole", out)]
    steps = [[line["step"] for line in map(json.loads, log)] for log in logs]
    assert steps[0] == steps[1] == [2, 4, 6]


def test_the_second_signal_acts_as_ever() -> None:
    """A step that hangs can still be broken off."""
    with pytest.raises(KeyboardInterrupt), StopRequest() as stop:
        signal.raise_signal(signal.SIGINT)
        assert stop.signum == signal.SIGINT
        signal.raise_signal(signal.SIGINT)


def test_ctrl_c_on_the_command_line_prints_the_line_that_resumes(
    start_run: Callable[..., subprocess.Popen[bytes]], folder: Path, tmp_path: Path
) -> None:
    """The real thing, with a process that cuts tiles; a line tells of every epoch meanwhile."""
    out = tmp_path / "run it"
    run = start_run(folder, out, "training.num_workers=1", "data.tiles_per_epoch=8")
    assert run.stdout is not None
    said: list[str] = []
    while not said or "epoch 1/60 done" not in said[-1]:
        said.append(run.stdout.readline().decode())
        assert said[-1], "".join(said)
    run.send_signal(signal.SIGINT)
    rest = run.communicate(timeout=120)[0].decode()
    assert run.returncode == 130, rest
    assert "Traceback" not in rest
    assert (out / "resume.safetensors").exists()
    again = rest.splitlines()[-1].strip()
    assert again.startswith("smalldet train model.backbone=")
    assert again.endswith(f"--out '{out}' --device cpu --resume")


def test_patience_ends_a_run_and_is_noted(
    folder: Path, small: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """AP rises twice and then no more: with a patience of two, the fourth evaluation is the last.

    Stopped after the third and resumed, it counts on.
    """
    patient = ("training.epochs=9", "training.patience=2", "training.eval_every=1")
    recipe = recipe_for_labels(folder, (*small, "data.tiles_per_epoch=4", *patient))
    aps = {1: 0.1, 2: 0.2, 3: 0.15, 4: 0.2, 5: 0.9}

    def fixed(comparison: object, detections: object) -> object:
        report = report_of(comparison, detections)
        report.metrics["AP"] = aps[epochs[-1]]
        return report

    from smalldet.training import run as run_module

    report_of = run_module.report_of
    monkeypatch.setattr(run_module, "report_of", fixed)
    epochs: list[int] = []
    events: list[tuple[str, str]] = []

    def listen(event: str, text: str) -> None:
        events.append((event, text))
        if event == "epoch":
            epochs.append(len(epochs) + 1)
        if event == "evaluation" and len(epochs) == 3 and stop_once.pop():
            signal.raise_signal(signal.SIGINT)

    stop_once = [False, True]
    out = tmp_path / "run"
    with pytest.raises(RunStoppedError):
        train(recipe, out, device="cpu", on_event=listen)
    train(recipe, out, resume=True, device="cpu", on_event=listen)
    assert epochs == [1, 2, 3, 4]
    assert "2 evaluations without a better AP" in events[-1][1]
    assert "Ended early, after 4 steps: 2 evaluations" in (out / "summary.txt").read_text()
    assert json.loads((out / "log.jsonl").read_text().splitlines()[-1])["group"] == "stop"
    events.clear()
    assert train(recipe, out, resume=True, device="cpu", on_event=listen) is None
    assert [event for event, _ in events] == ["end"] and "is finished" in events[0][1]


def test_patience_without_pictures_to_measure_on_is_refused(
    draw_set: Callable[..., Path], small: tuple[str, ...], tmp_path: Path
) -> None:
    recipe = recipe_for_labels(draw_set("train").parent, (*small, "training.patience=2"))
    with pytest.raises(ValueError, match=r"training\.patience .* data\.val"):
        train(recipe, tmp_path / "run", device="cpu")


def test_a_finished_run_says_so_and_a_longer_one_goes_on(
    folder: Path, small: tuple[str, ...], tmp_path: Path
) -> None:
    out = tmp_path / "run"
    train(recipe_for_labels(folder, (*small, *MORE)), out, device="cpu")
    files = ("last.safetensors", "best.safetensors", "resume.safetensors", "log.jsonl")
    kept = {name: (out / name).read_bytes() for name in files}
    events: list[tuple[str, str]] = []

    def listen(event: str, text: str) -> None:
        events.append((event, text))

    recipe = recipe_for_labels(folder, (*small, *MORE))
    assert train(recipe, out, resume=True, device="cpu", on_event=listen) is None
    assert len(events) == 1
    for told in ("is finished", out / "best.safetensors", out / "metrics.json"):
        assert str(told) in events[0][1]
    assert kept == {name: (out / name).read_bytes() for name in files}
    longer = recipe_for_labels(folder, (*small, *MORE, "training.epochs=4"))
    events.clear()
    assert train(longer, out, resume=True, device="cpu", on_event=listen) is not None
    assert [event for event, _ in events] == ["epoch", "evaluation"]
    assert "epoch 4/4 done" in events[0][1] and "AP" in events[1][1]
