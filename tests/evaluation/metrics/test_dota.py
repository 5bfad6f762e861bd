"""DOTA's rules on cases worked by hand, as its kit's dota_evaluation_task1.py states them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from smalldet.data.index import ImageRecord
from smalldet.detections import Detections
from smalldet.evaluation.scoring import score
from tests.evaluation.by_hand import Row, index, oriented_found, oriented_picture

A, B, C = (100, 100, 40, 10, 30), (300, 100, 40, 10, -60), (500, 100, 20, 20, 10)
NOWHERE = (800, 800, 40, 10, 30)


def _truth(*rboxes: Row, difficult: tuple[int, ...] = ()) -> ImageRecord:
    record = oriented_picture(*((0, *rbox) for rbox in rboxes))
    return replace(record, difficult=np.isin(np.arange(len(rboxes)), difficult))


def _found(*rboxes: Row) -> Detections:
    return oriented_found(*((0.9 - 0.1 * i, 0, *rbox) for i, rbox in enumerate(rboxes)))


def _dota(record: ImageRecord, detections: Detections) -> tuple[float | None, float | None]:
    metrics = score(index(record), [detections]).metrics
    return metrics["DOTA07_AP50"], metrics["DOTA_AP50"]


def test_both_averages() -> None:
    """Hit, false alarm, hit of 3 objects: recall 1/3, 1/3, 2/3, precision 1, 1/2, 2/3.

    Points 0 to 0.3 have precision 1, 0.4 to 0.6 have 2/3, the other four none; the area is a third
    at 1 and a third at 2/3.
    """
    ap07, ap12 = _dota(_truth(A, B, C), _found(A, NOWHERE, B))
    assert ap07 == pytest.approx((4 * 1 + 3 * 2 / 3) / 11)
    assert ap12 == pytest.approx(1 / 3 + 2 / 9)


def test_a_second_detection_of_an_object_is_a_false_alarm() -> None:
    """Hit, double, hit of 2 objects: precision 1, 1/2, 2/3; five points above recall 0.5."""
    ap07, ap12 = _dota(_truth(A, B), _found(A, A, B))
    assert ap07 == pytest.approx((6 * 1 + 5 * 2 / 3) / 11)
    assert ap12 == pytest.approx(1 / 2 + 1 / 3)


def test_what_a_detection_overlaps_most_decides_taken_or_not() -> None:
    """Along their own direction 40 x 10 boxes 3 px apart; the second detection is nearest to the
    first object, which is taken: a false alarm to DOTA, a hit of the other object to COCO."""
    shift = 3 * np.array([np.cos(np.pi / 6), np.sin(np.pi / 6)])
    other = (100 + shift[0], 100 + shift[1], *A[2:])
    between = (100 + shift[0] / 3, 100 + shift[1] / 3, *A[2:])
    metrics = score(index(_truth(A, other)), [_found(A, between)]).metrics
    assert metrics["DOTA_AP50"] == pytest.approx(0.5)
    assert metrics["OBB_AP50"] == pytest.approx(1)


def test_difficult_objects_are_neither_found_nor_missed() -> None:
    record = _truth(A, B, difficult=(1,))
    assert _dota(record, _found(B, B, A)) == (pytest.approx(1), pytest.approx(1))
    assert _dota(record, _found(A)) == (pytest.approx(1), pytest.approx(1))
    assert _dota(_truth(A, difficult=(0,)), _found(A)) == (None, None)


def test_a_difficult_object_that_is_nearer_takes_the_detection() -> None:
    """`R['difficult'][jmax]` is asked of the object of the greatest overlap alone."""
    record = _truth(A, (102, 100, *A[2:]), difficult=(0,))
    assert _dota(record, _found((100.5, 100, *A[2:])))[1] == 0


def test_an_overlap_must_be_over_a_half() -> None:
    """`if ovmax > ovthresh`: 20 x 10 in 20 x 20; VOC takes the same for a hit."""
    half = (500, 100, 20, 10, 0)
    metrics = score(index(_truth((500, 100, 20, 20, 0))), [_found(half)]).metrics
    assert (metrics["DOTA_AP50"], metrics["OBB_AP50"], metrics["VOC_AP50"]) == (0, 1, 1)
    assert _dota(_truth((500, 100, 20, 19.9, 0)), _found(half))[1] == pytest.approx(1)


def test_the_mean_is_over_classes_that_have_objects() -> None:
    record = oriented_picture((0, *A), (1, *B))
    metrics = score(index(record), [oriented_found((0.9, 0, *A), (0.8, 1, *NOWHERE))]).metrics
    assert metrics["DOTA_AP50"] == pytest.approx(0.5)
