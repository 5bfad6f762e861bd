"""Probabilities that come true as often as they say, and intervals that hold the true numbers."""

from __future__ import annotations

import numpy as np
import pytest

from smalldet.changing.compare import compare, reaches
from smalldet.changing.estimate import estimate
from smalldet.changing.recall import Known, Recall
from smalldet.changing.shift import find_shift
from smalldet.changing.tally import Grouping

KNOWN = Known(Recall.constant(0.775))
WORLDS = 12


def everywhere(objects):
    return np.ones(len(objects), dtype=np.bool_)


def estimated(world, known=KNOWN, num_groups=1):
    shift = find_shift(world.old, world.new, 16.0, 2.0)
    assert shift is not None
    compared = compare(world.old, world.new, (everywhere, everywhere))
    rows = [np.arange(len(one)) for one in (world.old, world.new)]
    grouping = Grouping(*((row, row * 0 + (num_groups - 1)) for row in rows), num=num_groups)
    reach = reaches(world.old, None), reaches(world.new, None)
    return compared, estimate(
        compared, known, shift.scatter, shift.surroundings, reach, None, [grouping]
    )


@pytest.fixture(scope="module")
def judged():
    """{status: (probabilities, what was true)} of all worlds, and {number: its intervals}."""
    return {}, []


def gather(make_world, judged):
    told, numbers = judged
    if told:
        return judged
    for seed in range(WORLDS):
        world = make_world(seed)
        compared, found = estimated(world)
        old_id, new_id = world.old_id, world.new_id
        same = (old_id[compared.stayed.old] == new_id[compared.stayed.new]) & (
            old_id[compared.stayed.old] >= 0
        )
        gone = (old_id >= 0) & ~np.isin(old_id, world.there[1])
        fresh = (new_id >= 0) & ~np.isin(new_id, world.there[0])
        is_gone, is_new = compared.old_status() == "gone", compared.new_status() == "appeared"
        for status, p, true in (
            ("stayed", found.old_p[compared.stayed.old], same),
            ("gone", found.old_p[is_gone], gone[is_gone]),
            ("appeared", found.new_p[is_new], fresh[is_new]),
        ):
            told.setdefault(status, []).append((p, true))
        there = [set(one.tolist()) for one in world.there]
        truth = {
            "old": len(there[0]),
            "new": len(there[1]),
            "gone": len(there[0] - there[1]),
            "appeared": len(there[1] - there[0]),
        }
        truth["net"] = truth["appeared"] - truth["gone"]
        numbers.append((found.numbers[0], truth))
    return judged


@pytest.mark.parametrize("status", ["stayed", "gone", "appeared"])
def test_probabilities_come_true(make_world, judged, status):
    """Of what is said with a probability of 0.2 to 0.3, about a quarter is so."""
    told, _ = gather(make_world, judged)
    p, true = (np.concatenate(column) for column in zip(*told[status], strict=True))
    which = np.minimum((p * 5).astype(int), 4)
    num = np.bincount(which, minlength=5)
    for k in np.flatnonzero(num > 300):
        own = which == k
        error = np.sqrt(p[own].mean() * (1 - p[own].mean()) / num[k])
        assert true[own].mean() == pytest.approx(p[own].mean(), abs=0.03 + 2 * error), k
    assert true.mean() == pytest.approx(p.mean(), abs=0.02)


def test_intervals_hold_the_true_numbers(make_world, judged):
    """All of 12 worlds but a few, of each of five numbers; and they are no wider than need be."""
    _, numbers = gather(make_world, judged)
    for kind, width in (("old", 150), ("new", 150), ("gone", 160), ("appeared", 170), ("net", 230)):
        held = [
            getattr(one, kind).low[0] <= truth[kind] <= getattr(one, kind).high[0]
            for one, truth in numbers
        ]
        wide = [getattr(one, kind).high[0] - getattr(one, kind).low[0] for one, _ in numbers]
        assert sum(held) >= WORLDS - 2 and np.mean(wide) < width, kind


def test_unknown_recall_widens_the_intervals(make_world):
    world = make_world(0)
    known, unknown = (estimated(world, one)[1] for one in (KNOWN, Known(Recall.unknown())))
    sure, open_ = (one.numbers[0].gone for one in (known, unknown))
    assert open_.high[0] - open_.low[0] > 2 * (sure.high[0] - sure.low[0])


def test_labels_are_taken_at_their_word(make_world):
    """Certain objects of a detector that finds all: numbers are what was found."""
    world = make_world(0, recall=1.0, alarms=False, noise_m=0.2)
    compared, found = estimated(world, Known(Recall.constant(1.0)))
    old, new = compared.old_status(), compared.new_status()
    assert found.old_p[old == "gone"].mean() > 0.97 and found.old_p[old == "stayed"].mean() > 0.97
    numbers = found.numbers[0]
    assert numbers.old.mean[0] == numbers.old.low[0] == len(world.old)
    assert numbers.gone.mean[0] == pytest.approx((old == "gone").sum(), rel=0.03)
    assert numbers.appeared.mean[0] == pytest.approx((new == "appeared").sum(), rel=0.03)


def test_the_same_each_time_and_groups_apart(make_world):
    world = make_world(0, num=200, extent_m=250.0)
    first, again = (estimated(world, num_groups=2)[1] for _ in range(2))
    assert np.array_equal(first.old_p, again.old_p)
    assert np.array_equal(first.numbers[0].net.low, again.numbers[0].net.low)
    assert first.numbers[0].old.high.tolist()[0] == 0 < first.numbers[0].old.low[1]


def test_what_was_not_seen_is_as_likely_as_its_score(objects_at):
    old = objects_at([[0, 0], [50, 0]], scores=[0.9, 0.4])
    new = objects_at([[0, 0]], scores=[0.8])
    compared = compare(old, new, (everywhere, lambda objects: objects.xy[:, 0] < 20))
    reach = reaches(old, None), reaches(new, None)
    world = objects_at(np.random.default_rng(0).uniform(0, 500, (300, 2)))
    shift = find_shift(world, world, 16.0, 2.0)
    assert shift is not None
    found = estimate(compared, KNOWN, shift.scatter, shift.surroundings, reach, None)
    assert found.old_p[1] == pytest.approx(0.4)
