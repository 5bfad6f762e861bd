"""What changed, in plain words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from smalldet.changing.compare import Status
from smalldet.changing.periods import Period, Registration
from smalldet.changing.recall import Known
from smalldet.inference.writers.layers import Layer

WIDE = 2.0
"""Scatters: a tolerance of less loses many of the objects that stayed."""


@dataclass(frozen=True, eq=False)
class ChangeReport:
    """What changed between dates.

    Args:
        class_names: of all dates.
        periods: from each date to the next.
        changes: a row for each object of each period.
        whole: counts on all ground.
        tables: counts by zones; those on all ground where none are asked for.
        remarks: what a person should know.
        written: files.
    """

    class_names: tuple[str, ...]
    periods: tuple[Period, ...]
    changes: Layer
    whole: Layer
    tables: tuple[Layer, ...]
    remarks: tuple[str, ...]
    written: tuple[Path, ...]

    def lines(self) -> Iterator[str]:
        """The summary, line by line."""
        for period in self.periods:
            old, new = period.compared.old, period.compared.new
            yield f"{period.old} to {period.new}: {len(old):,} objects, then {len(new):,}"
            yield f"  {_registered(period.registration, period)}"
            yield from self._of_classes(period)
        yield from self._numbers()

    def _of_classes(self, period: Period) -> Iterator[str]:
        compared = period.compared
        old, new = compared.old_status(), compared.new_status()
        for label, name in enumerate(self.class_names):
            of_old, of_new = compared.old.labels == label, compared.new.labels == label
            if not (of_old.any() or of_new.any()):
                continue
            counts = {
                status: int((new[of_new] == status).sum())
                for status in (Status.STAYED, Status.MOVED, Status.APPEARED, Status.NOT_SEEN)
            }
            counts[Status.GONE] = int((old[of_old] == Status.GONE).sum())
            counts[Status.NOT_SEEN] += int((old[of_old] == Status.NOT_SEEN).sum())
            told = ", ".join(f"{counts[status]:,} {status}" for status in Status)
            yield f"  {name}: {told}"

    def _numbers(self) -> Iterator[str]:
        """True numbers of all ground, by class."""
        table = self.whole.columns
        for row, name in enumerate(table["class"].tolist()):
            if "date" in table:
                yield f"{name} at {table['date'][row]}: {_interval(table, 'num', row)} in truth"
            else:
                yield (
                    f"{name} in truth: {_interval(table, 'gone', row)} gone, "
                    f"{_interval(table, 'appeared', row)} appeared, "
                    f"{_interval(table, 'net', row, signed=True)} in all"
                )


def _interval(table: Mapping[str, Any], kind: str, row: int, *, signed: bool = False) -> str:
    sign = "+" if signed else ""
    mean, low, high = (table[f"{kind}_{part}"][row] for part in ("est", "low", "high"))
    return f"{mean:{sign},.0f} ({low:{sign},.0f} to {high:{sign},.0f})"


def _registered(registration: Registration, period: Period) -> str:
    shift = registration.shift
    if shift is None:
        return "too few objects stayed to tell a shift between the dates: none is corrected"
    east, north = (
        f"{abs(metres):.2f} m {ways[metres < 0]}"
        for metres, ways in ((shift.east_m, ("east", "west")), (shift.north_m, ("north", "south")))
    )
    error = 1.96 * shift.error_m
    scatter = f"what stayed scatters by {shift.scatter.metres:.2g} m"
    if registration.corrected:
        return (
            f"{period.new} lies {shift.metres:.2f} m from {period.old} ({east}, {north}, each "
            f"+- {error:.2f} m): corrected; {scatter}"
        )
    if shift.is_sure and shift.metres > registration.max_shift_m:
        return (
            f"{period.new} lies {shift.metres:.2f} m from {period.old} ({east}, {north}), more "
            f"than the {registration.max_shift_m:.3g} m of --max-shift: not corrected"
        )
    why = "not corrected, as asked" if shift.is_sure else "no more than chance: none is corrected"
    length = f"a shift of {shift.metres:.2f} m ({east}, {north}, each +- {error:.2f} m)"
    return f"{length}: {why}; {scatter}"


def remarks_of(periods: Sequence[Period], known: Known) -> Iterator[str]:
    """What a person should know of how dates were compared."""
    yield known.recall.words
    for period in periods:
        tolerance = float(np.median(np.concatenate(period.reach_m)))
        scatter = period.registration.scatter.metres
        if period.registration.shift is not None and tolerance < WIDE * scatter:
            yield (
                f"{period.old} to {period.new}: what stayed scatters by {scatter:.2g} m, and the "
                f"tolerance is {tolerance:.2g} m: some of it counts as gone and appeared; a larger "
                "--tolerance pairs more"
            )
        shift = period.registration.shift
        if shift is not None and shift.is_sure and not period.registration.corrected:
            yield f"{period.old} to {period.new}: they do not lie on each other"
