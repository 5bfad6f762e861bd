"""Intervals over redrawn pictures: each draw is an evaluation of its own, and 95 % mean 95 %."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from smalldet.columns import take
from smalldet.data.index import ImageRecord, Index
from smalldet.detections import Detections
from smalldet.evaluation.comparison import Comparison, compare
from smalldet.evaluation.draws import Draws
from smalldet.evaluation.intervals import (
    bootstrap_ap,
    paired_differences,
    resampled,
    scenes,
)
from smalldet.evaluation.scoring import score
from smalldet.evaluation.size_ranges import SIZE_RANGES_PX, SizeRanges
from tests.evaluation.by_hand import found, index, picture

NAMES = ("car", "person")


def drawn(num_pictures: int, seed: int, hit_rate: float = 0.6) -> tuple[Index, list[Detections]]:
    """Pictures of 0 to 12 objects of 4 to 60 px, some ignored; found ones are moved a little, and
    false alarms stand anywhere. Scores are all different."""
    rng = np.random.default_rng(seed)
    records: list[ImageRecord] = []
    detections: list[Detections] = []
    for i in range(num_pictures):
        num = int(rng.integers(0, 13))
        corner = rng.uniform(0, 400, (num, 2))
        sides = np.exp(rng.uniform(np.log(4), np.log(60), (num, 2)))
        boxes = np.concatenate([corner, corner + sides], axis=1).astype(np.float32)
        labels = rng.integers(0, 2, num)
        none = np.zeros(num, dtype=np.bool_)
        ignore = rng.random(num) < 0.1
        records.append(ImageRecord(Path(f"{i}.png"), 500, 500, boxes, labels, ignore, none, i))
        seen = rng.random(num) < hit_rate
        moved = boxes[seen] + rng.normal(0, 0.08, (int(seen.sum()), 1)) * np.tile(sides[seen], 2)
        false = int(rng.integers(0, 6))
        corner = rng.uniform(0, 400, (false, 2))
        wrong = np.concatenate([corner, corner + 10], axis=1)
        classes = np.concatenate([labels[seen], rng.integers(0, 2, false)])
        detections.append(
            Detections(
                torch.from_numpy(np.concatenate([moved, wrong])).float(),
                torch.from_numpy(rng.random(len(classes))).float(),
                torch.from_numpy(classes),
                NAMES,
            )
        )
    return Index(NAMES, tuple(records)), detections


def _comparison(
    truth: Index, detections: list[Detections], sizes: SizeRanges = SIZE_RANGES_PX
) -> Comparison:
    return compare(truth, detections, conf=0.25, max_detections=1500, sizes=sizes)


def test_each_draw_is_what_an_evaluation_of_the_drawn_pictures_gives() -> None:
    """Held to hotcoco: pictures drawn twice stand twice in a set of their own."""
    truth, detections = drawn(6, seed=1)
    weights = np.array([[1, 1, 1, 1, 1, 1], [2, 0, 1, 3, 0, 0], [0, 0, 0, 0, 6, 0]], np.float32)
    values = resampled(_comparison(truth, detections), Draws(weights, np.arange(6)))[0]
    for row, counts in enumerate(weights.astype(int).tolist()):
        rows = np.repeat(np.arange(6), counts).tolist()
        again = Index(NAMES, tuple(truth.records[i] for i in rows))
        metrics = score(again, [detections[i] for i in rows]).metrics
        for name, draws in values.items():
            wanted = metrics[name]
            if wanted is None:
                assert np.isnan(draws[row])
            else:
                assert draws[row] == pytest.approx(wanted, abs=1e-9)
    assert {"AP", "AP50", "AP_tiny", "AP50_small", "precision", "recall", "best_F1"} <= set(values)


def test_many_hits_in_steps_are_as_good(monkeypatch: pytest.MonkeyPatch) -> None:
    comparison = _comparison(*drawn(40, seed=2))
    exact = bootstrap_ap(comparison, 50).values["AP"]
    monkeypatch.setattr("smalldet.evaluation.draws.MOST_STEPS", 40)
    coarse = bootstrap_ap(comparison, 50).values["AP"]
    assert not np.array_equal(exact, coarse)
    assert coarse == pytest.approx(exact, abs=0.01)


def test_draws_depend_on_the_seed_and_the_pictures_alone() -> None:
    """So two models are compared on the same draws: a model with itself is never better."""
    truth, detections = drawn(20, seed=3)
    comparison = _comparison(truth, detections)
    half = _comparison(truth, [one[one.scores > 0.5] for one in detections])
    first, again = bootstrap_ap(comparison, 40), bootstrap_ap(comparison, 40)
    assert np.array_equal(first.values["AP"], again.values["AP"])
    assert not np.array_equal(first.values["AP"], bootstrap_ap(comparison, 40, seed=1).values["AP"])
    assert paired_differences(first, again)["AP"] == (0, 0)
    paired = np.ptp(paired_differences(first, bootstrap_ap(half, 40))["AP"])
    apart = np.ptp(paired_differences(first, bootstrap_ap(half, 40, seed=1))["AP"])
    assert paired < apart
    other = _comparison(*drawn(21, seed=3))
    with pytest.raises(ValueError, match="same pictures"):
        paired_differences(first, bootstrap_ap(other, 40))


def test_pictures_of_one_scene_are_drawn_together() -> None:
    """Four tiles of one scene are one draw, whatever is found in them."""
    plain = picture((0, 0, 0, 10, 10))
    tiles = [
        replace(plain, path=Path(f"{name}_{x}_{y}.png"))
        for name in ("a", "b")
        for x in (0, 512)
        for y in (0, 512)
    ]
    truth = index(*tiles, replace(plain, path=Path("one.png")))
    number, unit = scenes(truth)
    assert number.tolist() == [0, 0, 0, 0, 1, 1, 1, 1, 2]
    assert unit == "scenes"
    assert scenes(index(plain, plain))[1] == "pictures"
    hit = found((0.9, 0, 0, 0, 10, 10))
    result = bootstrap_ap(_comparison(truth, [hit] * 4 + [found()] * 5), 200)
    assert (result.num_drawn, result.unit) == (3, "scenes")
    # 4, 4 or 1 of the objects for each of three draws, and only those of the first scene are found
    possible = {4 * a / (4 * (a + b) + 3 - a - b) for a in range(4) for b in range(4 - a)}
    recall = result.values["recall"]
    assert all(min(abs(r - p) for p in possible) < 1e-9 for r in set(recall.tolist()))


def test_intervals_stand_in_the_report() -> None:
    truth, detections = drawn(10, seed=4)
    report = score(truth, detections, num_resamples=100)
    written = report.as_dict()
    assert written["intervals_over"] == "10 pictures"
    low, high = written["intervals"]["AP"]
    assert low < written["AP"] < high
    json.dumps(written, allow_nan=False)
    assert score(truth, detections).as_dict()["intervals"] == {}


def test_a_single_class_without_objects_and_an_empty_set() -> None:
    nothing = bootstrap_ap(_comparison(index(picture()), [found((0.9, 0, 0, 0, 9, 9))]), 5)
    assert np.isnan(nothing.values["AP"]).all()
    assert nothing.intervals() == {"precision": (0, 0)}
    assert bootstrap_ap(compare(index(), [], conf=0.2, max_detections=9), 5).intervals() == {}


@pytest.mark.slow
def test_95_percent_hold_the_true_value_nearly_as_often() -> None:
    """150 sets of 60 pictures of one kind; the truth is AP over 3000 others. Bootstrap intervals
    of few pictures hold a little less than they say."""
    truth, detections = drawn(3000, seed=10_000)
    true = {name: score(truth, detections).metrics[name] for name in ("AP", "AP50", "recall")}
    held = dict.fromkeys(true, 0)
    for seed in range(150):
        ends = bootstrap_ap(_comparison(*drawn(60, seed), sizes={}), 300).intervals()
        for name, value in true.items():
            assert value is not None
            held[name] += ends[name][0] <= value <= ends[name][1]
    assert all(0.87 <= num / 150 <= 0.99 for num in held.values()), held


@pytest.mark.slow
def test_a_difference_that_is_none_is_called_real_one_time_in_twenty() -> None:
    """Two models alike by make on the same pictures: their errors are independent."""
    called = 0
    for seed in range(150):
        truth, first = drawn(60, seed)
        rng = np.random.default_rng(seed + 5000)
        keep = [torch.from_numpy(rng.random((2, len(one))) < 0.8) for one in first]
        models = [
            [take(one, mask[m]) for one, mask in zip(first, keep, strict=True)] for m in (0, 1)
        ]
        draws = [bootstrap_ap(_comparison(truth, model, sizes={}), 300) for model in models]
        low, high = paired_differences(*draws)["AP"]
        called += not low <= 0 <= high
    assert called / 150 <= 0.11, called
