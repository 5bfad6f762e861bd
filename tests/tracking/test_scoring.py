"""Scores by size: what counts in a range, and what is ignored there."""

from __future__ import annotations

import numpy as np
import pytest

from smalldet.tracking.frame_boxes import FrameBoxes
from smalldet.tracking.scoring import TrackScore, score_tracks


def boxes_of(rows: list[tuple[int, int, float, float, float]], ignored: bool = False) -> FrameBoxes:
    """Squares (frame, id, x, y, side)."""
    table = np.array(rows, dtype=np.float64).reshape(-1, 5)
    corner, side = table[:, 2:4], table[:, 4:]
    num = len(table)
    return FrameBoxes(
        table[:, 0].astype(np.int64),
        table[:, 1].astype(np.int64),
        np.concatenate([corner, corner + side], axis=1),
        np.ones(num),
        np.zeros(num, dtype=np.int64),
        ("car",),
        np.full(num, ignored),
    )


FRAMES = range(1, 5)
SMALL = [(frame, 1, 10.0 * frame, 0.0, 6.0) for frame in FRAMES]
LARGE = [(frame, 2, 10.0 * frame, 50.0, 20.0) for frame in FRAMES]


def by_size(truth: FrameBoxes, found: FrameBoxes) -> dict[str, TrackScore]:
    return {one.size: one for one in score_tracks(truth, found, FRAMES)}


def sorted_rows(*parts: list[tuple[int, int, float, float, float]]) -> FrameBoxes:
    return boxes_of(sorted(row for part in parts for row in part))


def test_the_truth_itself_is_perfect_in_every_range() -> None:
    truth = sorted_rows(SMALL, LARGE)
    scores = by_size(truth, truth)
    assert list(scores) == ["all", "very_tiny", "small"]
    for one in scores.values():
        assert (one.hota, one.mota, one.idf1, one.num_switches) == pytest.approx((1, 1, 1, 0))


def test_a_lost_small_object_costs_its_own_range_alone() -> None:
    scores = by_size(sorted_rows(SMALL, LARGE), boxes_of(LARGE))
    assert scores["very_tiny"].hota == 0
    assert scores["small"].hota == pytest.approx(1)
    assert scores["all"].mota == pytest.approx(0.5)


def test_a_box_that_meets_an_object_of_another_range_is_no_false_alarm() -> None:
    """Found at 15 px where the truth has 20: tiny by its own size."""
    found = [(frame, 7, x + 1, y + 1, 15.0) for frame, _, x, y, _ in LARGE]
    scores = by_size(sorted_rows(SMALL, LARGE), sorted_rows(SMALL, found))
    assert scores["small"].mota == pytest.approx(1)
    assert "tiny" not in scores  # holds no true box
    assert scores["very_tiny"].mota == pytest.approx(1)


def test_a_false_alarm_counts_in_the_range_of_its_own_size() -> None:
    alarm = [(frame, 9, 300.0, 300.0, 5.0) for frame in FRAMES]
    scores = by_size(sorted_rows(SMALL, LARGE), sorted_rows(SMALL, LARGE, alarm))
    assert scores["very_tiny"].mota == pytest.approx(0)
    assert scores["small"].mota == pytest.approx(1)


def test_a_change_of_number_is_a_switch() -> None:
    found = [(frame, 1 + frame // 3, x, y, side) for frame, _, x, y, side in SMALL]
    score = by_size(boxes_of(SMALL), boxes_of(found))["all"]
    assert score.num_switches == 1
    assert score.det_a == pytest.approx(1) and score.ass_a == pytest.approx(0.5)


def test_what_the_truth_ignores_costs_nothing() -> None:
    truth = boxes_of(SMALL, ignored=True)
    score = by_size(truth, boxes_of(SMALL))["all"]
    assert score.num_boxes == 0 and score.mota == 0


def test_frames_that_the_truth_does_not_tell_of_are_left_out() -> None:
    from dataclasses import replace

    truth = replace(boxes_of(SMALL[:2]), told_of=frozenset({1, 2}))
    assert by_size(truth, boxes_of(SMALL))["all"].mota == pytest.approx(1)
