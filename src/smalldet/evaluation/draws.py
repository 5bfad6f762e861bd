"""Pictures drawn with replacement, and average precision of all draws at once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from smalldet.evaluation.judging import RECALL_POINTS

MOST_GROUPS = 500
"""More pictures are drawn in so many groups: the spread of their sum is that of single draws."""
MOST_STEPS = 500
"""More hits of a class make so many steps of the curve."""


@dataclass(frozen=True, eq=False)
class Draws:
    """How often each group of pictures is drawn.

    Args:
        weights: (draws, groups) float32, whole numbers.
        group_of: (num pictures,) int64.
    """

    weights: NDArray[np.float32]
    group_of: NDArray[np.int64]

    @classmethod
    def of(cls, units: NDArray[np.int64], num_drawn: int, num_resamples: int, seed: int) -> Draws:
        """The pictures as they are, then draws from them."""
        rng = np.random.default_rng(seed)
        num_groups = min(num_drawn, MOST_GROUPS)
        if not num_groups:
            return cls(np.zeros((1 + num_resamples, 0), np.float32), units)
        group = rng.permutation(num_drawn) % num_groups
        shares = np.full(num_groups, 1 / num_groups)
        weights = rng.multinomial(num_groups, shares, size=num_resamples)
        once = np.ones((1, num_groups))
        return cls(np.concatenate([once, weights]).astype(np.float32), group[units])

    def sums(self, groups: NDArray[np.int64]) -> NDArray[np.int64]:
        """(draws,) how many of some things, each of a group, are drawn."""
        counts = np.bincount(groups, minlength=self.weights.shape[1])
        return (self.weights @ counts.astype(np.float64)).astype(np.int64)


def steps(
    hits: NDArray[np.bool_], group: NDArray[np.int64], draws: Draws
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Hits and false alarms of each draw down to each step of the curve.

    A step ends with a hit: nowhere else can precision be the best from there on. So no step is
    lost up to `MOST_STEPS` hits, and every so many hits make one beyond.

    Args:
        hits: (D,) of hits and false alarms by falling score.
        group: (D,) of each.
        draws: how often each group is drawn.

    Returns:
        (num_resamples, steps) both.
    """
    before = hits.cumsum() - hits
    num_hits = int(hits.sum())
    num_steps = min(num_hits, MOST_STEPS)
    before, kept = before * num_steps // max(num_hits, 1), before < num_hits
    shape = draws.weights.shape[1], num_steps

    def below(which: NDArray[np.bool_]) -> NDArray[np.int64]:
        cells = (group * num_steps + before)[kept & which]
        table = np.bincount(cells, minlength=shape[0] * shape[1]).reshape(shape)
        return (draws.weights @ table.astype(np.float32)).cumsum(axis=1).astype(np.int64)

    return below(hits), below(~hits)


def average_precision(
    found: NDArray[np.int64], false: NDArray[np.int64], needed: NDArray[np.int64]
) -> NDArray[np.float64]:
    """(num_resamples,) COCO's, of the outcomes of `steps` and of `needed_hits`."""
    num_draws, num_steps = found.shape
    precision = found / np.maximum(found + false, 1)
    best = np.zeros((num_draws, num_steps + 1))
    best[:, :-1] = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
    # One search for all draws: numbers of hits of each are moved beyond those of the one before.
    row = np.arange(num_draws)[:, None]
    apart = row * (max(found.max(initial=0), needed.max(initial=0)) + 1)
    place = np.searchsorted((found + apart).ravel(), (needed + apart).ravel())
    place = np.minimum(place.reshape(needed.shape) - row * num_steps, num_steps)
    return np.take_along_axis(best, place, axis=1).mean(axis=1)


def needed_hits(num_objects: NDArray[np.int64]) -> NDArray[np.int64]:
    """(num_resamples, 101) hits that reach each point of recall, a quotient of floats in COCO."""
    total = np.maximum(num_objects, 1)[:, None]
    needed = np.maximum(np.ceil(RECALL_POINTS * total) - 1, 0)
    for _ in range(2):
        needed += needed / total < RECALL_POINTS
    return needed.astype(np.int64)
