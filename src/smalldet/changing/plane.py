"""The one map, in metres, on which the objects of all dates are compared."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

from smalldet.changing.readings import Reading, Shapes
from smalldet.class_names import class_key
from smalldet.columns import column
from smalldet.imagery.ground import reprojected
from smalldet.inference.writers.metric_map import MetricMap, metric_map
from smalldet.inference.writers.placing import WGS84

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Objects:
    """The objects of one date on the map, in metres.

    Args:
        shapes: (N,) polygons or points.
        xy: (N, 2) their centres.
        side_m: (N,) square root of the area; NaN where it is not known.
        side_px: (N,) the same in pixels of the picture; NaN where that is not known.
        half_found_px: (N,) side from which on half of its class are found; NaN likewise.
        labels: (N,) int64, positions among the classes of all dates.
        scores: (N,) 0..1.
        ids: (N,) texts.
        sources: (N,) texts.
    """

    shapes: Shapes = field(metadata=column())
    xy: Floats = field(metadata=column())
    side_m: Floats = field(metadata=column())
    side_px: Floats = field(metadata=column())
    half_found_px: Floats = field(metadata=column())
    labels: NDArray[np.int64] = field(metadata=column())
    scores: Floats = field(metadata=column())
    ids: NDArray[Any] = field(metadata=column())
    sources: NDArray[Any] = field(metadata=column())

    def __len__(self) -> int:
        return len(self.labels)

    def moved(self, east_m: float, north_m: float) -> Objects:
        """The same objects elsewhere."""
        if east_m == north_m == 0:
            return self
        step = np.array([east_m, north_m])
        return replace(self, shapes=shapely.transform(self.shapes, step.__add__), xy=self.xy + step)


def common_map(readings: Sequence[Reading]) -> MetricMap:
    """The map of the first date that has an object: its own, or the UTM zone of its middle.

    Raises:
        ValueError: no date has an object, or their place is nowhere on earth.
    """
    reading = next((one for one in readings if len(one)), None)
    if reading is None:
        names = " nor ".join(one.origin for one in readings)
        raise ValueError(f"neither {names} has an object to compare")
    points = np.concatenate(
        [
            reprojected(_centres(reading.shapes[reading.system == k]), crs, WGS84)
            for k, crs in enumerate(reading.systems)
        ]
    )
    if not np.isfinite(points).all():
        raise ValueError(f"{reading.origin}: its coordinate system has no place on earth")
    points[:, 0] -= 360 * np.round((points[:, 0] - points[0, 0]) / 360)  # at the date line
    middle = (points.min(axis=0) + points.max(axis=0)) / 2
    crs = reading.systems[0] if len(reading.systems) == 1 else None
    return metric_map(middle[None], crs)


def class_names_of(readings: Sequence[Reading]) -> tuple[str, ...]:
    """The classes of all dates, spelt as they are first met."""
    names: dict[str, str] = {}
    for reading in readings:
        found = np.unique(reading.classes.astype(np.str_)).tolist()
        for name in (*(reading.class_names or ()), *found):
            names.setdefault(class_key(name), name)
    return tuple(names.values())


def on_map(reading: Reading, plane: MetricMap, class_names: Sequence[str]) -> Objects:
    """The objects of a reading on the common map.

    Raises:
        ValueError: one has no place there; names the file.
    """
    shapes = reading.shapes.copy()
    for k, crs in enumerate(reading.systems):
        own = np.flatnonzero(reading.system == k)
        points = plane.metres(shapely.get_coordinates(shapes[own]), crs)
        if not np.isfinite(points).all():
            raise ValueError(
                f"{reading.origin}: lies where {plane.crs.to_string()}, the map of the first date, "
                "has no coordinates"
            )
        shapes[own] = shapely.set_coordinates(shapes[own], points)
    area = shapely.area(shapes)
    keys = {class_key(name): label for label, name in enumerate(class_names)}
    found, position = np.unique(reading.classes.astype(np.str_), return_inverse=True)
    labels = np.array([keys[class_key(name)] for name in found.tolist()], dtype=np.int64)
    return Objects(
        shapes,
        _centres(shapes),
        np.where(area > 0, np.sqrt(area), reading.side_m),
        reading.side_px,
        reading.half_found_px,
        labels[position.reshape(-1)],
        reading.scores,
        reading.ids,
        reading.sources,
    )


def _centres(shapes: Shapes) -> Floats:
    """(N, 2) middles of the shapes."""
    return shapely.get_coordinates(shapely.centroid(shapes)).reshape(-1, 2)
