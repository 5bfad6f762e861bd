"""The odds of partners: how much better the same object explains one than another does."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from smalldet.changing.compare import Compared
from smalldet.changing.pairs import Pairs
from smalldet.changing.shift import Scatter, Surroundings

Floats = NDArray[np.float64]


class Odds:
    """F of the pairs of two dates; see `evidence`.

    Args:
        compared: the dates.
        scores: calibrated, of each date.
        scatter: of one object's places.
        surroundings: of an object by others of its class.
        moved_within_m: how far one can have moved.
    """

    def __init__(
        self,
        compared: Compared,
        scores: Sequence[Floats],
        scatter: Scatter,
        surroundings: Surroundings,
        moved_within_m: float | None,
    ) -> None:
        self._compared, self._scores = compared, scores
        self._surroundings = surroundings
        self._stayed = scatter.density(compared.stayed.distance_m)
        self._anywhere = 0.0 if moved_within_m is None else 1 / (math.pi * moved_within_m**2)

    def of(self, date: int, label: int, alone: float) -> tuple[Floats, Floats, Floats]:
        """`stayed`, `moved` and `could_have_moved` of all objects of a date, for one class.

        Args:
            date: 0 for the old one, 1 for the new.
            label: the class.
            alone: share of the other date's real objects that have none of their own in this one.
        """
        compared = self._compared
        num = len((compared.old, compared.new)[date])
        pairs = (compared.stayed, compared.moved, compared.could_have_moved)
        densities = (self._stayed, self._anywhere, self._anywhere)
        columns: list[Floats] = []
        for some, density in zip(pairs, densities, strict=True):
            own = (some.old, some.new)[date]
            odds = density * self._explains(date, label, alone, some)
            columns.append(np.bincount(own, odds, minlength=num).astype(np.float64))
        return columns[0], columns[1], columns[2]

    def _explains(self, date: int, label: int, alone: float, pairs: Pairs) -> Floats:
        other = (self._compared.new, self._compared.old)[date]
        scores = self._scores[1 - date]
        partner = scores[(pairs.new, pairs.old)[date]]
        num_real = max(float(scores[other.labels == label].sum()), 1.0)
        density = num_real * self._surroundings.density(pairs.distance_m)
        # a score of 1 where none is alone would be odds without end
        return partner / (density * np.maximum(1 - partner * (1 - alone), 1e-9))
