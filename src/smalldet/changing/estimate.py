"""What two dates say together: the probability of each object's status, and true numbers.

What a detector found is not what there was. So numbers are drawn: of every object, whether it is
real and whether it is gone, by its own probability; and for each real one how many the detector
missed, which is geometric with the recall at its size. Many draws give a mean and an interval.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from smalldet.changing.compare import Compared
from smalldet.changing.evidence import Evidence, Posterior, chances, draw_posterior
from smalldet.changing.odds import Odds
from smalldet.changing.recall import Known
from smalldet.changing.shift import Scatter, Surroundings
from smalldet.changing.tally import Grouping, Numbers, Tally

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]

NUM_DRAWS, LEAST_DRAWS, MAX_NUMBERS = 400, 100, 40_000_000
"""Draws, and how many numbers of groups they may hold at most."""
NUM_ROUNDS = 3
"""What is alone at one date depends on what is gone at the other, and back."""
FIRST_GUESS = 0.1
LEAST_RECALL = 0.05
"""Objects that are found more rarely say nothing of how many there are."""


@dataclass(frozen=True, eq=False)
class Estimated:
    """What is believed of two dates.

    Args:
        old_p: (N,) probability that what is said of each old object is so; that it is real, of
            those that were not seen.
        new_p: (M,) the same of the new objects.
        numbers: of each grouping.
    """

    old_p: Floats
    new_p: Floats
    numbers: list[Numbers]


@dataclass(frozen=True, eq=False)
class _Side:
    """One class of one date: rows of its judged objects, what they say, and what follows."""

    rows: Rows
    evidence: Evidence
    posterior: Posterior


def estimate(
    compared: Compared,
    known: Known,
    scatter: Scatter,
    surroundings: Surroundings,
    tolerance_m: tuple[Floats, Floats],
    moved_within_m: float | None,
    groupings: Sequence[Grouping] = (),
) -> Estimated:
    """Probabilities and numbers of two dates; the same each time.

    Args:
        compared: the dates.
        known: of the detector.
        scatter: of one object's places.
        surroundings: of an object by others of its class.
        tolerance_m: (N,) and (M,) of each object.
        moved_within_m: how far one can have moved.
        groupings: to count by.
    """
    rng = np.random.default_rng(0)
    dates = (compared.old, compared.new)
    scores = [known.calibration(objects.scores) for objects in dates]
    bounds = [known.recall.bounds(objects) for objects in dates]
    within = [scatter.within(reach) for reach in tolerance_m]
    odds = Odds(compared, scores, scatter, surroundings, moved_within_m)
    sides: tuple[list[_Side], list[_Side]] = ([], [])
    classes = np.unique(np.concatenate([objects.labels for objects in dates])).tolist()
    for label in classes:
        judged = [
            np.flatnonzero((objects.labels == label) & seen)
            for objects, seen in zip(dates, (compared.old_seen, compared.new_seen), strict=True)
        ]
        alone = [FIRST_GUESS, FIRST_GUESS]
        moved = FIRST_GUESS if len(compared.could_have_moved) else 0.0
        pair: list[_Side] = []
        for _ in range(NUM_ROUNDS):
            pair = []
            for date in (0, 1):
                rows = judged[date]
                evidence = Evidence(
                    scores[date][rows],
                    bounds[date][0][rows],
                    bounds[date][1][rows],
                    within[date][rows],
                    *(column[rows] for column in odds.of(date, label, alone[1 - date])),
                )
                pair.append(_Side(rows, evidence, draw_posterior(evidence, moved, NUM_DRAWS, rng)))
            alone = [_share_alone(side) for side in pair]
            moved = _share_that_moved(pair[0]) if moved else 0.0
        sides[0].append(pair[0])
        sides[1].append(pair[1])
    return _drawn(compared, scores, bounds, sides, groupings, rng)


def _share_alone(side: _Side) -> float:
    """Of the real objects, those that are gone, and those that the other date misses."""
    evidence, posterior = side.evidence, side.posterior
    if not evidence.score.sum():
        return FIRST_GUESS
    recall = evidence.low + posterior.place.mean() * (evidence.high - evidence.low)
    found = np.average(recall * evidence.within, weights=evidence.score)
    return 1 - (1 - float(posterior.gone.mean())) * float(found)


def _share_that_moved(side: _Side) -> float:
    gone, place = (float(one.mean()) for one in (side.posterior.gone, side.posterior.place))
    found = chances(side.evidence, gone, place, side.posterior.moved)
    moved, stayed = float(found.moved_at_all.sum()), float(found.stayed.sum())
    return (moved + 0.5) / (moved + stayed + 1)


def _drawn(
    compared: Compared,
    scores: Sequence[Floats],
    bounds: Sequence[tuple[Floats, Floats]],
    sides: tuple[list[_Side], list[_Side]],
    groupings: Sequence[Grouping],
    rng: np.random.Generator,
) -> Estimated:
    """Means over all draws, and of groups their spread."""
    num_draws = _num_draws(groupings)
    tallies = [Tally(grouping, num_draws) for grouping in groupings]
    p = [np.zeros(len(one)) for one in scores]
    partners = _partnered(compared)
    for draw in range(num_draws):
        for date in (0, 1):
            one = _one_draw(sides[date], sides[1 - date], bounds[date], partners[date], draw)
            p[date] += one.said / num_draws
            if not tallies:
                continue
            chance, each = rng.random(len(one.said)), rng.geometric(one.recall)
            likely = one.real / one.recall, one.gone / one.recall
            numbers = each * (chance < one.real), each * (chance < one.gone)
            for tally in tallies:
                tally.add(draw, date, likely, numbers)
    for date, seen in enumerate((compared.old_seen, compared.new_seen)):
        p[date] = np.where(seen, p[date], scores[date])
    return Estimated(p[0], p[1], [tally.numbers() for tally in tallies])


def _num_draws(groupings: Sequence[Grouping]) -> int:
    """As many as there is memory for, where groups are many."""
    most = max((grouping.num for grouping in groupings), default=0)
    return max(LEAST_DRAWS, min(NUM_DRAWS, MAX_NUMBERS // max(most, 1)))


class _Draw(NamedTuple):
    """(N,) of the objects of a date, in one draw.

    Args:
        said: probability of what is said of each.
        real: that it is real.
        gone: that it is real and not at the other date.
        recall: of its own date, at its size.
    """

    said: Floats
    real: Floats
    gone: Floats
    recall: Floats


def _one_draw(
    sides: Sequence[_Side],
    others: Sequence[_Side],
    bounds: tuple[Floats, Floats],
    partner: NDArray[np.int8],
    number: int,
) -> _Draw:
    """One draw of a date; what was not judged is 0.

    Args:
        sides: of the date, by class.
        others: of the other date.
        bounds: (N,) of the recall.
        partner: (N,) see `_partnered`.
        number: of the draw.
    """
    num = len(partner)
    one = _Draw(np.zeros(num), np.zeros(num), np.zeros(num), np.ones(num))
    for side, other in zip(sides, others, strict=True):
        rows, posterior = side.rows, side.posterior
        at = (posterior.gone[number], posterior.place[number], posterior.moved)
        of = chances(side.evidence, *at)
        one.real[rows], one.gone[rows] = of.real, of.gone
        one.said[rows] = np.choose(partner[rows], (of.gone, of.stayed, of.moved))
        low, high = (bound[rows] for bound in bounds)
        recall = low + other.posterior.place[number] * (high - low)
        one.recall[rows] = np.maximum(recall, LEAST_RECALL)
    return one


def _partnered(compared: Compared) -> tuple[NDArray[np.int8], NDArray[np.int8]]:
    """1 for objects that stayed, 2 for those that moved, 0 for others, of both dates."""
    old, new = (np.zeros(len(one), dtype=np.int8) for one in (compared.old, compared.new))
    for number, pairs in enumerate((compared.stayed, compared.moved), start=1):
        old[pairs.old] = new[pairs.new] = number
    return old, new
