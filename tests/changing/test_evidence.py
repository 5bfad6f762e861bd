"""How likely each status is: Bayes' rule by hand, and what many objects say together."""

from __future__ import annotations

import numpy as np
import pytest

from smalldet.changing.evidence import Evidence, chances, draw_posterior


def evidence(score, recall=0.8, stayed=0.0, within=1.0, moved=0.0, bounds=None):
    num = np.broadcast_shapes(np.shape(score), np.shape(stayed), (1,))[0]
    low, high = bounds or (recall, recall)
    columns = (score, low, high, within, stayed, moved, moved)
    return Evidence(*(np.broadcast_to(np.asarray(c, float), num).copy() for c in columns))


def test_gone_against_missed_and_false():
    """Of 100 detections with a score of 0.8, 80 are real: 8 of these go, and of the 72 that stay
    the detector misses a quarter. 20 are false. So of the 8 + 18 + 20 without a partner, 8 went."""
    found = chances(evidence(0.8, recall=0.75), gone=0.1, place=0.5, moved=0.0)
    assert found.gone[0] == pytest.approx(8 / 46)
    assert found.real[0] == pytest.approx(26 / 46)


def test_a_sure_object_of_a_perfect_detector_is_gone():
    found = chances(evidence(1.0, recall=1.0), gone=0.01, place=0.5, moved=0.0)
    assert found.gone[0] == pytest.approx(1)


def test_a_tolerance_that_loses_places_makes_less_sure():
    found = chances(evidence(1.0, recall=1.0, within=0.9), gone=0.1, place=0.5, moved=0.0)
    assert found.gone[0] == pytest.approx(0.1 / (0.1 + 0.9 * 0.1))


def test_a_partner_is_weighed_against_chance():
    """Odds of 0 are no partner; large ones make it the same object for sure."""
    same = [
        chances(evidence(0.6, stayed=odds), gone=0.2, place=0.5, moved=0.0).stayed[0]
        for odds in (0.0, 0.1, 1.0, 10.0, 1e9)
    ]
    assert same[0] == 0 and same[-1] == pytest.approx(1) and np.all(np.diff(same) > 0)


def test_what_could_have_moved_is_less_surely_gone():
    alone = chances(evidence(0.9), gone=0.2, place=0.5, moved=0.3)
    near = chances(evidence(0.9, moved=5.0), gone=0.2, place=0.5, moved=0.3)
    assert near.gone[0] < alone.gone[0] and near.moved[0] > 0.3


@pytest.mark.parametrize("num", [100, 10_000])
def test_the_share_that_is_gone_follows_from_all_objects(num):
    """Of those found, 0.7 x 0.8 have a partner: a share of 0.3 is gone, as surely as many tell."""
    rng = np.random.default_rng(0)
    partner = rng.random(num) < 0.7 * 0.8
    every = evidence(1.0, stayed=np.where(partner, 1e3, 0.0))
    drawn = draw_posterior(every, 0.0, 400, rng).gone
    expected = 1 - partner.mean() / 0.8
    error = np.sqrt(partner.mean() * (1 - partner.mean()) / num) / 0.8
    assert drawn.mean() == pytest.approx(expected, abs=error / 2)
    assert drawn.std() == pytest.approx(error, rel=0.2)


def test_recall_within_bounds_is_at_least_what_stayed():
    """Where nothing is known of the recall, half of what has no partner may be gone."""
    rng = np.random.default_rng(0)
    partner = rng.random(2000) < 0.6
    every = evidence(1.0, stayed=np.where(partner, 1e3, 0.0), bounds=(0.0, 1.0))
    drawn = draw_posterior(every, 0.0, 400, rng)
    assert drawn.place.min() > 0.5 and drawn.place.max() > 0.9
    assert 0.0 <= drawn.gone.min() < 0.05 and 0.35 < drawn.gone.max() < 0.45
    assert ((1 - drawn.gone) * drawn.place).mean() == pytest.approx(0.6, abs=0.03)


def test_nothing_seen_says_nothing():
    drawn = draw_posterior(evidence(np.zeros(0)), 0.0, 400, np.random.default_rng(0))
    assert drawn.gone.mean() == pytest.approx(0.5, abs=0.05)
