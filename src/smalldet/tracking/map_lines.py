"""Tracks on the map: a line for each, with its time, length and speed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray
from rasterio.crs import CRS

from smalldet.atomic_write import atomic_write
from smalldet.imagery.drawing import class_colours
from smalldet.imagery.ground import reprojected
from smalldet.imagery.places import WGS84
from smalldet.inference.writers.geojson import save_geojson
from smalldet.inference.writers.layers import Layer
from smalldet.inference.writers.metric_map import metric_map
from smalldet.tracking.frame_boxes import FrameBoxes

SMOOTH_S = 1.0
METRE_DIGITS, TIME_DIGITS, SCORE_DIGITS = 2, 3, 4

Points = NDArray[np.float64]


def write_map_lines(
    path: Path, tracks: FrameBoxes, points: Points, times_s: NDArray[np.float64], crs: CRS
) -> None:
    """GeoJSON in longitude and latitude; tracks of one point are left out.

    A centre is the mean of those seen within half a second before and after it, so that boxes that
    tremble by a pixel do not make a parked car drive.

    Args:
        path: the file.
        tracks: boxes, sorted by frame.
        points: (N, 2) their centres in `crs`.
        times_s: (N,) of their frames.
        crs: coordinate system of the points.
    """
    placed = np.isfinite(points).all(axis=1)
    middle = reprojected(points[placed][:1], crs, WGS84)
    shapes: list[Any] = []
    rows: list[dict[str, Any]] = []
    plane = metric_map(middle, crs) if len(middle) else None
    for number in np.unique(tracks.ids).tolist():
        of_track = np.flatnonzero((tracks.ids == number) & placed)
        if len(of_track) < 2 or plane is None:
            continue
        times = times_s[of_track]
        line = smoothed(plane.metres(points[of_track], crs), times)
        length = float(np.linalg.norm(np.diff(line, axis=0), axis=1).sum())
        seconds = float(times[-1] - times[0])
        shapes.append(shapely.linestrings(plane.back(line, WGS84)))
        rows.append(
            {
                "id": number,
                "class": tracks.class_names[tracks.labels[of_track[0]]],
                "score": round(float(tracks.scores[of_track].mean()), SCORE_DIGITS),
                "num_boxes": len(of_track),
                "first_frame": int(tracks.frames[of_track[0]]),
                "last_frame": int(tracks.frames[of_track[-1]]),
                "first_s": round(float(times[0]), TIME_DIGITS),
                "last_s": round(float(times[-1]), TIME_DIGITS),
                "length_m": round(length, METRE_DIGITS),
                "distance_m": round(float(np.linalg.norm(line[-1] - line[0])), METRE_DIGITS),
                "speed_m_s": round(length / seconds, METRE_DIGITS),
            }
        )
    names = tracks.class_names
    columns = {key: np.array([row[key] for row in rows], dtype=object) for key in COLUMNS}
    colours = dict(zip(names, class_colours(len(names)), strict=True))
    layer = Layer("tracks", WGS84, np.array(shapes, dtype=object), columns, "class", colours)
    with atomic_write(path) as draft:
        save_geojson(draft, layer)


COLUMNS = (
    "id",
    "class",
    "score",
    "num_boxes",
    "first_frame",
    "last_frame",
    "first_s",
    "last_s",
    "length_m",
    "distance_m",
    "speed_m_s",
)


def smoothed(points: Points, times_s: NDArray[np.float64]) -> Points:
    """(N, 2) means over the seconds around each point, as many before as after it."""
    rows = np.arange(len(points))
    first = np.searchsorted(times_s, times_s - SMOOTH_S / 2, side="left")
    last = np.searchsorted(times_s, times_s + SMOOTH_S / 2, side="right") - 1
    reach = np.minimum(rows - first, last - rows)
    sums = np.concatenate([np.zeros((1, 2)), np.cumsum(points - points[0], axis=0)])
    return (sums[rows + reach + 1] - sums[rows - reach]) / (2 * reach + 1)[:, None] + points[0]
