"""Evidence: how likely it is, for every object of a date, that the other date holds it too.

Of an object that was found with a calibrated score s, the other date can show the same object, an
object that moved, or nothing; and this can be because it is gone, because the detector missed it,
or because it was a false alarm. With g the share of the objects that are gone, m the share of those
still there that moved, r the recall at its size, w the share of places within the tolerance, and F
the odds of a partner (below), these have, up to one factor,

    stayed    s (1 - g) (1 - m) r F
    moved     s (1 - g) m r F'
    missed    s (1 - g) ((1 - m) (1 - r w) + m (1 - r))
    gone      s g
    false     1 - s

F is how much better a partner at a distance d with the score t is explained by the same object than
by another one: N(d) t / (L(d) (1 - t + t a)). N is the scatter of one object's places, L the
density of other real objects at that distance, and a the share of the other date's objects that are
not in this one: a real one counts as another only where it is new. Without a partner F is 0.

This is Bayes' rule; F is the likelihood ratio of Sutherland and Saunders 1992 with the scores of
both. g is not known beforehand: every share is as likely as another, and what the objects of the
class say together makes some more likely. Where recall is known within bounds only, so is a place
between them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from smalldet.columns import column

Floats = NDArray[np.float64]

NUM_SHARES, NUM_PLACES, NUM_FINER = 16, (8, 12), 3
"""Points at which the posterior is computed: shares that are gone, places between the bounds, each
time over all and then where it is not next to nothing; how often shares are."""
SEEK = 14.0
"""Of the logarithm of the posterior below its highest: less is next to nothing."""
ROWS_AT_ONCE = 20_000


@dataclass(frozen=True, eq=False)
class Evidence:
    """What is known of the objects of one date, of one class and seen by the other date.

    Args:
        score: (N,) calibrated, s.
        low: (N,) lower bound of the other date's recall.
        high: (N,) upper bound.
        within: (N,) w.
        stayed: (N,) F of the partner that stayed, or 0.
        moved: (N,) F' of the partner that moved, or 0.
        could_have_moved: (N,) sum of F' over all that it could have become.
    """

    score: Floats = field(metadata=column())
    low: Floats = field(metadata=column())
    high: Floats = field(metadata=column())
    within: Floats = field(metadata=column())
    stayed: Floats = field(metadata=column())
    moved: Floats = field(metadata=column())
    could_have_moved: Floats = field(metadata=column())

    def __len__(self) -> int:
        return len(self.score)


@dataclass(frozen=True, eq=False)
class Chances:
    """(N,) how likely each is, of objects.

    Args:
        stayed: it is its partner.
        moved: it is the partner that moved.
        moved_at_all: it is any that it could have become by moving.
        gone: it is a real object, and not there.
        real: it is a real object.
    """

    stayed: Floats
    moved: Floats
    moved_at_all: Floats
    gone: Floats
    real: Floats


@dataclass(frozen=True, eq=False)
class Posterior:
    """Draws of what is not known of a class, given its objects.

    Args:
        gone: (K,) share of the objects that are gone, g.
        place: (K,) place of the recall between its bounds, 0..1.
        moved: share of those still there that moved, m.
    """

    gone: Floats
    place: Floats
    moved: float


def chances(evidence: Evidence, gone: float, place: float, moved: float) -> Chances:
    """How likely each outcome is of every object, where g, the place of r, and m are known."""
    recall = evidence.low + place * (evidence.high - evidence.low)
    here = evidence.score * (1 - gone)
    whole = 1 + here * (_odds_of_being_there(evidence, recall, moved) - 1)
    return Chances(
        here * (1 - moved) * recall * evidence.stayed / whole,
        here * moved * recall * evidence.moved / whole,
        here * moved * recall * evidence.could_have_moved / whole,
        evidence.score * gone / whole,
        1 - (1 - evidence.score) / whole,
    )


def draw_posterior(
    evidence: Evidence, moved: float, num_draws: int, rng: np.random.Generator
) -> Posterior:
    """Draws of g and of the place of the recall, given all objects of a class.

    Of each place of the recall, the shares that are likely with it are few where objects are many:
    the points are laid where they are.

    Args:
        evidence: of the objects.
        moved: m.
        num_draws: K.
        rng: where chance comes from.
    """
    low, high = 0.0, 1.0
    places: Floats = np.array([0.5])
    of_places = [_shares(evidence, 0.5, moved)]
    if (evidence.low < evidence.high).any():
        for num in NUM_PLACES:
            step = (high - low) / num
            places = np.asarray(low + (np.arange(num) + 0.5) * step, dtype=np.float64)
            of_places = [_shares(evidence, place, moved) for place in places.tolist()]
            whole = np.array([np.logaddexp.reduce(one.log_weight) for one in of_places])
            likely = places[whole > whole.max() - SEEK]
            low, high = max(0.0, likely[0] - step), min(1.0, likely[-1] + step)
    log = np.concatenate([one.log_weight for one in of_places])
    weight = np.exp(log - log.max())
    cells = rng.choice(len(weight), num_draws, p=weight / weight.sum())
    share = np.concatenate([one.share for one in of_places])[cells]
    step = np.repeat([one.step for one in of_places], NUM_SHARES)[cells]
    gone = np.clip(share + (rng.random(num_draws) - 0.5) * step, 0, 1)
    return Posterior(gone, np.asarray(places[cells // NUM_SHARES], dtype=np.float64), moved)


class _Shares(NamedTuple):
    """Points of g of one place of the recall."""

    share: Floats
    log_weight: Floats
    step: float


def _shares(evidence: Evidence, place: float, moved: float) -> _Shares:
    recall = evidence.low + place * (evidence.high - evidence.low)
    gain = evidence.score * (_odds_of_being_there(evidence, recall, moved) - 1)
    low, high, step = 0.0, 1.0, 1.0 / NUM_SHARES
    share = log = np.zeros(NUM_SHARES)
    for _ in range(NUM_FINER):
        step = (high - low) / NUM_SHARES
        share = np.asarray(low + (np.arange(NUM_SHARES) + 0.5) * step, dtype=np.float64)
        log = sum(
            np.log1p(np.outer(1 - share, gain[first : first + ROWS_AT_ONCE])).sum(axis=1)
            for first in range(0, len(gain), ROWS_AT_ONCE)
        )
        log = np.zeros(NUM_SHARES) + log + np.log(step)
        likely = share[log > log.max() - SEEK]
        low, high = max(0.0, likely[0] - step), min(1.0, likely[-1] + step)
    return _Shares(share, log, step)


def _odds_of_being_there(evidence: Evidence, recall: Floats, moved: float) -> Floats:
    """(N,) how much better what was seen is explained by an object still there than by none."""
    found = (1 - moved) * evidence.stayed + moved * evidence.could_have_moved
    missed = (1 - moved) * (1 - recall * evidence.within) + moved * (1 - recall)
    return recall * found + missed
