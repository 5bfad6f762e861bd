"""Pairs: all that are near, and one partner each, the nearest first."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from smalldet.changing.pairs import Pairs, near_pairs, nearest_first

PLACES = arrays(
    np.float64, st.tuples(st.integers(0, 12), st.just(2)), elements=st.integers(-9, 9).map(float)
)


@given(PLACES, PLACES, st.integers(0, 2**31))
def test_all_near_pairs_of_one_class_are_found(old, new, seed):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 2, len(old)), rng.integers(0, 2, len(new))
    reach = rng.uniform(0.5, 6, len(old)), rng.uniform(0.5, 6, len(new))
    offset = np.array([500_000.0, 5_400_000.0])
    pairs = near_pairs(old + offset, new + offset, labels, reach)
    distance = np.linalg.norm(old[:, None] - new[None], axis=2)
    near = distance <= (reach[0][:, None] + reach[1][None]) / 2
    near &= labels[0][:, None] == labels[1][None]
    assert set(zip(pairs.old, pairs.new, strict=True)) == set(zip(*np.nonzero(near), strict=True))
    assert np.allclose(pairs.distance_m, distance[pairs.old, pairs.new])


@given(st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), unique=True), st.integers(0, 99))
def test_each_gets_the_nearest_that_is_left(couples, seed):
    """The same as going through all pairs from the nearest on, one by one."""
    rng = np.random.default_rng(seed)
    table = np.array(couples, dtype=np.int64).reshape(-1, 2)
    pairs = Pairs(table[:, 0], table[:, 1], rng.integers(0, 4, len(table)).astype(np.float64))
    expected, taken = [], (set(), set())
    for row in np.lexsort((pairs.new, pairs.old, pairs.distance_m)).tolist():
        old, new = int(pairs.old[row]), int(pairs.new[row])
        if old not in taken[0] and new not in taken[1]:
            taken[0].add(old)
            taken[1].add(new)
            expected.append((old, new))
    kept = nearest_first(pairs)
    assert sorted(zip(kept.old.tolist(), kept.new.tolist(), strict=True)) == sorted(expected)


def test_a_row_that_loses_one_end_and_gains_the_other_keeps_its_middle():
    """Pairing as many as can be would pair every tree with its neighbour."""
    row = np.stack([np.arange(10) * 5.0, np.zeros(10)], axis=1)
    old, new = row[:-1], row[1:] + np.array([0.3, 0.2])
    same = np.zeros(9, dtype=np.int64)
    pairs = nearest_first(near_pairs(old, new, (same, same), (np.full(9, 6.0), np.full(9, 6.0))))
    assert len(pairs) == 8 and (pairs.old == pairs.new + 1).all()
