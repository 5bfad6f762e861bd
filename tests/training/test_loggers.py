"""Loggers: the one asked for gets the curves, and one that is not installed is named at once."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from smalldet.training.loggers import require
from smalldet.training.recipe import recipe_for_labels
from smalldet.training.run_log import RunLog
from smalldet.training.run_page import curves


def test_one_that_is_missing_is_named_with_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("smalldet.training.loggers.find_spec", lambda name: None)
    with pytest.raises(ValueError, match=r"training.logger=mlflow.*'smalldet\[mlflow\]'"):
        require("mlflow")
    require("tensorboard")
    require("none")


def test_none_writes_lines_alone(draw_set: Callable[..., Path], tmp_path: Path) -> None:
    recipe = recipe_for_labels(draw_set().parent, ("training.logger=none",))
    log = RunLog(tmp_path / "run", recipe, "cpu")
    log.write("train", 20, {"loss": 1.0})
    log.close()
    assert not (tmp_path / "run" / "tensorboard").exists()
    assert json.loads((tmp_path / "run" / "log.jsonl").read_text())["loss"] == 1.0


def test_wandb_gets_points_and_goes_on_with_its_run(
    draw_set: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Against a stand-in for the package: the real one was tried by hand, offline."""
    begun: list[dict[str, Any]] = []
    points: list[tuple[dict[str, float], int]] = []

    def init(**words: Any) -> SimpleNamespace:
        begun.append(words)
        return SimpleNamespace(
            id="abc", log=lambda values, step: points.append((values, step)), finish=lambda: None
        )

    monkeypatch.setitem(sys.modules, "wandb", SimpleNamespace(init=init))
    recipe = recipe_for_labels(draw_set().parent, ("training.logger=wandb",))
    for step in (0, 20):
        log = RunLog(tmp_path / "run", recipe, "cpu", step=step)
        log.write("train", step + 20, {"loss": 1.0, "AP": None})
        log.close()
    assert points == [({"train/loss": 1.0}, 20), ({"train/loss": 1.0}, 40)]
    assert [words["id"] for words in begun] == [None, "abc"]
    assert begun[0]["config"]["training"]["logger"] == "wandb"


def test_the_page_draws_loss_terms_and_figures() -> None:
    speeds = {"lr": 0.1, "norm": 3.0, "tiles_per_s": 9.0, "wait_frac": 0.1}
    log = [
        {"group": "train", "step": 20, "cls": 0.5, "loss": 1.5, **speeds},
        {"group": "val", "step": 20, "AP": 0.25, "AP50": None, "seconds": 3.0},
    ]
    html = curves(log)
    rows = [
        row
        for part in html.split('<script type="application/json">')[1:]
        for row in json.loads(part.split("</script>")[0])["data"]["values"]
    ]
    assert rows == [
        {"line": "cls", "step": 20, "loss": 0.5},
        {"line": "loss", "step": 20, "loss": 1.5},
        {"line": "AP", "step": 20, "value": 0.25},
    ]
