"""`smalldet reproduce` goes from a benchmark's folder as published to its figures."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from smalldet.reproducing.benchmark import PRETRAIN, benchmark_names, read_benchmark
from smalldet.reproducing.measure import WEIGHTS
from smalldet.training import run_page
from tests.reproducing.published_sets import BUILDERS, NUM_OBJECTS, NUM_TRAIN, NUM_VAL

RunVerb = Callable[..., tuple[int, str, str]]

QUICK = (
    "model.backbone=test_efficientnet",
    "model.width=16",
    "model.num_context=1",
    "model.strides=[16,32]",
    "data.tile_px=64",
    "training.start=scratch",
    "training.epochs=1",
    "training.batch_size=4",
    "training.num_workers=0",
    "training.precision=fp32",
    "training.logger=none",
)


@pytest.fixture(autouse=True)
def few_resamples(monkeypatch: pytest.MonkeyPatch) -> None:
    """Intervals of the run's own page take seconds, and nothing here looks at them."""
    monkeypatch.setattr(run_page, "NUM_RESAMPLES", 2)


@pytest.fixture
def reproduce(run_verb: RunVerb, tmp_path: Path) -> RunVerb:
    """Runs a benchmark's recipe on the folder `set` for a few steps, into `run`."""

    def run(name: object, *more: object) -> tuple[int, str, str]:
        words = ("reproduce", name, *QUICK, "--root", tmp_path / "set", "--out", tmp_path / "run")
        return run_verb(*words, "--device", "cpu", *more)

    return run


def read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def test_every_benchmark_is_tried_here() -> None:
    assert benchmark_names() == sorted(BUILDERS)


@pytest.mark.parametrize("name", sorted(BUILDERS))
def test_from_the_published_folder_to_the_published_figures(
    name: str, reproduce: RunVerb, tmp_path: Path
) -> None:
    BUILDERS[name](tmp_path / "set")
    status, out, err = reproduce(name)
    assert status == 0, err
    benchmark, run = read_benchmark(name), tmp_path / "run"
    result, metrics = read(run / "reproduction.json"), read(run / "evaluation" / "metrics.json")
    assert list(result["figures_percent"]) == list(benchmark.figures)
    for published, own in benchmark.figures.items():
        percent = None if metrics[own] is None else pytest.approx(100 * metrics[own])
        assert result["figures_percent"][published] == percent
    assert result["figures_percent"][next(iter(benchmark.figures))] is not None
    assert metrics["max_detections"] == benchmark.max_detections
    num_train, num_val = result["num_train_pictures"], result["num_val_pictures"]
    if name == "xview":
        assert num_train + num_val == 8 and 0 < num_val < num_train
    else:
        assert (num_train, num_val) == (NUM_TRAIN, NUM_VAL)
    assert metrics["num_pictures"] == num_val
    assert result["seed"] == 0 and result["steps"] > 0 and result["versions"]["torch"]
    assert f"smalldet reproduce {name} model.backbone=" in result["command"]
    page = (run / "reproduction.md").read_text(encoding="utf-8")
    for published in benchmark.figures:
        assert f"| {published} |" in page and published in out
    # nobody is to take a trial for the benchmark
    assert f"labelled pictures of the {benchmark.num_pictures:,}" in result["departures"][0]
    assert "training.epochs=1" in result["departures"][1]
    assert "Not to be compared" in page and "Not to be compared" in out
    assert {path.name for path in run.glob("*.safetensors")} >= {WEIGHTS, "best.safetensors"}
    if name == "visdrone":
        assert metrics["counts"]["all"] == NUM_OBJECTS * NUM_VAL, "no region, no object of no class"
        assert "val has no object of pedestrian, people, bicycle, van" in result["departures"][2]


SQUARES = """
title: Squares
home: https://example.org
num_pictures: 6
parts:
  train.json: {archive: squares.zip}
  val.json: {archive: squares.zip}
protocol: The area under the curve.
figures: {AP50: VOC_AP50}
recipe:
  data:
    train: [{annotations: train.json}]
    val: [{annotations: val.json}]
"""


def test_a_set_of_ones_own_is_one_file_and_its_run_goes_on(
    reproduce: RunVerb, draw_set: Callable[..., Path], tmp_path: Path
) -> None:
    draw_set("train", 4, side=64)
    draw_set("val", 2, side=64, seed=1).parent.rename(tmp_path / "set")
    file = tmp_path / "squares.yaml"
    file.write_text(SQUARES, encoding="utf-8")
    status, out, err = reproduce(file)
    assert status == 0, err
    first = read(tmp_path / "run" / "reproduction.json")
    (changed,) = first["departures"]
    assert changed.startswith("the recipe was changed"), "all pictures are there"
    assert "AP50" in out
    status, _, err = reproduce(file)
    assert status == 1 and "holds a run already; give --resume" in err
    log = (tmp_path / "run" / "log.jsonl").read_text(encoding="utf-8")
    status, _, err = reproduce(file, "training.epochs=3", "--resume")
    assert status == 0, err
    longer = read(tmp_path / "run" / "reproduction.json")
    assert longer["steps"] == 3 * first["steps"] and "training.epochs=3" in longer["departures"][0]
    kept = (tmp_path / "run" / "log.jsonl").read_text(encoding="utf-8")
    assert log and kept.startswith(log), "it began where the first one ended"


def test_benchmarks_are_listed(run_verb: RunVerb) -> None:
    status, out, _ = run_verb("reproduce")
    assert status == 0
    assert [line.split()[0] for line in out.splitlines()] == benchmark_names()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("visdron",), "no such benchmark; nearest: visdrone; there are aitod-v2, coco"),
        (("coco",), "--root: name the folder that the downloads of COCO 2017 were unpacked into"),
        (("coco", "--root", "nowhere"), "nowhere: no such folder; name that of COCO 2017"),
        (
            ("coco", "--root", PRETRAIN),
            "lacks annotations/instances_train2017.json, from annotations_trainval2017.zip",
        ),
        (("coco", "--root", PRETRAIN), "Unpack the downloads of https://cocodataset.org"),
        (("dota-v1", "--root", PRETRAIN), "train/labelTxt or train/labelTxt-v1.0/labelTxt"),
        (
            ("coco", "training.minutes=3", "--minutes", "2", "--root", PRETRAIN),
            "--minutes and training.minutes are one key",
        ),
    ],
)
def test_what_is_missing_is_named(words: tuple[Any, ...], said: str, run_verb: RunVerb) -> None:
    status, _, err = run_verb("reproduce", *words)
    assert status == 1
    assert said in err
