"""The area that was looked through: rectangles that cover the ground outside of it."""

from __future__ import annotations

from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

NUM_CELLS, MIN_CELL_PX = 256, 8
# So many corners of the area give the grid lines too, so that an upright area is met exactly.
MAX_LINES = 64
ROUNDING_PX = 1e-3


def tolerance_px(width: int, height: int) -> float:
    """How far at most the rectangles reach into the area, in pixels along each axis."""
    return max(MIN_CELL_PX, max(width, height) / NUM_CELLS)


def outside(area: Any, width: int, height: int) -> NDArray[np.float32]:
    """Upright rectangles (M, 4) xyxy that cover all of a picture that an area leaves out.

    They do not overlap. Where its border runs aslant they reach into the area, by at most
    `tolerance_px`: ground of which nothing is known never passes for known.

    Args:
        area: one valid polygon or multipolygon in pixels, which may reach beyond the picture.
        width: of the picture, pixels.
        height: likewise.
    """
    corners = shapely.get_coordinates(area)
    cell = tolerance_px(width, height)
    x, y = (_lines(corners[:, k], length, cell) for k, length in enumerate((width, height)))
    known = shapely.buffer(area, ROUNDING_PX, join_style="mitre")
    shapely.prepare(known)
    cells = shapely.box(x[None, :-1], y[:-1, None], x[None, 1:], y[1:, None])
    return _merged(~shapely.covers(known, cells), x, y)


def _lines(corners: NDArray[np.float64], length: int, cell: float) -> NDArray[np.float64]:
    """Where the grid is cut along one axis, rising from 0 to the picture's length."""
    lines = np.linspace(0, length, int(np.ceil(length / cell)) + 1)
    own = np.unique(corners.round(6))
    if len(own) > MAX_LINES:
        return lines
    return np.unique(np.concatenate((lines, own[(own > 0) & (own < length)])))


def _merged(
    unknown: NDArray[np.bool_], x: NDArray[np.float64], y: NDArray[np.float64]
) -> NDArray[np.float32]:
    """Runs of cells along the rows, joined with the same runs of the rows below."""
    boxes: list[tuple[float, float, float, float]] = []
    growing: dict[tuple[int, int], int] = {}  # columns of a run, and the row where it began
    closing = np.zeros((1, unknown.shape[1]), dtype=np.bool_)
    for row, cells in enumerate(np.concatenate((unknown, closing))):
        edges = np.flatnonzero(np.diff(np.concatenate(([0], cells.astype(np.int8), [0]))))
        runs = {(int(start), int(end)) for start, end in edges.reshape(-1, 2)}
        for run in [run for run in growing if run not in runs]:
            boxes.append((x[run[0]], y[growing.pop(run)], x[run[1]], y[row]))
        growing.update({run: row for run in sorted(runs) if run not in growing})
    return np.array(boxes, dtype=np.float32).reshape(-1, 4)
