"""Side by side: a real difference is told with its sizes, and no other."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from smalldet.data.index import Index
from smalldet.detections import Detections
from smalldet.evaluation.kept import Kept
from smalldet.evaluation.options import EvaluateOptions
from smalldet.evaluation.page.comparison_page import comparison_page
from smalldet.evaluation.side_by_side import SideBySide, side_by_side, unlike_names
from tests.evaluation.by_hand import found, oriented_found, oriented_picture, picture

NUM = 40
OPTIONS = EvaluateOptions(num_resamples=300)


def kept(name: str, lost: float = 0.0, names: tuple[str, ...] = ("car", "person")) -> Kept:
    """Four objects of 10 px and two of 50 px a picture; a share of the small ones is not found."""
    rng = np.random.default_rng(3)
    records, detections = [], []
    for i in range(NUM):
        objects = [
            (j % 2, 100 * j, 0, side, side) for j, side in enumerate((10, 10, 10, 10, 50, 50))
        ]
        records.append(replace(picture(*objects), path=Path(f"{i}.png"), image_id=i))
        sure = rng.uniform(0.3, 0.9, 6)
        gone = rng.uniform(size=6) < lost * (np.array([1, 1, 1, 1, 0, 0]))
        rows = [(s, *o) for s, o, g in zip(sure, objects, gone, strict=True) if not g]
        detections.append(found(*rows, (0.4, 0, 300, 500, 12, 12), names=names))
    return Kept(Index(("car", "person"), tuple(records)), detections, {}, name, "", 0.25, "same")


def test_what_is_lost_at_one_size_is_told_of_it() -> None:
    outcome = side_by_side([kept("runs/a"), kept("runs/b", lost=0.3)], OPTIONS)
    (differences,), (sentence,) = outcome.differences, outcome.sentences
    assert differences["AP"].is_real and differences["AP"].high < 0
    assert differences["AP_tiny"].is_real and not differences["AP_medium"].is_real
    assert sentence.startswith("b is worse than a: AP -") and "at 8-16 px -" in sentence
    assert "32-96" not in sentence
    assert set(outcome.by_class[0]) == {"car", "person"}
    other_way = side_by_side([kept("b", lost=0.3), kept("a")], OPTIONS)
    assert other_way.sentences[0].startswith("a is better than b: AP +")
    assert other_way.differences[0]["AP"].value == pytest.approx(-differences["AP"].value)


def test_equal_results_cannot_be_told_apart() -> None:
    outcome = side_by_side([kept("x/m"), kept("y/m")], OPTIONS)
    assert outcome.sentences == (
        "y/m and x/m cannot be told apart over all sizes: AP +0.0 (0.0 to 0.0); nor at any single "
        "size.",
    )
    assert not any(one.is_real for one in outcome.differences[0].values())


def test_only_classes_that_all_have_are_compared() -> None:
    both, one = kept("both"), kept("one")
    only_cars = [
        replace(Detections(d.boxes, d.scores, d.labels * 0, ("car",))[d.labels == 0])
        for d in one.detections
    ]
    outcome = side_by_side([both, replace(one, detections=only_cars)], OPTIONS)
    assert outcome.as_dict()["classes"] == ["car"]
    assert outcome.differences[0]["AP"].value == pytest.approx(0)
    with pytest.raises(ValueError, match="no class of the data that all were measured on"):
        trees = [Detections.empty(("person",))] * NUM
        side_by_side([replace(both, detections=only_cars), replace(one, detections=trees)], OPTIONS)


def turned(name: str, off_degrees: float) -> Kept:
    """An object of 40 x 10 px at 45 degrees in each of five pictures, found at another angle."""
    truth = tuple(
        replace(oriented_picture((0, 100, 100, 40, 10, 45)), path=Path(f"{i}.png"), image_id=i)
        for i in range(5)
    )
    detections = [oriented_found((0.9, 0, 100, 100, 40, 10, 45 + off_degrees))] * 5
    return Kept(Index(("car", "person"), truth), detections, {}, name, "", 0.25, "same")


def test_oriented_boxes_are_compared_where_both_sides_have_them() -> None:
    better, worse = turned("a", 0), turned("b", 60)
    outcome = side_by_side([better, worse], OPTIONS)
    assert "OBB_AP50" in outcome.metrics
    lost = outcome.differences[0]["OBB_AP50"]
    assert (lost.value, lost.is_real) == (pytest.approx(-1), True)
    plain = [replace(one, rboxes=None) for one in worse.detections]
    outcome = side_by_side([better, replace(worse, detections=plain)], OPTIONS)
    assert "OBB_AP" not in outcome.differences[0]
    console = Console(width=100)
    with console.capture() as capture:
        console.print(outcome)
    row = next(line for line in capture.get().splitlines() if line.startswith("OBB_AP50"))
    assert row.split() == ["OBB_AP50", "100.0", "-"]
    assert "OBB_AP50" in comparison_page(outcome)


def test_the_file_has_plain_values() -> None:
    outcome: SideBySide = side_by_side([kept("a"), kept("b", lost=0.5), kept("c")], OPTIONS)
    content = outcome.as_dict()
    assert [side["name"] for side in content["sides"]] == ["a", "b", "c"]
    assert [one["of"] for one in content["differences"]] == ["b", "c"]
    assert content["differences"][0]["metrics"]["AP"]["is_real"] is True


def test_names_are_as_short_as_they_can_be() -> None:
    assert unlike_names(["runs/a", "runs/b/"]) == ["a", "b"]
    assert unlike_names(["a/best.safetensors", "b/best.safetensors"]) == [
        "a/best.safetensors",
        "b/best.safetensors",
    ]
    assert unlike_names(["m", "m"]) == ["m (1)", "m (2)"]
