"""How small objects are found, and from which size on."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from smalldet.evaluation.comparison import compare
from smalldet.evaluation.recall_by_size import binned, recall_by_size, wilson_interval
from smalldet.evaluation.resolvability import LEAST_OBJECTS, resolvable
from tests.evaluation.by_hand import found, index, picture

CAR, PERSON = 0, 1


def test_bins_are_half_octaves_and_hold_their_objects() -> None:
    """8 px begins a bin; one found from `conf` on, one only below it, one not; one ignored."""
    records = (
        picture((CAR, 0, 0, 8, 8), (CAR, 50, 0, 9, 9), (PERSON, 90, 0, 20, 20)),
        picture((CAR, 0, 0, 4, 4), (CAR, 99, 99, 8, 8), ignore=(1,)),
    )
    seen = [found((0.9, CAR, 0, 0, 8, 8), (0.1, CAR, 50, 0, 9, 9)), found()]
    comparison = compare(index(*records), seen, conf=0.25, max_detections=1500)
    recall = recall_by_size(comparison)
    assert recall.edges_px == pytest.approx([4, 32**0.5, 8, 128**0.5, 16, 512**0.5])
    assert recall.num_objects.tolist() == [1, 0, 2, 0, 1]
    assert recall.num_found_any.tolist() == [0, 0, 2, 0, 0]
    assert recall.num_found_conf.tolist() == [0, 0, 1, 0, 0]
    assert recall.mean_side[2] == pytest.approx(72**0.5)
    assert np.isnan(recall.low[1]) and np.isnan(recall.mean_side[1])
    cars = recall_by_size(comparison, np.array([CAR]))
    assert cars.num_objects.tolist() == [1, 0, 2]


def test_in_metres_only_pictures_of_known_distance_count() -> None:
    records = (picture((CAR, 0, 0, 8, 8), gsd_m=0.5), picture((CAR, 0, 0, 8, 8)))
    comparison = compare(
        index(*records), [found((0.9, CAR, 0, 0, 8, 8)), found()], conf=0.25, max_detections=9
    )
    recall = recall_by_size(comparison, in_metres=True)
    assert recall.edges_px == pytest.approx([4, 32**0.5])
    assert (recall.num_objects.tolist(), recall.num_found_conf.tolist()) == ([1], [1])


def test_no_objects_no_bins() -> None:
    comparison = compare(index(picture()), [found()], conf=0.25, max_detections=9)
    recall = recall_by_size(comparison)
    assert len(recall.num_objects) == 0
    assert resolvable(recall) is None


def test_wilson_s_interval_as_published() -> None:
    """Newcombe 1998, table I, method 3: 81 of 263, 15 of 148, 0 of 20, 1 of 29."""
    low, high = wilson_interval(np.array([81, 15, 0, 1]), np.array([263, 148, 20, 29]))
    assert low == pytest.approx([0.2553, 0.0624, 0, 0.0061], abs=5e-5)
    assert high == pytest.approx([0.3662, 0.1605, 0.1611, 0.1718], abs=5e-5)


def _of(*bins: tuple[float, int, int]) -> object:
    """(side, objects, found) of each size."""
    sides = np.concatenate([np.full(num, side) for side, num, _ in bins])
    met = np.concatenate([np.arange(num) < hit for _, num, hit in bins])
    return resolvable(binned(sides, met, met))


def test_the_smallest_size_found_at_half_recall_is_between_bins() -> None:
    """Recall 0.25 at 6 px, 0.75 at 12 px: half way, in the logarithm, 8.5 px."""
    size = _of((6.0, 40, 10), (12.0, 40, 30))
    assert size.side == pytest.approx(72**0.5)
    assert 6 < size.low < size.side < size.high < 12
    assert not size.is_bound


def test_a_lucky_small_bin_does_not_count_alone() -> None:
    """2 of 2 at 3 px and 4 of 40 at 6 px are 6 of 42 in all."""
    size = _of((3.0, 2, 2), (6.0, 40, 4), (12.0, 40, 40))
    assert 6 < size.side < 12


def test_where_the_smallest_are_found_it_is_a_bound() -> None:
    size = _of((6.0, 40, 39), (12.0, 40, 40))
    assert size.side == pytest.approx(6)
    assert size.is_bound


def test_nothing_is_stated_of_few_objects_or_where_few_are_found() -> None:
    assert _of((6.0, LEAST_OBJECTS - 1, LEAST_OBJECTS - 1)) is None
    assert _of((6.0, 40, 10), (12.0, 40, 12)) is None


_bins = st.lists(st.tuples(st.integers(1, 60), st.floats(0, 1)), min_size=1, max_size=8)


@given(bins=_bins, more=st.integers(0, 7))
def test_finding_more_never_makes_it_coarser(bins: list[tuple[int, float]], more: int) -> None:
    rows = [(2.0 * 2**i, num, int(num * share)) for i, (num, share) in enumerate(bins)]
    at = more % len(rows)
    side, num, hit = rows[at]
    better = [*rows[:at], (side, num, min(num, hit + 1)), *rows[at + 1 :]]
    before, after = _of(*rows), _of(*better)
    if before is not None:
        assert after is not None and after.side <= before.side + 1e-9
        assert before.low <= before.side + 1e-9
