"""Counts by zone and class: what was found, what there truly was, and what changed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

from smalldet.changing.compare import Status
from smalldet.changing.dates import Date, Dates
from smalldet.changing.periods import Period
from smalldet.changing.tally import Interval, Numbers
from smalldet.changing.zones import Zones, grouping, seen_frac
from smalldet.inference.writers.layers import Layer
from smalldet.inference.writers.zoning import Rows

DIGITS = 2

Columns = dict[str, NDArray[Any]]


def period_columns(
    zones: Zones,
    number: int,
    period: Period,
    kept: tuple[NDArray[np.bool_], NDArray[np.bool_]],
    numbers: Numbers,
) -> Columns:
    """(zones by classes,) what a period counts: what was found of each status, and true numbers.

    What stayed and moved is counted in the zone of its second date.
    """
    found = grouping(zones, number, period, kept)
    compared = period.compared
    old_status, new_status = compared.old_status(), compared.new_status()
    columns: Columns = {}
    for status in (Status.STAYED, Status.MOVED, Status.APPEARED):
        columns[status.value] = _count(found.new, new_status == status, found.num)
    columns["gone"] = _count(found.old, old_status == Status.GONE, found.num)
    columns["not_seen"] = _count(found.old, old_status == Status.NOT_SEEN, found.num) + _count(
        found.new, new_status == Status.NOT_SEEN, found.num
    )
    for kind in ("appeared", "gone", "net"):
        columns |= interval_columns(kind, getattr(numbers, kind))
    return columns


def interval_columns(kind: str, interval: Interval) -> Columns:
    """`KIND_est`, `KIND_low` and `KIND_high`."""
    parts = {"est": interval.mean, "low": interval.low, "high": interval.high}
    return {f"{kind}_{part}": values.round(DIGITS) for part, values in parts.items()}


def _count(groups: tuple[Rows, Rows], chosen: NDArray[np.bool_], num: int) -> NDArray[np.int64]:
    rows, group = groups
    return np.bincount(group[chosen[rows]], minlength=num)


def counts_layer(
    zones: Zones, dates: Dates, period: Period, kept: tuple[Any, Any], numbers: Numbers
) -> Layer:
    """Of two dates: a row for each zone and class."""
    found = grouping(zones, 0, period, kept)
    every = [np.ones(len(one), dtype=np.bool_) for one in kept]
    num = zones.num_groups
    columns: Columns = {"date_old": _same(period.old, num), "date_new": _same(period.new, num)}
    columns |= {"num_old": _count(found.old, every[0], num)}
    columns |= {"num_new": _count(found.new, every[1], num)}
    columns |= period_columns(zones, 0, period, kept, numbers)
    columns |= interval_columns("old", numbers.old) | interval_columns("new", numbers.new)
    return _layer(zones, dates, columns, 1, "gone")


def over_time_layer(
    zones: Zones,
    dates: Dates,
    periods: Sequence[Period],
    common: Sequence[NDArray[np.bool_]],
    numbers: Sequence[Numbers],
) -> Layer:
    """Of several dates: a row for each zone, class and date, with what changed since the last.

    Only ground that all dates have seen is counted, so that the numbers of the dates compare;
    `num_found` is what was found on all ground.

    Args:
        zones: the zones.
        dates: all dates.
        periods: from each date to the next.
        common: (N,) of each date, which objects lie on ground that all have seen.
        numbers: of each period, on that ground.
    """
    num, objects = zones.num_groups, [periods[0].compared.old]
    objects += [period.compared.new for period in periods]
    parts: list[Columns] = []
    for date, own in enumerate(objects):
        everything = zones.groups(date, own.labels, np.ones(len(own), dtype=np.bool_))
        columns: Columns = {"date": _same(dates.dates[date].name, num)}
        columns["num_found"] = _count(everything, np.ones(len(own), np.bool_), num)
        columns["num"] = _count(everything, common[date], num)
        here = numbers[date].old if date < len(periods) else numbers[-1].new
        columns |= interval_columns("num", here)
        period = max(date - 1, 0)
        kept = (common[period], common[period + 1])
        since = period_columns(zones, period, periods[period], kept, numbers[period])
        if date == 0:
            since = {name: np.full(num, np.nan) for name in since}
        parts.append(columns | since)
    # by zone, then by class, then by date
    whole = {
        name: np.stack([part[name] for part in parts], axis=1).reshape(-1) for name in parts[0]
    }
    return _layer(zones, dates, whole, len(objects), "num")


def _same(text: str, num: int) -> NDArray[Any]:
    return np.full(num, text, dtype=object)


def _layer(zones: Zones, dates: Dates, columns: Columns, each: int, drawn_by: str) -> Layer:
    """A layer of groups, each of them with `each` rows."""
    crs, shapes, named, _, _ = zones.zoned
    num_classes = len(zones.class_names)
    classes = np.array(zones.class_names, dtype=object)
    of_zone = np.repeat(np.arange(len(shapes)), num_classes * each)
    # a zone's own columns do not go before ours
    own = {f"zone_{name}" if name in columns or name == "class" else name: name for name in named}
    told = {name: named[column][of_zone] for name, column in own.items()}
    told["seen_frac"] = seen_frac(zones.zoned, dates)[of_zone]
    told["class"] = np.tile(np.repeat(classes, each), len(shapes))
    # exteriors anticlockwise, as RFC 7946 asks
    placed = shapely.reverse(shapely.normalize(shapes))[of_zone]
    return Layer(zones.name, crs, placed, told | columns, drawn_by)


def on_common_ground(dates: Sequence[Date], periods: Sequence[Period]) -> list[NDArray[np.bool_]]:
    """(N,) of each date, which objects lie on ground that all dates have seen.

    Those with a partner at a neighbouring date lie on that one's ground for sure.
    """
    objects = [periods[0].compared.old, *(one.compared.new for one in periods)]
    common = [np.ones(len(one), dtype=np.bool_) for one in objects]
    for k, own in enumerate(objects):
        for j, date in enumerate(dates):
            if j == k + 1:
                common[k] &= periods[k].compared.old_seen
            elif j == k - 1:
                common[k] &= periods[j].compared.new_seen
            elif j != k:
                common[k] &= date.ground.shows(own)
    return common
