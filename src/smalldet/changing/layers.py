"""What became of the objects, as a layer of a map."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray
from rasterio.crs import CRS

from smalldet.changing.compare import Status
from smalldet.changing.estimate import Estimated
from smalldet.changing.periods import Period
from smalldet.changing.plane import Objects
from smalldet.data.formats.vector_write import cut_at_date_line
from smalldet.inference.writers.layers import Layer, Shapes
from smalldet.inference.writers.metric_map import MetricMap

COLOURS = {
    Status.STAYED.value: (150, 150, 150),
    Status.MOVED.value: (30, 120, 255),
    Status.APPEARED.value: (0, 190, 60),
    Status.GONE.value: (230, 0, 30),
    Status.NOT_SEEN.value: (255, 200, 0),
}
"""In which QGIS draws what became of them."""
SCORE_DIGITS, METRE_DIGITS = 4, 3

Columns = dict[str, NDArray[Any]]


@dataclass(frozen=True)
class MapPlace:
    """Where and how shapes are written.

    Args:
        plane: the common map that they are on.
        crs: coordinate system to write.
        as_points: centres in place of shapes.
    """

    plane: MetricMap
    crs: CRS
    as_points: bool

    def placed(self, shapes: Shapes) -> Shapes:
        """(N,) shapes of the common map, in the coordinate system to write.

        Raises:
            ValueError: they have no place there.
        """
        points = self.plane.back(shapely.get_coordinates(shapes), self.crs)
        if not np.isfinite(points).all():
            raise ValueError(f"the objects lie where {self.crs.to_string()} has no coordinates")
        moved = shapely.set_coordinates(shapes.copy(), points)
        if self.crs.is_geographic and not self.as_points:
            moved = cut_at_date_line(moved)
        return shapely.reverse(shapely.normalize(moved)) if not self.as_points else moved


def change_layer(
    periods: Sequence[Period],
    estimates: Sequence[Estimated],
    class_names: Sequence[str],
    place: MapPlace,
) -> Layer:
    """A row for each object of each period: what stayed or moved once, by its second date.

    Shapes lie on the first date's ground.
    """
    parts = [_rows(*one, class_names) for one in zip(periods, estimates, strict=True)]
    shapes = np.concatenate([objects for objects, _ in parts])
    columns = {name: np.concatenate([one[name] for _, one in parts]) for name in parts[0][1]}
    columns = {"id": np.arange(1, len(shapes) + 1)} | columns
    if place.as_points:
        shapes = np.asarray(shapely.centroid(shapes), dtype=object)
    return Layer("change", place.crs, place.placed(shapes), columns, "status", COLOURS)


def has_points(periods: Sequence[Period]) -> bool:
    """Whether an object is a point and no polygon."""
    dates = [date for one in periods for date in (one.compared.old, one.compared.new)]
    return any((shapely.get_dimensions(objects.shapes) == 0).any() for objects in dates)


def _rows(
    period: Period, estimated: Estimated, class_names: Sequence[str]
) -> tuple[Shapes, Columns]:
    """Pairs in the place of their old object, then what is new."""
    compared = period.compared
    old, new, pairs = compared.old, compared.new, compared.pairs
    partner, distance = np.full(len(old), -1), np.full(len(old), np.nan)
    partner[pairs.old], distance[pairs.old] = pairs.new, pairs.distance_m
    alone = np.ones(len(new), dtype=np.bool_)
    alone[pairs.new] = False
    fresh = np.flatnonzero(alone)
    old_row = np.concatenate([np.arange(len(old)), np.full(len(fresh), -1)])
    new_row = np.concatenate([partner, fresh])
    is_new = new_row >= 0

    def either(of_old: NDArray[Any], of_new: NDArray[Any]) -> NDArray[Any]:
        """Of the new object where there is one."""
        values = np.concatenate([of_old, of_new])
        return values[np.where(is_new, len(of_old) + new_row, old_row)]

    status = np.concatenate([compared.old_status(), compared.new_status()[fresh]])
    p = np.concatenate([estimated.old_p, estimated.new_p[fresh]])
    hidden = status == Status.NOT_SEEN
    names = np.array([*class_names, ""], dtype=object)
    columns: Columns = {
        "class": names[either(old.labels, new.labels)],
        "status": status.astype(object),
        "p": p.round(SCORE_DIGITS),
        "score_old": _numbers(old, old_row, "scores", SCORE_DIGITS),
        "score_new": _numbers(new, new_row, "scores", SCORE_DIGITS),
        "distance_m": np.concatenate([distance, np.full(len(fresh), np.nan)]).round(METRE_DIGITS),
        "side_m": either(old.side_m, new.side_m).round(METRE_DIGITS),
        "date_old": np.full(len(status), period.old, dtype=object),
        "date_new": np.full(len(status), period.new, dtype=object),
        "unseen_at": np.where(hidden, np.where(is_new, period.old, period.new), "").astype(object),
        "id_old": _texts(old, old_row, "ids"),
        "id_new": _texts(new, new_row, "ids"),
        "source_old": _texts(old, old_row, "sources"),
        "source_new": _texts(new, new_row, "sources"),
    }
    return either(old.shapes, new.shapes), columns


def _numbers(
    objects: Objects, rows: NDArray[np.int64], name: str, digits: int
) -> NDArray[np.float64]:
    return np.append(getattr(objects, name), np.nan)[rows].round(digits)


def _texts(objects: Objects, rows: NDArray[np.int64], name: str) -> NDArray[Any]:
    return np.append(getattr(objects, name), "")[rows]
