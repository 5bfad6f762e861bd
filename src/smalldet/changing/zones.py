"""Zones with what lies in them of every date, and how much of each was seen."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import shapely
from numpy.typing import NDArray

from smalldet.changing.dates import Dates
from smalldet.changing.periods import Period
from smalldet.changing.tally import Grouping
from smalldet.inference.writers.layers import Shapes
from smalldet.inference.writers.metric_map import MetricMap
from smalldet.inference.writers.zoning import Rows, Zoned, zoned_on_map
from smalldet.inference.zone_kinds import Cells, Grid, ZoneFile, parse_zones

EVERY_CLASS, EVERYWHERE = "all", "all"
NUM_SAMPLES, SAMPLES = 100_000, (5, 300)
"""Points at which all zones are looked at, and the fewest and most on a side of one."""
FRAC_DIGITS = 3

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


def seen_frac(zoned: Zoned, dates: Dates) -> NDArray[np.float64]:
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
    seen = np.asarray(np.isfinite(metres).all(axis=1))
    for date in dates.dates:
        seen[seen] = date.ground.holds(metres[seen])
    num = np.bincount(zone, minlength=len(zoned.shapes))
    found = np.bincount(zone[seen], minlength=len(zoned.shapes))
    return (found / np.maximum(num, 1)).round(FRAC_DIGITS)
