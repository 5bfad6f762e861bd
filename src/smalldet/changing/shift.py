"""The shift between two dates: found from what stayed, without knowing what that is.

Every pair of an old and a new object of one class that are not far apart has a difference of
places. Those of one object lie around the shift; those of unrelated objects lie around it as the
objects of a single date lie around each other. The densest place is where the search begins, and
expectation maximisation of that mixture finds the shift, its error, and the scatter around it.

Such mixtures identify stars in two catalogues (Sutherland and Saunders 1992, "On the likelihood
ratio for source identification").
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from smalldet.changing.pairs import near_pairs
from smalldet.changing.plane import Objects

Floats = NDArray[np.float64]

WIDTHS = 2.0 ** (-np.arange(11) / 2)
"""Standard deviations of the Gaussians that make up the scatter, in tolerances."""
LEAST_PAIRS = 8
"""That must be of one object each, for a shift to be told."""
LEAST_EXCESS = 5.0
"""Standard deviations of the unrelated pairs by which the densest place must surpass them."""
SURE = 20.0
"""Of the squared shift over its squared error: chance reaches it less than once in a thousand."""
MAX_OBJECTS = 50_000
"""Old objects that are looked at; of more, as many are evenly taken."""
MAX_CELLS = 1500
"""A side of the map of differences."""
FEW_PAIRS = 20.0
"""As many of the mean stand beside those of each distance."""
FAR = 3.0
"""Tolerances from the densest place on, where pairs are unrelated for sure."""
MAX_STEPS, SETTLED = 100, 1e-4


@dataclass(frozen=True, eq=False)
class Scatter:
    """How far apart the places of one object lie at two dates: Gaussians of one middle.

    So it may be as pointed as labels that were copied from one date to the other, and as broad as
    those that were drawn anew.

    Args:
        sigmas_m: (K,) standard deviations on each axis.
        shares: (K,) of the objects; they add up to 1.
    """

    sigmas_m: Floats
    shares: Floats

    def density(self, distance_m: Floats) -> Floats:
        """(N,) a square metre, at distances (N,)."""
        peaks = self.shares / (2 * math.pi * self.sigmas_m**2)
        return np.exp(-(distance_m[:, None] ** 2) / (2 * self.sigmas_m**2)) @ peaks

    def within(self, reach_m: Floats) -> Floats:
        """(N,) share of the objects whose places are at most this apart."""
        return 1 - np.exp(-(reach_m[:, None] ** 2) / (2 * self.sigmas_m**2)) @ self.shares

    @property
    def metres(self) -> float:
        """Root of the mean square on each axis."""
        return math.sqrt(float(self.shares @ self.sigmas_m**2))


@dataclass(frozen=True, eq=False)
class Surroundings:
    """How dense other objects lie around an object: by their distance, for one other object.

    Trees stand in groups, and no two on one spot. So this is what pairs of a single date are, but
    never less than if they lay everywhere alike: what appears may take the spot of what is gone.

    Args:
        distance_m: (B,) rising.
        per_m2: (B,) over 0.
    """

    distance_m: Floats
    per_m2: Floats

    @classmethod
    def alike(cls, area_m2: float) -> Surroundings:
        """Objects that lie everywhere alike."""
        return cls(np.zeros(1), np.array([1 / area_m2]))

    def density(self, distance_m: Floats) -> Floats:
        """(N,) a square metre, at distances (N,)."""
        return np.interp(distance_m, self.distance_m, self.per_m2)


@dataclass(frozen=True, eq=False)
class Shift:
    """How the second date lies to the first.

    Args:
        east_m: metres that the new objects lie too far along x of the map.
        north_m: likewise along y.
        error_m: standard error of either.
        scatter: of one object's places around the shift.
        num_pairs: expected number of pairs of one object.
        surroundings: of an object of one class, by others of it.
    """

    east_m: float
    north_m: float
    error_m: float
    scatter: Scatter
    num_pairs: float
    surroundings: Surroundings

    @property
    def metres(self) -> float:
        """Its length."""
        return math.hypot(self.east_m, self.north_m)

    @property
    def is_sure(self) -> bool:
        """Whether it is more than chance would give dates that lie right."""
        return self.metres**2 > SURE * self.error_m**2


def find_shift(old: Objects, new: Objects, reach_m: float, tolerance_m: float) -> Shift | None:
    """The shift of the new date; None where too few objects stayed to tell.

    Args:
        old: of the first date.
        new: of the second.
        reach_m: differences up to this length are looked at.
        tolerance_m: about how near two places of one object lie.
    """
    step = max(1, -(-len(old) // MAX_OBJECTS))
    rows = np.arange(0, len(old), step)
    far = np.full(len(rows), reach_m), np.full(len(new), reach_m)
    pairs = near_pairs(old.xy[rows], new.xy, (old.labels[rows], new.labels), far)
    if len(pairs) < LEAST_PAIRS:
        return None
    differences = new.xy[pairs.new] - old.xy[rows][pairs.old]
    cell_m = max(tolerance_m / 2, 2 * reach_m / MAX_CELLS)
    start = _densest(differences, reach_m, cell_m)
    if start is None:
        return None
    around = _surroundings((old, new), rows, reach_m, tolerance_m)
    num_all = pairs_of_one_class(old.labels[rows], new.labels)
    near = ((differences - start) ** 2).sum(axis=1) <= (FAR * tolerance_m) ** 2
    found = _fitted(differences[near], around, num_all, start, tolerance_m * WIDTHS)
    if found is None:
        return None
    place, numbers = found
    num_pairs = float(numbers.sum())
    scatter = Scatter(tolerance_m * WIDTHS, numbers / num_pairs)
    return Shift(
        float(place[0]),
        float(place[1]),
        scatter.metres / math.sqrt(num_pairs),
        scatter,
        num_pairs * step,
        around,
    )


def pairs_of_one_class(old_labels: NDArray[np.int64], new_labels: NDArray[np.int64]) -> float:
    """How many pairs of one class there are, near or far."""
    num = 1 + int(max(old_labels.max(initial=0), new_labels.max(initial=0)))
    of_old, of_new = (np.bincount(labels, minlength=num) for labels in (old_labels, new_labels))
    return float((of_old.astype(np.float64) * of_new).sum())


def _surroundings(
    dates: tuple[Objects, Objects], rows: NDArray[np.int64], reach_m: float, tolerance_m: float
) -> Surroundings:
    """From the pairs of single dates, drawn towards their mean where there are few."""
    edges = np.linspace(0, reach_m, max(2, math.ceil(2 * reach_m / tolerance_m)) + 1)
    found, num_all = np.zeros(len(edges) - 1), 0.0
    for objects in dates:
        some = rows[rows < len(objects)]
        far = np.full(len(some), reach_m), np.full(len(objects), reach_m)
        labels = objects.labels[some], objects.labels
        pairs = near_pairs(objects.xy[some], objects.xy, labels, far)
        distance = pairs.distance_m[some[pairs.old] != pairs.new]
        found += np.histogram(distance, edges)[0]
        num_all += pairs_of_one_class(*labels)
    # never none at all: that there are none within reach does not make them impossible
    usual = max(found.sum(), 1) * np.diff(edges**2) / reach_m**2
    denser = np.maximum((found + FEW_PAIRS) / (usual + FEW_PAIRS), 1)
    per_m2 = denser * max(found.sum(), 1) / (math.pi * reach_m**2) / max(num_all, 1)
    return Surroundings((edges[:-1] + edges[1:]) / 2, per_m2)


def _densest(differences: Floats, reach_m: float, cell_m: float) -> Floats | None:
    """(2,) the middle of the densest 3 x 3 cells; None where chance is as dense.

    In rows of one spacing, such as parked cars, other places are nearly as dense. Of those that
    chance cannot tell from the densest, the nearest to no shift is taken.
    """
    side = math.ceil(reach_m / cell_m)
    edges = (np.arange(-side, side + 2) - 0.5) * cell_m  # no shift is the middle of a cell
    counts = np.histogram2d(*differences.T, bins=(edges, edges))[0]
    padded = np.pad(counts, 1)
    summed = np.sum(
        [padded[i : i + len(counts), j : j + len(counts)] for i in range(3) for j in range(3)],
        axis=0,
    )
    middles = (edges[:-1] + edges[1:]) / 2
    away = np.hypot(middles[:, None], middles[None, :])
    inside = away <= reach_m
    most = float(summed[inside].max(initial=0))
    usual = len(differences) * 9 * cell_m**2 / (math.pi * reach_m**2)
    if most < LEAST_PAIRS or most - usual < LEAST_EXCESS * math.sqrt(max(usual, 1)):
        return None
    dense = inside & (summed >= most - 2 * math.sqrt(most))
    i, j = np.unravel_index(np.where(dense, away, np.inf).argmin(), away.shape)
    return np.array([middles[i], middles[j]])


def _fitted(
    differences: Floats, around: Surroundings, num_all: float, place: Floats, sigmas_m: Floats
) -> tuple[Floats, Floats] | None:
    """The mixture: its place, and pairs of one object by Gaussian.

    None where hardly any pairs are of one object.
    """
    numbers = np.full(len(sigmas_m), len(differences) / 2 / len(sigmas_m))
    for _ in range(MAX_STEPS):
        away2 = ((differences - place) ** 2).sum(axis=1)
        same = np.exp(-away2[:, None] / (2 * sigmas_m**2)) * numbers / (2 * math.pi * sigmas_m**2)
        others = num_all * around.density(np.sqrt(away2))
        share = same / (same.sum(axis=1) + others)[:, None]
        before, numbers = numbers, share.sum(axis=0)
        if numbers.sum() < LEAST_PAIRS:
            return None
        weights = share @ sigmas_m**-2.0
        place = weights @ differences / weights.sum()
        if np.abs(numbers - before).max() < SETTLED * len(differences):
            break
    return place, numbers
