"""What two dates say together: the probability of each object's status, and true numbers.

What a detector found is not what there was. So numbers are drawn: of every object, whether it is
real and whether it is gone, by its own probability; and for each real one how many the detector
missed, which is geometric with the recall at its size. Many draws give a mean and an interval.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from smalldet.changing.compare import Compared
from smalldet.changing.evidence import Evidence, Posterior, chances, draw_posterior
from smalldet.changing.odds import Odds
from smalldet.changing.recall import Known
from smalldet.changing.shift import Scatter, Surroundings

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]

NUM_DRAWS = 400
NUM_ROUNDS = 3
"""What is alone at one date depends on what is gone at the other, and back."""
FIRST_GUESS = 0.1
LEAST_RECALL = 0.05
"""Objects that are found more rarely say nothing of how many there are."""
INTERVAL = (0.025, 0.975)


@dataclass(frozen=True, eq=False)
class Grouping:
    """Objects in groups, such as those of each zone and class; an object may be in several.

    Args:
        old: (P,) rows of the old date, and (P,) the group of each.
        new: the same of the new date.
        num: of groups.
    """

    old: tuple[Rows, Rows]
    new: tuple[Rows, Rows]
    num: int


@dataclass(frozen=True, eq=False)
class Interval:
    """(G,) means and 95 % intervals of true numbers, of groups."""

    mean: Floats
    low: Floats
    high: Floats


@dataclass(frozen=True, eq=False)
class Numbers:
    """True numbers of groups, on ground that both dates have seen.

    Args:
        old: objects at the first date.
        new: objects at the second.
        gone: of the first that are not there at the second.
        appeared: of the second that were not there at the first.
        net: `appeared` less `gone`.
    """

    old: Interval
    new: Interval
    gone: Interval
    appeared: Interval
    net: Interval


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
    dates = (compared.old, compared.new)
    p = [np.zeros(len(objects)) for objects in dates]
    kinds = ("old", "new", "gone", "appeared")
    drawn = [{kind: np.zeros((NUM_DRAWS, one.num)) for kind in kinds} for one in groupings]
    meant = [{kind: np.zeros(one.num) for kind in kinds} for one in groupings]
    partnered = _partnered(compared)
    for k in range(NUM_DRAWS):
        for date, objects in enumerate(dates):
            gone, real, found = (np.zeros(len(objects)) for _ in range(3))
            recall = np.ones(len(objects))
            for side, other in zip(sides[date], sides[1 - date], strict=True):
                rows, posterior = side.rows, side.posterior
                of = chances(side.evidence, posterior.gone[k], posterior.place[k], posterior.moved)
                gone[rows], real[rows] = of.gone, of.real
                found[rows] = np.select(
                    [partnered[date][rows] == 1, partnered[date][rows] == 2],
                    [of.stayed, of.moved],
                    of.gone,
                )
                low, high = (bound[rows] for bound in bounds[date])
                recall[rows] = low + other.posterior.place[k] * (high - low)
            p[date] += found / NUM_DRAWS
            if not groupings:
                continue
            recall = np.maximum(recall, LEAST_RECALL)
            chance = rng.random(len(objects))
            each = rng.geometric(recall)
            values = {
                ("old", "new")[date]: (real / recall, each * (chance < real)),
                ("gone", "appeared")[date]: (gone / recall, each * (chance < gone)),
            }
            for grouping, draws, means in zip(groupings, drawn, meant, strict=True):
                rows, group = (grouping.old, grouping.new)[date]
                for kind, (mean, value) in values.items():
                    means[kind] += np.bincount(group, mean[rows], grouping.num) / NUM_DRAWS
                    draws[kind][k] = np.bincount(group, value[rows], grouping.num)
    for date, seen in enumerate((compared.old_seen, compared.new_seen)):
        p[date] = np.where(seen, p[date], scores[date])
    numbers = [_numbers(draws, means) for draws, means in zip(drawn, meant, strict=True)]
    return Estimated(p[0], p[1], numbers)


def _partnered(compared: Compared) -> tuple[NDArray[np.int8], NDArray[np.int8]]:
    """1 for objects that stayed, 2 for those that moved, 0 for others, of both dates."""
    old, new = (np.zeros(len(one), dtype=np.int8) for one in (compared.old, compared.new))
    for number, pairs in enumerate((compared.stayed, compared.moved), start=1):
        old[pairs.old] = new[pairs.new] = number
    return old, new


def _numbers(draws: dict[str, Floats], means: dict[str, Floats]) -> Numbers:
    draws = {**draws, "net": draws["appeared"] - draws["gone"]}
    means = {**means, "net": means["appeared"] - means["gone"]}
    return Numbers(
        **{
            kind: Interval(means[kind], *np.quantile(draws[kind], INTERVAL, axis=0))
            for kind in ("old", "new", "gone", "appeared", "net")
        }
    )
