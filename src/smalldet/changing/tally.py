"""True numbers of groups of objects, from many draws of what is real, gone and missed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]

INTERVAL = (0.025, 0.975)
KINDS = (("old", "gone"), ("new", "appeared"))
"""What is counted of each date: its objects, and those that are not at the other."""


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


class Tally:
    """Gathers draws of the numbers of groups.

    Args:
        grouping: the groups.
        num_draws: how many will be added of each date.
    """

    def __init__(self, grouping: Grouping, num_draws: int) -> None:
        self._grouping, self._num_draws = grouping, num_draws
        names = [name for kind in KINDS for name in kind]
        self._drawn = {n: np.zeros((num_draws, grouping.num), dtype=np.int32) for n in names}
        self._mean = {name: np.zeros(grouping.num) for name in names}

    def add(
        self, draw: int, date: int, likely: tuple[Floats, Floats], drawn: tuple[Rows, Rows]
    ) -> None:
        """Add a draw of one date.

        Args:
            draw: its number.
            date: 0 for the old one, 1 for the new.
            likely: (N,) expected numbers that each object stands for, at the date and not at the
                other.
            drawn: (N,) the same as drawn.
        """
        rows, group = (self._grouping.old, self._grouping.new)[date]
        for name, mean, number in zip(KINDS[date], likely, drawn, strict=True):
            self._mean[name] += np.bincount(group, mean[rows], self._grouping.num)
            self._drawn[name][draw] = np.bincount(group, number[rows], self._grouping.num)

    def numbers(self) -> Numbers:
        """Means and intervals of all draws."""
        drawn = {**self._drawn, "net": self._drawn["appeared"] - self._drawn["gone"]}
        mean = {name: total / self._num_draws for name, total in self._mean.items()}
        mean["net"] = mean["appeared"] - mean["gone"]
        return Numbers(
            **{
                name: Interval(mean[name], *np.quantile(values, INTERVAL, axis=0))
                for name, values in drawn.items()
            }
        )
