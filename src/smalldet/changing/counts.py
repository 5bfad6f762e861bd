"""Counts by zone and class: what was found, what there truly was, and what changed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

from smalldet.changing.compare import Status
from smalldet.changing.dates import Date, Dates
from smalldet.changing.estimate import Grouping, Interval, Numbers
from smalldet.changing.periods import Period
from smalldet.inference.writers.layers import Layer, Shapes
from smalldet.inference.writers.metric_map import MetricMap
from smalldet.inference.writers.zoning import Rows, Zoned, zoned_on_map
from smalldet.inference.zone_kinds import Cells, Grid, ZoneFile, parse_zones

EVERY_CLASS, EVERYWHERE = "all", "all"
DIGITS = 2
NUM_SAMPLES, SAMPLES = 100_000, (5, 300)
"""Points at which all zones are looked at, and the fewest and most on a side of one."""

Columns = dict[str, NDArray[Any]]
Found = tuple[Rows, Rows]
"""(P,) zones and (P,) rows of a date's objects in them."""


@dataclass(frozen=True, eq=False)
class Zones:
    """Zones with what lies in them of each date.

    Args:
        name: of the layer.
        zoned: the zones.
        of_dates: the pairs of a zone and an object, by date.
        class_names: that are counted; `all` last where there are several.
    """

    name: str
    zoned: Zoned
    of_dates: tuple[Found, ...]
    class_names: tuple[str, ...]

    @property
    def num_groups(self) -> int:
        """Zones by classes."""
        return len(self.zoned.shapes) * len(self.class_names)

    def groups(self, date: int, labels: Rows, kept: NDArray[np.bool_]) -> tuple[Rows, Rows]:
        """(P,) rows of a date's objects, and (P,) the group of each: by zone, then by class.

        Args:
            date: its number.
            labels: (N,) of its objects.
            kept: (N,) which of them count.
        """
        zone, row = self.of_dates[date]
        zone, row = zone[kept[row]], row[kept[row]]
        num = len(self.class_names)
        group = zone * num + labels[row]
        if self.class_names[-1] == EVERY_CLASS and num > 1:
            group = np.concatenate([group, zone * num + num - 1])
            row = np.concatenate([row, row])
        return row, group


def zones_of(dates: Dates, periods: Sequence[Period], kinds: Sequence[str]) -> list[Zones]:
    """All ground as one zone, then the zones of every kind that is asked for.

    Raises:
        FileNotFoundError, ValueError: see `zoning.zoned_on_map`.
    """
    objects = [periods[0].compared.old, *(one.compared.new for one in periods)]
    xy = np.concatenate([one.xy for one in objects])
    starts = np.cumsum([0, *(len(one) for one in objects)])
    names = tuple(dates.class_names)
    names = (*names, EVERY_CLASS) if len(names) > 1 else names
    plane = dates.plane

    def made(name: str, zoned: Zoned) -> Zones:
        return Zones(name, zoned, _split(zoned, starts), names)

    found = [made("counts", _whole(plane, np.concatenate([one.shapes for one in objects])))]
    for kind in kinds:
        zoned = zoned_on_map(parse_zones(kind), lambda: plane, lambda crs: plane.back(xy, crs))
        name = f"counts_{_layer_name(kind)}"
        taken = sum(one.name.startswith(name) for one in found)
        found.append(made(f"{name}_{taken + 1}" if taken else name, zoned))
    return found


def _layer_name(kind: str) -> str:
    parsed = parse_zones(kind)
    return {Grid: "grid", Cells: "h3", ZoneFile: "zones"}[type(parsed)]


def _whole(plane: MetricMap, shapes: Shapes) -> Zoned:
    """All objects in one zone, their enclosing box."""
    box = np.array([shapely.box(*shapely.total_bounds(shapes))], dtype=object)
    in_units = shapely.transform(box, lambda metres: metres / plane.unit_m)
    nowhere = np.zeros(len(shapes), dtype=np.int64)
    names = {"zone": np.array([EVERYWHERE], dtype=object)}
    return Zoned(plane.crs, in_units, names, nowhere, np.arange(len(shapes)))


def _split(zoned: Zoned, starts: NDArray[np.int64]) -> tuple[Found, ...]:
    """The pairs of each date, of those of all dates one behind the other."""
    pairs: list[Found] = []
    for first, end in pairwise(starts.tolist()):
        own = (zoned.row >= first) & (zoned.row < end)
        pairs.append((zoned.zone[own], zoned.row[own] - first))
    return tuple(pairs)


def grouping(
    zones: Zones, number: int, period: Period, kept: tuple[NDArray[np.bool_], NDArray[np.bool_]]
) -> Grouping:
    """The objects of a period by zone and class.

    Args:
        zones: the zones.
        number: of the period.
        period: the period.
        kept: (N,) and (M,) which of its objects count.
    """
    compared = period.compared
    return Grouping(
        zones.groups(number, compared.old.labels, kept[0]),
        zones.groups(number + 1, compared.new.labels, kept[1]),
        zones.num_groups,
    )


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
    told["seen_frac"] = _seen_frac(zones.zoned, dates)[of_zone]
    told["class"] = np.tile(np.repeat(classes, each), len(shapes))
    # exteriors anticlockwise, as RFC 7946 asks
    placed = shapely.reverse(shapely.normalize(shapes))[of_zone]
    return Layer(zones.name, crs, placed, told | columns, drawn_by)


def _seen_frac(zoned: Zoned, dates: Dates) -> NDArray[np.float64]:
    """(Z,) share of each zone that all dates have seen."""
    side = int(np.clip(math.sqrt(NUM_SAMPLES / max(len(zoned.shapes), 1)), *SAMPLES))
    share = (np.arange(side) + 0.5) / side
    bounds = shapely.bounds(zoned.shapes).reshape(-1, 4)
    x = bounds[:, 0, None] + share * (bounds[:, 2] - bounds[:, 0])[:, None]
    y = bounds[:, 1, None] + share * (bounds[:, 3] - bounds[:, 1])[:, None]
    points = np.stack(np.broadcast_arrays(x[:, None, :], y[:, :, None]), axis=-1).reshape(-1, 2)
    zone = np.repeat(np.arange(len(zoned.shapes)), side * side)
    inside = shapely.intersects_xy(zoned.shapes[zone], *points.T)
    points, zone = points[inside], zone[inside]
    assert zoned.crs is not None  # dates are compared on a map
    metres = dates.plane.metres(points, zoned.crs)
    seen = np.isfinite(metres).all(axis=1)
    for date in dates.dates:
        seen[seen] = date.ground.holds(metres[seen])
    num = np.bincount(zone, minlength=len(zoned.shapes))
    found = np.bincount(zone[seen], minlength=len(zoned.shapes))
    return (found / np.maximum(num, 1)).round(DIGITS + 1)


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
