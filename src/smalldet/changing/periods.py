"""Periods: what became of the objects from each date to the next, on the first one's ground."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from smalldet.changing.compare import Compared, compare, reaches
from smalldet.changing.dates import Date
from smalldet.changing.options import ChangeOptions
from smalldet.changing.plane import Objects
from smalldet.changing.shift import Scatter, Shift, Surroundings, find_shift

MAX_SHIFT_SIDES = 2.0
"""Median sides of the objects up to which a shift is corrected, where nothing else is said."""
SEEK = 2.0
"""Times the largest shift that is corrected, up to which one is looked for, to be told."""
USUAL_SCATTER = 0.4
"""Of the tolerance, where too few objects stayed to tell."""


@dataclass(frozen=True, eq=False)
class Registration:
    """How the second date of a period was put on the first one's ground.

    Args:
        shift: that was found, or None.
        corrected: whether it was.
        max_shift_m: up to which one is corrected.
        scatter: of one object's places around it.
        surroundings: of an object by others of its class.
    """

    shift: Shift | None
    corrected: bool
    max_shift_m: float
    scatter: Scatter
    surroundings: Surroundings


@dataclass(frozen=True, eq=False)
class Period:
    """From one date to the next.

    Args:
        old: name of the first date.
        new: name of the second.
        compared: what became of the objects.
        registration: of the second date.
        reach_m: (N,) and (M,) tolerances of each object.
    """

    old: str
    new: str
    compared: Compared
    registration: Registration
    reach_m: tuple[NDArray[np.float64], NDArray[np.float64]]


def compare_dates(dates: Sequence[Date], options: ChangeOptions) -> tuple[Period, ...]:
    """Each date with the next.

    Raises:
        ValueError: sizes are not known and no tolerance is given.
    """
    periods: list[Period] = []
    total = np.zeros(2)  # shift of the old date from the first one
    for old, new in pairwise(dates):
        here = periods[-1].compared.new if periods else old.objects
        there = new.objects.moved(*(-total).tolist())
        reach_m = reaches(here, options.tolerance_m), reaches(there, options.tolerance_m)
        registration = _register(here, there, np.concatenate(reach_m), options)
        before = total.copy()
        if registration.corrected and registration.shift is not None:
            step = np.array([registration.shift.east_m, registration.shift.north_m])
            total = total + step
            there = there.moved(*(-step).tolist())
        compared = compare(
            here,
            there,
            (_seen(old, before), _seen(new, total)),
            options.tolerance_m,
            options.moved_within_m,
        )
        periods.append(Period(old.name, new.name, compared, registration, reach_m))
    return tuple(periods)


def _seen(date: Date, shift: NDArray[np.float64]):
    """Whether a date has seen objects that lie on the first date's ground."""
    return lambda objects: date.ground.shows(objects.moved(*shift.tolist()))


def _register(
    old: Objects, new: Objects, reach_m: NDArray[np.float64], options: ChangeOptions
) -> Registration:
    tolerance_m = float(np.median(reach_m))
    sides = np.concatenate([old.side_m, new.side_m])
    sides = sides[np.isfinite(sides)]
    max_shift_m = options.max_shift_m
    if max_shift_m is None:
        max_shift_m = MAX_SHIFT_SIDES * float(np.median(sides)) if len(sides) else 2 * tolerance_m
    seek_m = max(SEEK * max_shift_m, 4 * tolerance_m)
    shift = find_shift(old, new, seek_m, tolerance_m) if len(old) and len(new) else None
    if shift is not None:
        corrected = not options.no_shift and shift.is_sure and shift.metres <= max_shift_m
        return Registration(shift, corrected, max_shift_m, shift.scatter, shift.surroundings)
    xy = np.concatenate([old.xy, new.xy])
    area_m2 = float(np.prod(np.maximum(np.ptp(xy, axis=0), seek_m)))
    scatter = Scatter(np.array([USUAL_SCATTER * tolerance_m]), np.ones(1))
    return Registration(None, False, max_shift_m, scatter, Surroundings.alike(area_m2))
