"""What a reproduction writes: peers stand beside a full run alone."""

from __future__ import annotations

import json
from pathlib import Path

from smalldet.reproducing.benchmark import read_benchmark
from smalldet.reproducing.reproduction import Reproduction


def written(folder: Path, *departures: str) -> tuple[str, dict[str, object]]:
    folder.mkdir()
    figures = {"AP": 12.34, "AP50": None}
    one = Reproduction(
        benchmark=read_benchmark("coco"),
        command="smalldet reproduce coco",
        figures=figures,
        per_class={"car": figures},
        num_train=118_287,
        num_val=5_000,
        departures=departures,
        num_steps=10,
        minutes=1.5,
        seed=0,
        versions={"torch": "2"},
    )
    one.write(folder)
    page = (folder / "reproduction.md").read_text(encoding="utf-8")
    return page, json.loads((folder / "reproduction.json").read_text(encoding="utf-8"))


def test_peers_stand_beside_a_full_run(tmp_path: Path) -> None:
    page, plain = written(tmp_path / "full")
    assert "| AP | 12.3 | 41.5 | 21.3 |" in page
    assert "| AP50 | - |  |  |" in page, "not measured, and not published"
    assert "Not to be compared" not in page and plain["departures"] == []


def test_no_peer_stands_beside_a_trial(tmp_path: Path) -> None:
    page, plain = written(tmp_path / "trial", "the recipe was changed: training.epochs=1")
    assert "| AP | 12.3 |\n" in page and "RetinaNet" not in page
    assert "**Not to be compared with published figures:** the recipe was changed" in page
    assert plain["peers"] == []
