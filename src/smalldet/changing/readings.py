"""Readings: the objects of one date as a file or a prediction has them, before they share a map."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray
from rasterio.crs import CRS

from smalldet.columns import column
from smalldet.imagery.places import to_map
from smalldet.imagery.sources import FileSource
from smalldet.inference.results import Result
from smalldet.inference.writers.placing import quads

Shapes = NDArray[Any]
"""(N,) shapely geometries."""


@dataclass(frozen=True, eq=False)
class Reading:
    """The objects of one date, each in the coordinate system of its file or picture.

    Args:
        origin: what the date was read from, for messages.
        systems: the coordinate systems.
        shapes: (N,) polygons or points.
        system: (N,) int64, positions in `systems`.
        classes: (N,) names.
        scores: (N,) 0..1.
        ids: (N,) texts that name each object in its file.
        sources: (N,) names of the pictures; empty where they are not told.
        side_m: (N,) square root of the area in metres; NaN where it follows from the shape.
        side_px: (N,) the same in pixels of the picture; NaN where that is not known.
        half_found_px: (N,) side from which on half of its class are found; NaN likewise.
        class_names: that were looked for; None where only those that were found are known.
        pictures: that were looked through; None where that is not known.
        remarks: what a person should know of how it was read.
    """

    origin: str
    systems: tuple[CRS, ...]
    shapes: Shapes = field(metadata=column())
    system: NDArray[np.int64] = field(metadata=column())
    classes: NDArray[Any] = field(metadata=column())
    scores: NDArray[np.float64] = field(metadata=column())
    ids: NDArray[Any] = field(metadata=column())
    sources: NDArray[Any] = field(metadata=column())
    side_m: NDArray[np.float64] = field(metadata=column())
    side_px: NDArray[np.float64] = field(metadata=column())
    half_found_px: NDArray[np.float64] = field(metadata=column())
    class_names: tuple[str, ...] | None = None
    pictures: tuple[FileSource, ...] | None = None
    remarks: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.shapes)


def of_results(
    origin: str,
    results: Sequence[Result],
    pictures: tuple[FileSource, ...],
    class_names: tuple[str, ...],
) -> Reading:
    """What was found in pictures, each in the picture's own coordinate system.

    Args:
        origin: what the date was read from.
        results: pictures with a place on a map.
        pictures: all that were looked through.
        class_names: that were looked for.
    """
    systems: list[CRS] = []
    shapes: list[Shapes] = [np.zeros(0, dtype=object)]
    system: list[NDArray[np.int64]] = [np.zeros(0, dtype=np.int64)]
    for result in results:
        assert result.crs is not None and result.transform is not None
        if result.crs not in systems:
            systems.append(result.crs)
        corners = quads(result)[:, [3, 2, 1, 0, 3]]
        rings = to_map(result.transform, corners.reshape(-1, 2)).reshape(-1, 5, 2)
        shapes.append(np.asarray(shapely.polygons(rings), dtype=object).reshape(-1))
        system.append(np.full(len(corners), systems.index(result.crs)))
    num = [len(result.detections) for result in results]
    area_px = [shapely.area(np.asarray(shapely.polygons(quads(result)))) for result in results]
    names = [name for result in results for name in result.detections.named()]
    scores = [result.detections.scores.double().numpy() for result in results]
    return Reading(
        origin,
        tuple(systems),
        np.concatenate(shapes),
        np.concatenate(system),
        np.array(names, dtype=object),
        np.concatenate([np.zeros(0), *scores]),
        np.array([str(number) for number in range(1, sum(num) + 1)], dtype=object),
        np.repeat(np.array([result.name for result in results], dtype=object), num),
        np.full(sum(num), np.nan),
        np.sqrt(np.concatenate([np.zeros(0), *(area.reshape(-1) for area in area_px)])),
        np.full(sum(num), np.nan),
        class_names,
        pictures,
    )
