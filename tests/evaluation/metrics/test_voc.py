"""PASCAL VOC's rules on cases worked by hand, as the development kit's VOCevaldet.m states them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from smalldet.data.index import ImageRecord
from smalldet.detections import Detections
from smalldet.evaluation.scoring import score
from tests.evaluation.by_hand import Row, found, index, picture

A, B, C = (0, 0, 10, 10), (100, 0, 10, 10), (200, 0, 10, 10)
NOWHERE = (500, 500, 10, 10)


def _truth(*boxes: Row, difficult: tuple[int, ...] = ()) -> ImageRecord:
    record = picture(*((0, *box) for box in boxes))
    return replace(record, difficult=np.isin(np.arange(len(boxes)), difficult))


def _found(*boxes: Row) -> Detections:
    return found(*((0.9 - 0.1 * i, 0, *box) for i, box in enumerate(boxes)))


def _voc(record: ImageRecord, detections: Detections) -> tuple[float | None, float | None]:
    metrics = score(index(record), [detections]).metrics
    return metrics["VOC07_AP50"], metrics["VOC_AP50"]


def test_both_averages() -> None:
    """Hit, false alarm, hit of 3 objects: recall 1/3, 1/3, 2/3, precision 1, 1/2, 2/3.

    2007: points 0 to 0.3 have precision 1, 0.4 to 0.6 have 2/3, the other four none.
    2010: a third at 1 and a third at 2/3.
    """
    ap07, ap10 = _voc(_truth(A, B, C), _found(A, NOWHERE, B))
    assert ap07 == pytest.approx((4 * 1 + 3 * 2 / 3) / 11)
    assert ap10 == pytest.approx(1 / 3 + 2 / 9)


def test_difficult_objects_are_neither_found_nor_missed() -> None:
    """A detection on one is neither hit nor false alarm, nor is a second one."""
    record = _truth(A, B, difficult=(1,))
    assert _voc(record, _found(B, B, A)) == (pytest.approx(1), pytest.approx(1))
    assert _voc(record, _found(A)) == (pytest.approx(1), pytest.approx(1))
    assert _voc(_truth(A, difficult=(0,)), _found(A)) == (None, None)
    assert score(index(record), [_found(A)]).metrics["AP50"] == pytest.approx(51 / 101)


def test_a_detection_is_judged_by_the_object_it_overlaps_most() -> None:
    """Two detections over two objects 3 px apart, both nearest to the first: VOC calls the second a
    false alarm, COCO gives it the other object."""
    left, right = (0, 0, 10, 10), (3, 0, 10, 10)
    record = _truth(left, right)
    metrics = score(index(record), [_found(left, (1, 0, 10, 10))]).metrics
    assert metrics["VOC_AP50"] == pytest.approx(0.5)
    assert metrics["AP50"] == pytest.approx(1)


def test_an_overlap_of_exactly_a_half_is_a_hit() -> None:
    """`if ovmax >= VOCopts.minoverlap`: 10 x 10 in 10 x 20."""
    assert _voc(_truth((0, 0, 10, 20)), _found(A))[1] == pytest.approx(1)
    assert _voc(_truth((0, 0, 10, 20.1)), _found(A))[1] == 0
