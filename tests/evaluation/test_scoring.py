"""Numbers that are known by hand, and what each rule of the evaluation protects."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from smalldet.data.index import ImageRecord, Index
from smalldet.detections import Detections
from smalldet.evaluation.scoring import score
from smalldet.evaluation.size_ranges import SIZE_RANGES_PX
from tests.evaluation.by_hand import Row
from tests.evaluation.by_hand import found as _found
from tests.evaluation.by_hand import index as _index
from tests.evaluation.by_hand import picture as _picture


def test_golden_case() -> None:
    """Car: hit, false alarm, hit over 2 objects of 10 px; person: 1 of 2 objects, IoU 0.6."""
    truth = _index(
        _picture((0, 0, 0, 10, 10), (0, 50, 50, 10, 10)),
        _picture((1, 0, 0, 20, 20), (1, 100, 100, 20, 20)),
    )
    detections = [
        _found((0.9, 0, 0, 0, 10, 10), (0.8, 0, 200, 0, 10, 10), (0.7, 0, 50, 50, 10, 10)),
        _found((0.6, 1, 0, 0, 20, 12), (0.1, 1, 300, 300, 20, 20)),
    ]
    report = score(truth, detections, conf=0.25)
    # 101 points: recall 0..0.5 (51) at precision 1, the other 50 at 2/3.
    car = (51 + 50 * 2 / 3) / 101
    person = 51 / 101  # half of the objects; at IoU 0.5, 0.55 and (0.6 exactly) 0.6
    cars, people = report.per_class["car"], report.per_class["person"]
    assert [cars[key] for key in ("AP", "AP50", "AP75")] == pytest.approx([car] * 3)
    assert people["AP50"] == pytest.approx(person)
    assert people["AP75"] == 0
    assert people["AP"] == pytest.approx(person * 3 / 10)
    assert report.metrics["AP50"] == pytest.approx((car + person) / 2)
    assert report.metrics["AP_tiny"] == pytest.approx(car)
    assert report.metrics["AP_small"] == pytest.approx(person * 3 / 10)
    assert report.metrics["AP_large"] is None
    assert report.metrics["AR"] == pytest.approx((1 + 0.5 * 3 / 10) / 2)
    assert (cars["precision"], cars["recall"], cars["false_alarms"]) == (2 / 3, 1, 1)
    assert (people["precision"], people["recall"], people["false_alarms"]) == (1, 0.5, 0)
    assert report.metrics["false_alarms_per_megapixel"] == pytest.approx(1 / 2)
    assert report.counts == {
        "all": 4, "very_tiny": 0, "tiny": 2, "small": 2, "medium": 0, "large": 0
    }  # fmt: skip


def test_a_detection_of_another_size_counts_only_if_it_meets_an_object_of_the_range() -> None:
    """A 9 px detection on a 7.5 px object is a hit among the very tiny; one of 20 px on nothing
    is no false alarm there, one of 7 px is."""
    truth = _index(_picture((0, 0, 0, 7.5, 7.5)), names=("car",))
    on_it = (0.5, 0, 0, 0, 9, 9)

    def very_tiny(*others: Row) -> float | None:
        detections = _found(*others, on_it, names=("car",))
        return score(truth, [detections]).metrics["AP50_very_tiny"]

    assert very_tiny() == pytest.approx(1)
    assert very_tiny((0.9, 0, 500, 500, 20, 20)) == pytest.approx(1)
    assert very_tiny((0.9, 0, 500, 500, 7, 7)) == pytest.approx(0.5)


def test_an_object_of_exactly_8_px_is_only_tiny() -> None:
    truth = _index(_picture((0, 10.3, 777.7, 8, 8)), names=("car",))
    report = score(truth, [_found((0.9, 0, 10.3, 777.7, 8, 8), names=("car",))])
    assert report.metrics["AP_tiny"] == pytest.approx(1)
    assert report.metrics["AP_very_tiny"] is None
    assert report.counts["tiny"] == 1
    # COCO's own ranges are closed: 32 px are small and medium.
    truth = _index(_picture((0, 0, 0, 32, 32)), names=("car",))
    metrics = score(truth, [_found((0.9, 0, 0, 0, 32, 32), names=("car",))]).metrics
    assert metrics["COCO_AP_small"] == metrics["COCO_AP_medium"] == pytest.approx(1)
    assert (metrics["AP_small"], metrics["AP_medium"]) == (None, pytest.approx(1))


def test_ours_and_cocos_large_are_measured_in_one_run() -> None:
    truth = _index(_picture((0, 0, 0, 200, 200)), names=("car",))
    metrics = score(truth, [_found((0.9, 0, 0, 0, 200, 200), names=("car",))]).metrics
    assert metrics["AP_large"] == metrics["COCO_AP_large"] == pytest.approx(1)
    assert metrics["AR_large"] == metrics["COCO_AR_large"] == pytest.approx(1)


def test_ignore_regions_take_any_number_of_detections_of_their_class() -> None:
    truth = _index(_picture((0, 0, 0, 10, 10), (0, 100, 100, 100, 100), ignore=(1,)))
    inside = [(0.9, 0, 110 + 20 * i, 110, 10, 10) for i in range(4)]
    half_in = (0.9, 0, 195, 150, 10, 10)
    less = (0.8, 0, 196, 120, 10, 10)
    other_class = (0.9, 1, 150, 150, 10, 10)
    detections = _found(*inside, half_in, less, other_class, (0.5, 0, 0, 0, 10, 10))
    report = score(truth, [detections])
    assert report.per_class["car"]["false_alarms"] == 1
    assert report.per_class["person"]["false_alarms"] == 1
    assert report.counts["all"] == 1
    assert report.metrics["recall"] == 1
    assert report.metrics["AP50"] == pytest.approx(0.5)  # only `less` is stronger than the hit


def test_an_unknown_class_has_hits_but_no_false_alarms() -> None:
    known = _picture((0, 0, 0, 10, 10))
    unknown = replace(known, unknown=frozenset({0}))
    detections = _found((0.9, 0, 500, 500, 10, 10), (0.8, 0, 0, 0, 10, 10))
    strict = score(_index(known, known), [detections, detections]).per_class["car"]
    lenient = score(_index(known, unknown), [detections, detections]).per_class["car"]
    assert strict["false_alarms"] == 2
    assert lenient["false_alarms"] == 1
    assert lenient["false_alarms_per_megapixel"] == pytest.approx(1)
    assert lenient["recall"] == 1


def test_objects_of_a_class_that_the_model_lacks_excuse_nothing() -> None:
    truth = _index(_picture((0, 0, 0, 10, 10), (1, 50, 50, 10, 10)))
    detections = _found((0.9, 0, 0, 0, 10, 10), (0.8, 0, 50, 50, 10, 10), names=("CAR", "ship"))
    report = score(truth, [detections])
    assert list(report.per_class) == ["car"]
    assert report.metrics["false_alarms"] == 1
    assert report.metrics["AP"] == pytest.approx(1)
    assert report.left_out == {"model": ("ship",), "data": ("person",)}
    assert any("ship" in note for note in report.notes)


def test_a_class_without_objects_is_not_in_the_mean() -> None:
    truth = _index(_picture((0, 0, 0, 10, 10)))
    detections = _found((0.9, 0, 0, 0, 10, 10), (0.9, 1, 50, 50, 10, 10))
    report = score(truth, [detections])
    assert report.metrics["AP"] == pytest.approx(1)
    assert report.per_class["person"]["AP"] is None
    assert report.per_class["person"]["recall"] is None
    assert report.per_class["person"]["false_alarms"] == 1
    assert report.metrics["precision"] == 0.5
    assert any("person" in note for note in report.notes)


def test_nothing_found() -> None:
    truth = _index(_picture((0, 0, 0, 10, 10)), _picture())
    report = score(truth, [_found(), _found()])
    assert report.metrics["AP"] == report.metrics["AP_tiny"] == report.metrics["recall"] == 0
    assert report.metrics["precision"] is None
    assert report.metrics["AP_small"] is None


@pytest.mark.parametrize("num_pictures", [0, 2])
def test_no_truth_is_no_number_and_no_crash(tmp_path: Path, num_pictures: int) -> None:
    truth = _index(*[_picture()] * num_pictures)
    detections = [_found((0.9, 0, 0, 0, 10, 10))] * num_pictures
    report = score(truth, detections)
    measured = {k for k, v in report.metrics.items() if v is not None and "false" not in k}
    of_detections = {"precision", "ECE", "ECE_tiny"}
    assert measured == (of_detections if num_pictures else set())
    report.write(tmp_path / "metrics.json")
    assert json.loads((tmp_path / "metrics.json").read_text())["AP"] is None


def test_only_the_strongest_of_a_picture_count() -> None:
    truth = _index(_picture((0, 0, 0, 10, 10)), names=("car",))
    weak_hit = (0.3, 0, 0, 0, 10, 10)
    noise = [(0.9, 0, 20 * (i % 40) + 20, 20 * (i // 40) + 20, 10, 10) for i in range(200)]
    detections = [_found(weak_hit, *noise, names=("car",))]
    assert score(truth, detections).metrics["recall"] == 1
    assert score(truth, detections).metrics["AR"] == pytest.approx(1)
    assert score(truth, detections).metrics["COCO_AR_100"] == 0
    assert score(truth, detections, max_detections=200).metrics["recall"] == 0
    assert score(truth, detections, max_detections=50).metrics["false_alarms"] == 50


def test_a_score_equal_to_conf_counts() -> None:
    """0.7 as float32 is less than 0.7."""
    truth = _index(_picture((0, 0, 0, 10, 10)))
    detections = [_found((0.7, 0, 0, 0, 10, 10))]
    assert score(truth, detections, conf=0.7).metrics["recall"] == 1
    assert score(truth, detections, conf=0.71).metrics["recall"] == 0


def test_pictures_and_detections_must_pair() -> None:
    with pytest.raises(ValueError, match="1 pictures need as many"):
        score(_index(_picture()), [])
    with pytest.raises(ValueError, match="same class names"):
        score(_index(_picture(), _picture()), [_found(), _found(names=("car",))])


_boxes = st.tuples(*[st.integers(0, 30)] * 2, *[st.integers(1, 30)] * 2)
_objects = st.lists(st.tuples(st.integers(0, 1), _boxes).map(lambda t: (t[0], *t[1])), max_size=6)
_scores = st.lists(st.integers(1, 20), min_size=12, max_size=12)


@given(objects=_objects, scores=_scores, order=st.permutations(range(12)))
@settings(deadline=None, max_examples=30)
def test_order_of_detections_changes_nothing(
    objects: list[Row], scores: list[int], order: list[int]
) -> None:
    """Ties are broken by place: the report is a function of the set."""
    truth = _index(_picture(*objects))
    detections = _found(
        *((s / 20, i % 2, 3 * i, i, 10, 10) for i, s in enumerate(scores)),
    )
    shuffled = detections[torch.tensor(order)]
    assert score(truth, [detections]).as_dict() == score(truth, [shuffled]).as_dict()


def test_the_best_confidence_is_where_false_alarms_begin() -> None:
    """Hits at 0.9 and 0.6, a false alarm at 0.4: F1 is highest with both hits and nothing else."""
    truth = np.array([[10, 10, 20, 20], [40, 40, 50, 50], [70, 70, 80, 80]], dtype=np.float32)
    record = ImageRecord(
        Path("a.png"),
        100,
        100,
        truth,
        np.zeros(3, np.int64),
        np.zeros(3, bool),
        np.zeros(3, bool),
        1,
    )
    boxes = torch.tensor([[10.0, 10, 20, 20], [40, 40, 50, 50], [0, 90, 9, 99], [0, 0, 5, 5]])
    scores = torch.tensor([0.9, 0.6, 0.4, 0.3])
    detections = Detections(boxes, scores, torch.zeros(4, dtype=torch.long), ("car",))
    report = score(Index(("car",), (record,)), [detections])
    assert report.metrics["best_conf"] == pytest.approx(0.6)
    assert report.metrics["best_F1"] == pytest.approx(2 * 2 / (2 + 3))


def test_what_only_the_model_knows_is_counted_for_the_area() -> None:
    record = ImageRecord(
        Path("a.png"), 1000, 500, np.array([[10, 10, 20, 20]], dtype=np.float32),
        np.zeros(1, np.int64), np.zeros(1, bool), np.zeros(1, bool), 1,
    )  # fmt: skip
    boxes = torch.tensor([[10.0, 10, 20, 20], [40, 40, 50, 50], [70, 70, 80, 80]])
    detections = Detections(
        boxes, torch.tensor([0.9, 0.8, 0.1]), torch.tensor([0, 1, 1]), ("car", "bus")
    )
    report = score(Index(("car",), (record,)), [detections], conf=0.25)
    assert report.unjudged == {"bus": pytest.approx(1 / 0.5)}


def test_sizes_are_those_asked_for() -> None:
    """Other ranges in every part of the report, and nothing is left of them in the next one."""
    truth = _index(_picture((0, 0, 0, 10, 10), (0, 50, 50, 20, 20)))
    detections = [_found((0.9, 0, 0, 0, 10, 10))]
    report = score(truth, detections, sizes={"under_16": (0, 16), "more": (16, 99)})
    assert report.counts == {"all": 2, "under_16": 1, "more": 1}
    assert report.metrics["AP_under_16"] == pytest.approx(1)
    assert report.metrics["AP_more"] == 0
    assert report.metrics["COCO_AP_small"] == report.metrics["COCO_AP"]
    assert "AP_tiny" not in report.metrics
    assert report.as_dict()["size_ranges_px"] == {"under_16": [0, 16], "more": [16, 99]}
    console = Console(width=80)
    with console.capture() as capture:
        console.print(report)
    assert "16-99" in capture.get()
    usual = score(truth, detections)
    assert list(usual.counts)[1:] == list(SIZE_RANGES_PX)
    with pytest.raises(TypeError):
        SIZE_RANGES_PX["under_16"] = (0.0, 16.0)  # type: ignore[index]
