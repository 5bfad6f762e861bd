"""What became of each object: one partner at most, and never gone where nobody looked."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from smalldet.changing.compare import Status, compare


def everywhere(objects):
    return np.ones(len(objects), dtype=np.bool_)


def west_of(x):
    return lambda objects: objects.xy[:, 0] < x


def test_each_status(objects_at):
    old = objects_at([[0, 0], [50, 0], [90, 0], [200, 0]])
    new = objects_at([[1, 0], [58, 0], [120, 0], [300, 0]])
    compared = compare(old, new, (west_of(250), west_of(150)), moved_within_m=10)
    assert compared.old_status().tolist() == ["stayed", "moved", "gone", "not seen"]
    assert compared.new_status().tolist() == ["stayed", "moved", "appeared", "not seen"]
    assert compared.moved.distance_m.tolist() == [8.0]


def test_without_a_distance_nothing_moved(objects_at):
    compared = compare(objects_at([[0, 0]]), objects_at([[3, 0]]), (everywhere, everywhere))
    assert compared.old_status().tolist() == ["gone"]
    assert compared.new_status().tolist() == ["appeared"]


def test_what_was_not_seen_cannot_have_moved(objects_at):
    """It may have been in both places at both dates."""
    old, new = objects_at([[95, 0]]), objects_at([[105, 0]])
    compared = compare(old, new, (everywhere, west_of(90)), moved_within_m=20)
    assert compared.old_status().tolist() == ["not seen"]
    assert compared.new_status().tolist() == ["appeared"]


def test_classes_do_not_pair(objects_at):
    compared = compare(
        objects_at([[0, 0]], labels=0), objects_at([[0, 0]], labels=1), (everywhere, everywhere)
    )
    assert compared.old_status().tolist() == ["gone"]


def test_the_tolerance_is_half_of_the_mean_side_or_as_given(objects_at):
    old, new = objects_at([[0, 0]], side_m=4), objects_at([[2.9, 0]], side_m=8)
    seen = (everywhere, everywhere)
    assert compare(old, new, seen).old_status().tolist() == [Status.STAYED]
    assert compare(old, new, seen, tolerance_m=2.8).old_status().tolist() == [Status.GONE]


def test_points_without_a_size_need_a_tolerance(objects_at):
    old = objects_at([[0, 0]], side_m=np.nan)
    with pytest.raises(ValueError, match=r"points have no size .* give --tolerance in metres"):
        compare(old, old, (everywhere, everywhere))
    assert compare(old, old, (everywhere, everywhere), tolerance_m=1).old_status() == ["stayed"]


@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, 2**31))
def test_every_object_has_one_status_and_partners_agree(objects_at, seed):
    rng = np.random.default_rng(seed)
    old, new = (
        objects_at(rng.uniform(0, 40, (n, 2)), labels=rng.integers(0, 2, n))
        for n in rng.integers(0, 20, 2)
    )
    compared = compare(old, new, (west_of(30), west_of(25)), moved_within_m=6)
    for pairs, reach in ((compared.stayed, 2.0), (compared.moved, 6.0)):
        assert (old.labels[pairs.old] == new.labels[pairs.new]).all()
        assert (pairs.distance_m <= reach).all()
    assert len(set(compared.pairs.old)) == len(compared.pairs) == len(set(compared.pairs.new))
    status = compared.old_status()
    alone = np.setdiff1d(np.arange(len(old)), compared.pairs.old)
    assert set(status[alone]) <= {"gone", "not seen"}
    assert ((status[alone] == "not seen") == (old.xy[alone, 0] >= 25)).all()
    swapped = compare(new, old, (west_of(25), west_of(30)), moved_within_m=6)
    assert (swapped.new_status() == np.where(status == "gone", "appeared", status)).all()
