"""VisDrone's protocol on cases worked by hand from the toolkit's calcAccuracy.m, evalRes.m and
dropObjectsInIgr.m (github.com/VisDrone/VisDrone2018-DET-toolkit)."""

from __future__ import annotations

import pytest

from smalldet.evaluation.scoring import score
from tests.evaluation.by_hand import Row, found, index, picture

CAR = (0, 0, 0, 10, 10)


def test_ap_is_the_area_under_the_curve() -> None:
    """VOCap(rec, prec): hit, false alarm, hit of 3 objects: a third at 1, a third at 2/3."""
    truth = index(picture(CAR, (0, 50, 0, 10, 10), (0, 99, 0, 10, 10)))
    detections = found((0.9, 0, 0, 0, 10, 10), (0.8, 0, 500, 0, 10, 10), (0.7, 0, 50, 0, 10, 8))
    metrics = score(truth, [detections]).metrics
    assert metrics["VisDrone_AP50"] == pytest.approx(1 / 3 + 2 / 9)
    # the third has IoU 0.8: a hit up to the seventh threshold of ten
    assert metrics["VisDrone_AP75"] == pytest.approx(1 / 3 + 2 / 9)
    assert metrics["VisDrone_AP"] == pytest.approx((7 * (1 / 3 + 2 / 9) + 3 / 3) / 10)
    # recall of the strongest of the picture, of ten
    assert metrics["VisDrone_AR1"] == pytest.approx(1 / 3)
    assert metrics["VisDrone_AR10"] == pytest.approx((7 * 2 / 3 + 3 / 3) / 10)


def test_the_cap_is_over_all_classes() -> None:
    """`det(1:min(size(det,1),maxDets), 6) == idClass`: 500 people, stronger, leave no car."""
    people = [(0.9, 1, 20 * (i % 45) + 50, 20 * (i // 45) + 50, 5, 5) for i in range(500)]
    truth = index(picture(CAR, (1, 50, 50, 5, 5)))
    report = score(truth, [found(*people, (0.1, 0, *CAR[1:]))])
    assert report.per_class["car"]["AP50"] == pytest.approx(1)
    assert report.per_class["car"]["VisDrone_AP50"] == 0
    assert report.per_class["person"]["VisDrone_AR500"] == pytest.approx(1)
    report = score(truth, [found(*people[1:], (0.1, 0, *CAR[1:]))])
    assert report.per_class["car"]["VisDrone_AP50"] == pytest.approx(1)


def test_half_in_ignored_regions_is_dropped_before_the_cap() -> None:
    """Objects and detections alike; two regions count together; dropped ones take no place."""
    regions = [(0, 100, 100, 50, 100), (0, 140, 100, 60, 100)]
    inside = [(0.9, 0, 110 + i * 0.1, 120, 10, 10) for i in range(400)]
    over_both = (0.85, 0, 90, 150, 120, 10)  # 42 % and 50 % of it, together 83 %
    mostly_out = (0.8, 0, 194, 150, 11, 10)  # 55 % of it is in
    out = (0.8, 0, 195, 120, 11, 10)  # 45 % is in
    truth = index(picture(*regions, CAR, (0, 120, 150, 10, 10), ignore=(0, 1)))
    hit = (0.5, 0, *CAR[1:])
    car = score(truth, [found(*inside, over_both, mostly_out, hit)]).per_class["car"]
    assert car["VisDrone_AP"] == car["VisDrone_AR1"] == pytest.approx(1)
    car = score(truth, [found(*inside, out, hit)]).per_class["car"]
    assert car["VisDrone_AP50"] == pytest.approx(0.5)
    assert car["VisDrone_AR1"] == 0


def test_two_regions_that_hold_less_than_a_half_each() -> None:
    """30 % in each of two regions that share ground: together 40 % here, 60 % there."""

    def ap(second: Row) -> float | None:
        truth = index(picture((0, 100, 100, 30, 50), second, CAR, ignore=(0, 1)))
        detections = found((0.9, 0, 100, 100, 100, 50), (0.5, 0, *CAR[1:]))
        return score(truth, [detections]).metrics["VisDrone_AP50"]

    assert ap((0, 130, 100, 30, 50)) == pytest.approx(1)
    assert ap((0, 110, 100, 30, 50)) == pytest.approx(0.5)


def test_the_mean_weighs_classes_by_their_pictures() -> None:
    """`evalClass` gets a class once for each picture that has it: cars in 3, people in 1."""
    plain, both = picture(CAR), picture(CAR, (1, 50, 50, 5, 5))
    hit = (0.9, 0, *CAR[1:])
    metrics = score(index(plain, plain, both), [found(hit)] * 3).metrics
    assert metrics["VisDrone_AP"] == pytest.approx(0.75)
    assert metrics["AP"] == pytest.approx(0.5)
