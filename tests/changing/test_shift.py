"""The shift between two dates: found, with its error; not found where there is none to find."""

from __future__ import annotations

import numpy as np
import pytest

from smalldet.changing.shift import find_shift


@pytest.mark.parametrize("shift", [(3.0, 0.0), (-1.5, 2.2), (0.0, 0.0)])
def test_a_shift_is_found_within_its_error(make_world, shift):
    """Of dates of which a third is not there at the other, and 40 in a hundred are false alarms."""
    world = make_world(1, shift=shift)
    found = find_shift(world.old, world.new, 16.0, 2.0)
    assert found is not None
    away = np.array([found.east_m, found.north_m]) - shift
    assert 0.01 < found.error_m < 0.05
    assert np.abs(away).max() < 4 * found.error_m
    assert found.is_sure == (shift != (0.0, 0.0))
    assert found.scatter.metres == pytest.approx(0.6, rel=0.1)
    num_same = np.isin(world.old_id[world.old_id >= 0], world.new_id).sum()
    assert found.num_pairs == pytest.approx(num_same, rel=0.05)


def test_errors_are_as_large_as_they_say(make_world):
    """Of 40 worlds without a shift, the squared shift over its error is that of chance."""
    ratios = []
    for seed in range(40):
        world = make_world(seed, num=150, extent_m=220.0)
        found = find_shift(world.old, world.new, 16.0, 2.0)
        assert found is not None
        ratios.append(found.metres**2 / found.error_m**2 / 2)
    assert 0.6 < np.mean(ratios) < 1.5  # a mean of 1, give or take a sixth


def test_unrelated_dates_have_no_shift(make_world):
    first, second = make_world(2), make_world(3)
    assert find_shift(first.old, second.new, 16.0, 2.0) is None


def test_rows_of_one_spacing_are_not_moved_by_it(objects_at):
    """Parked cars: shifts by a whole place are nearly as good; the smallest is right."""
    rng = np.random.default_rng(0)
    lots = np.stack(np.meshgrid(np.arange(30) * 2.6, np.arange(8) * 9.0), axis=-1).reshape(-1, 2)
    old, new = (lots[rng.random(len(lots)) < 0.6] for _ in range(2))
    new = new + np.array([0.5, 0.0]) + rng.normal(0, 0.1, new.shape)
    found = find_shift(objects_at(old), objects_at(new), 12.0, 1.0)
    assert found is not None
    assert (found.east_m, found.north_m) == pytest.approx((0.5, 0.0), abs=0.05)


def test_copied_labels_have_no_scatter(objects_at):
    places = np.random.default_rng(0).uniform(0, 500, (300, 2))
    found = find_shift(objects_at(places), objects_at(places), 16.0, 2.0)
    assert found is not None and found.metres < 1e-6 and found.scatter.metres < 0.1
