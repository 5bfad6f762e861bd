"""Scores against the share that is right."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hotcoco import COCOeval

from smalldet.data.index import Index
from smalldet.evaluation.calibration import calibrate, in_bins
from smalldet.evaluation.comparison import Comparison, compare
from smalldet.evaluation.confusion import confusion_matrix
from smalldet.evaluation.rows import coco_pair
from smalldet.evaluation.scoring import score
from tests.evaluation.by_hand import Row, found, index, picture
from tests.evaluation.test_parity import _random

CAR, PERSON = 0, 1


def test_error_by_hand() -> None:
    """Two of score 0.9, one right: 0.4 apart; two of 0.25, both wrong: 0.25 apart."""
    curve = in_bins(np.array([0.9, 0.9, 0.25, 0.25]), np.array([True, False, False, False]))
    assert curve.num.tolist() == [0, 0, 2, 0, 0, 0, 0, 0, 2, 0]
    assert curve.precision[[2, 8]].tolist() == [0, 0.5]
    assert curve.error == pytest.approx((0.4 + 0.25) / 2)
    assert in_bins(np.zeros(0), np.zeros(0, np.bool_)).error is None


def test_scores_that_tell_the_truth_have_next_to_no_error() -> None:
    rng = np.random.default_rng(0)
    scores = rng.random(200_000)
    assert in_bins(scores, rng.random(len(scores)) < scores).error == pytest.approx(0, abs=0.005)
    assert in_bins(scores, rng.random(len(scores)) < scores / 2).error == pytest.approx(
        0.25, abs=0.01
    )


def test_sizes_are_those_of_the_detections_and_what_is_excused_is_left_out() -> None:
    truth = index(picture((CAR, 0, 0, 10, 10), (CAR, 100, 100, 100, 100), ignore=(1,)))
    rows: list[Row] = [
        (0.8, CAR, 0, 0, 10, 10), (0.6, CAR, 300, 300, 20, 20), (0.9, CAR, 110, 110, 10, 10)
    ]  # fmt: skip
    report = score(truth, [found(*rows)])
    assert report.metrics["ECE_tiny"] == pytest.approx(0.2)
    assert report.metrics["ECE_small"] == pytest.approx(0.6)
    assert report.metrics["ECE"] == pytest.approx(0.4)
    assert report.per_class["person"]["ECE"] is None
    curves = report.as_dict()["calibration"]
    assert curves["all"]["num_detections"][6:9] == [1, 0, 1]
    assert curves["all"]["precision"][6:9] == [0, None, 1]


def test_confusion_by_hand() -> None:
    """A car found as a person, and the car's own, weaker detection, that finds it taken; a
    person found; a person missed; a car on nothing; a car that an ignore region excuses."""
    truth = index(
        picture(
            (CAR, 0, 0, 10, 10),
            (PERSON, 50, 50, 10, 10),
            (PERSON, 90, 90, 10, 10),
            (CAR, 200, 200, 100, 100),
            ignore=(3,),
        )
    )
    rows: list[Row] = [
        (0.9, PERSON, 0, 0, 10, 10),
        (0.8, CAR, 1, 0, 10, 10),
        (0.9, PERSON, 50, 50, 10, 10),
        (0.9, CAR, 220, 220, 10, 10),
        (0.1, CAR, 500, 500, 10, 10),
    ]
    comparison = compare(truth, [found(*rows)], conf=0.25, max_detections=9)
    # The car's own detection is a hit by class, but here its object is taken.
    assert confusion_matrix(comparison).tolist() == [[0, 1, 0], [0, 1, 1], [1, 0, 0]]


@pytest.fixture(params=range(3))
def drawn(request: Any) -> Comparison:
    """Without ignore regions, which hotcoco counts as objects here."""
    truth, detections = _random(request.param)
    records = tuple(replace(r, ignore=np.zeros(len(r.boxes), np.bool_)) for r in truth.records)
    return compare(Index(truth.class_names, records), detections, conf=0.1, max_detections=1500)


def test_the_same_as_hotcoco(drawn: Comparison, record_parity: Callable[..., None]) -> None:
    evaluation: Any = COCOeval(*coco_pair(drawn.index, drawn.objects, drawn.detections), "bbox")
    evaluation.params.max_dets = [1500]
    evaluation.evaluate()
    theirs = evaluation.calibration()
    ours = calibrate(drawn).error
    assert ours is not None
    record_parity("calibration", "hotcoco", "ECE", abs(ours - theirs["ece"]))
    assert ours == pytest.approx(theirs["ece"], abs=1e-12)
    matrix = evaluation.confusion_matrix(min_score=0.1, max_det=1500)["matrix"]
    assert confusion_matrix(drawn).tolist() == matrix.tolist()
