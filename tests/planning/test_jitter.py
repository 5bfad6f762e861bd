"""What an error of a pixel costs: much for the tiny, nothing for the large."""

from __future__ import annotations

import numpy as np

from smalldet.planning.jitter import share_met


def test_small_objects_are_missed_by_an_error_of_a_pixel_and_large_ones_are_not() -> None:
    met = share_met(np.array([[2.0, 2.0], [4, 4], [8, 8], [16, 16], [64, 64]]), 1.0)
    assert (np.diff(met) >= 0).all() and met[0] < 0.6 and met[-1] == 1.0
    assert 0.4 < share_met(np.array([[3.0, 3.0]]), 1.0)[0] < 0.95


def test_twice_the_size_is_half_the_error() -> None:
    sides = np.random.default_rng(0).uniform(2, 20, (50, 2))
    np.testing.assert_array_equal(share_met(sides, 2.0), share_met(2 * sides, 1.0))
    assert share_met(np.zeros((0, 2)), 1.0).shape == (0,)
