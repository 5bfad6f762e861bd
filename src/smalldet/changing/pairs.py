"""Pairs of objects of two dates: who is near whom, and who is whose."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray

from smalldet.columns import column, take
from smalldet.geometry.pairs import intersecting_pairs

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Pairs:
    """Pairs of an object of the old date and one of the new.

    Args:
        old: (P,) rows of the old date.
        new: (P,) rows of the new date.
        distance_m: (P,) between their centres.
    """

    old: Rows = field(metadata=column())
    new: Rows = field(metadata=column())
    distance_m: Floats = field(metadata=column())

    def __len__(self) -> int:
        return len(self.old)

    def __getitem__(self, rows: NDArray[np.bool_] | Rows) -> Pairs:
        return take(self, rows)


def near_pairs(
    old_xy: Floats, new_xy: Floats, labels: tuple[Rows, Rows], reach_m: tuple[Floats, Floats]
) -> Pairs:
    """Pairs of one class whose centres are at most as far apart as the mean of their two reaches.

    Args:
        old_xy: (N, 2) metres.
        new_xy: (M, 2) metres.
        labels: (N,) and (M,) classes.
        reach_m: (N,) and (M,) over 0.
    """
    num, xy = len(old_xy), np.concatenate([old_xy, new_xy])
    reach = np.concatenate(reach_m)
    if not num or not len(new_xy):
        nothing = np.zeros(0, dtype=np.int64)
        return Pairs(nothing, nothing, np.zeros(0))
    # Boxes of half the reach meet where the centres are as near on both axes; a hair more, as what
    # rounding moves must not be lost. From the middle, so that large coordinates lose no digits.
    xy = xy - xy.mean(axis=0)
    half = (reach * ((1 + 1e-9) / 2) + 1e-6)[:, None]
    boxes = torch.from_numpy(np.concatenate([xy - half, xy + half], axis=1))
    date = torch.arange(len(xy)) >= num
    classes = torch.from_numpy(np.concatenate(labels))
    first, second = (side.numpy() for side in intersecting_pairs(boxes, classes, date.long()))
    second = second - num
    distance = np.linalg.norm(old_xy[first] - new_xy[second], axis=1)
    near = distance <= (reach[first] + reach[num + second]) / 2
    return Pairs(first[near], second[near], distance[near])


def nearest_first(pairs: Pairs) -> Pairs:
    """One-to-one: of all pairs the nearest, of those that are left the nearest, and so on.

    Both would rather have the nearer partner, so this is the one stable matching (Gale and Shapley
    1962). The pairs in which each is the other's nearest belong to it; they are taken all at once,
    round by round. To pair as many as can be would be wrong: where a row of trees loses one at one
    end and gains one at the other, all would be paired with their neighbours.
    """
    pairs = pairs[np.lexsort((pairs.new, pairs.old, pairs.distance_m))]
    left, kept = np.arange(len(pairs)), [np.zeros(0, dtype=np.int64)]
    while len(left):
        firsts = [np.unique(side[left], return_index=True)[1] for side in (pairs.old, pairs.new)]
        mutual = left[np.intersect1d(firsts[0], firsts[1])]
        kept.append(mutual)
        taken = np.isin(pairs.old[left], pairs.old[mutual])
        taken |= np.isin(pairs.new[left], pairs.new[mutual])
        left = left[~taken]
    return pairs[np.sort(np.concatenate(kept))]
