"""NWD and centre distance in the place of IoU, on cases worked by hand."""

from __future__ import annotations

import math

import pytest

from smalldet.evaluation.scoring import score
from tests.evaluation.by_hand import Row, found, index, picture

OBJECT = (0, 100, 100, 6, 6)


def _measured(*detections: Row, ignore: tuple[int, ...] = ()) -> dict[str, float | None]:
    truth = index(picture(OBJECT, (0, 300, 300, 50, 50), ignore=(1, *ignore)))
    return score(truth, [found(*detections)]).metrics


def test_nwd_of_shifted_boxes() -> None:
    """A shift of s px has NWD exp(-s / 12.7): 1 px is 0.924, a hit at nine of ten thresholds; by
    8.8 px 0.5001, where IoU is none."""
    metrics = _measured((0.9, 0, 101, 100, 6, 6))
    assert (metrics["NWD_AP"], metrics["NWD_AP50"]) == (pytest.approx(0.9), pytest.approx(1))
    metrics = _measured((0.9, 0, 108.8, 100, 6, 6))
    assert (metrics["NWD_AP"], metrics["NWD_AP50"]) == (pytest.approx(0.1), pytest.approx(1))
    assert metrics["AP50"] == 0
    assert math.exp(-8.81 / 12.7) < 0.5
    assert _measured((0.9, 0, 108.81, 100, 6, 6))["NWD_AP50"] == 0


def test_nwd_of_other_sides() -> None:
    """Sides longer by 2 s px about one centre are s root 2 px apart: 6 and 18 px 8.485, NWD 0.513;
    6 and 19 px have 9.19, 0.485."""
    assert _measured((0.9, 0, 94, 94, 18, 18))["NWD_AP50"] == pytest.approx(1)
    assert _measured((0.9, 0, 93.5, 93.5, 19, 19))["NWD_AP50"] == 0


def test_centres_within_half_a_side() -> None:
    """3 px for an object of 6, whatever the sides of the detection."""
    assert _measured((0.9, 0, 103, 100, 6, 6))["centre_AP"] == pytest.approx(1)
    assert _measured((0.9, 0, 103.1, 100, 6, 6))["centre_AP"] == 0
    assert _measured((0.9, 0, 83, 83, 40, 40))["centre_AP"] == pytest.approx(1)
    # of two the stronger is the hit, not the nearer
    metrics = _measured((0.9, 0, 102, 100, 6, 6), (0.8, 0, 100, 100, 6, 6))
    assert metrics["centre_AP"] == pytest.approx(1)


def test_ignore_regions_take_half_of_a_detection() -> None:
    """The region's own centre and sides are nothing to meet."""
    inside, outside = (0.9, 0, 346, 310, 8, 8), (0.9, 0, 347, 310, 8, 8)
    hit = (0.5, 0, *OBJECT[1:])
    for name in ("NWD_AP50", "centre_AP"):
        assert _measured(inside, hit)[name] == pytest.approx(1)
        assert _measured(outside, hit)[name] == pytest.approx(0.5)
