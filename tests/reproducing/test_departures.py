"""No trial is taken for the benchmark: what was changed is said, what changes nothing is not."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from smalldet.reproducing.benchmark import read_benchmark
from smalldet.reproducing.departures import departures

RECIPE = {
    "data": {"train": [{"annotations": "a"}], "tile_px": 640},
    "training": {"epochs": 60, "minutes": None, "num_workers": 8},
}
ALL = {"car": {"counts": {"all": 3}}}


def said(trained: dict[str, Any], num: int = 7019, per_class: Any = ALL) -> tuple[str, ...]:
    report: Any = SimpleNamespace(per_class=per_class)
    return departures(read_benchmark("visdrone"), RECIPE, trained, num, report)


def test_a_full_run_has_none() -> None:
    workers = {**RECIPE["training"], "num_workers": 2}
    assert said({**RECIPE, "training": workers}) == ()


@pytest.mark.parametrize(
    ("section", "changed", "line"),
    [
        ("training", {"epochs": 60, "minutes": 2.0}, "the recipe was changed: training.minutes=2"),
        ("data", {"train": [{"annotations": "b"}], "tile_px": 640}, "changed: data.train"),
        ("data", {"train": [{"annotations": "a"}], "tile_px": 256}, "changed: data.tile_px=256"),
    ],
)
def test_a_changed_key_is_said(section: str, changed: dict[str, Any], line: str) -> None:
    (told,) = said({**RECIPE, section: changed})
    assert told.partition(": ")[0] == "the recipe was changed" and line in told
    assert "," not in told, "nothing else is"


def test_fewer_pictures_and_a_class_without_an_object_are_said() -> None:
    empty = {**ALL, "bus": {"counts": {"all": 0}}}
    assert said(RECIPE, 160, empty) == (
        "160 labelled pictures of the 7,019 that VisDrone2019-DET has",
        "val has no object of bus: not in the means",
    )
