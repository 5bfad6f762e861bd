"""Oriented boxes as labels have them: four corners, or centre, sides and an angle."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray

from smalldet.geometry.oriented import canonical, quads_to_rboxes

logger = logging.getLogger(__name__)

QUADS_AT_ONCE = 100_000
MAX_TURN = 2 * math.pi + 1e-3

MIN_RATIO = 1.5
MIN_SLANT = 0.3
MISREADINGS = {
    "turn the other way": (-1, 0.0),
    "be those of the other side": (1, math.pi / 2),
    "turn the other way, and be those of the other side": (-1, math.pi / 2),
}
"""What angles of foreign files may mean instead: factor and summand that make them ours."""

Where = Callable[[int], str]
"""Names the place of an object by its row, for messages."""
_Points = NDArray[np.float64]


def rboxes_round(corners: NDArray[np.float64], where: Where) -> NDArray[np.float32]:
    """Corners (N, 8), x1 y1 to x4 y4, to oriented boxes (N, 5), the smallest round each.

    Their order does not matter, but where two sides cross, as in a bow tie, a warning says so.
    """
    crossed = np.flatnonzero(sides_cross(corners))
    if len(crossed):
        logger.warning(
            "%d objects have corners of which two sides cross, and are taken for the smallest "
            "rectangle round them (first: %s)",
            len(crossed),
            where(int(crossed[0])),
        )
    return smallest_rboxes(corners)


def smallest_rboxes(corners: NDArray[np.float64]) -> NDArray[np.float32]:
    """Corners (N, 8) to the smallest oriented boxes (N, 5) round them, whatever their order."""
    parts = [np.zeros((0, 5), dtype=np.float32)]
    for start in range(0, len(corners), QUADS_AT_ONCE):
        quads = torch.from_numpy(corners[start : start + QUADS_AT_ONCE].reshape(-1, 4, 2))
        parts.append(canonical(quads_to_rboxes(quads).float()).numpy())
    return np.concatenate(parts)


def sides_cross(corners: NDArray[np.float64]) -> NDArray[np.bool_]:
    """(N,) whether two sides of the quads (N, 8) cross, as those of a bow tie do."""
    a, b, c, d = np.moveaxis(corners.reshape(-1, 4, 2), 1, 0)
    return _cross(a, b, c, d) | _cross(b, c, d, a)


def _cross(a: _Points, b: _Points, c: _Points, d: _Points) -> NDArray[np.bool_]:
    """Whether the inner points of the lines ab and cd meet in one."""
    return (_side(a, b, c) * _side(a, b, d) < 0) & (_side(c, d, a) * _side(c, d, b) < 0)


def _side(a: _Points, b: _Points, c: _Points) -> NDArray[np.float64]:
    """Sign of the side of the line ab on which c lies."""
    (x, y), (u, v) = (b - a).T, (c - a).T
    return np.sign(x * v - y * u)


def telling(rboxes: NDArray[np.float64]) -> NDArray[np.bool_]:
    """(N,) of which oriented boxes (N, 5) a wrong angle would be seen: long, and well turned."""
    low, high = rboxes[:, 2:4].min(axis=1), rboxes[:, 2:4].max(axis=1)
    return (np.abs(np.sin(2 * rboxes[:, 4])) > MIN_SLANT) & (high > MIN_RATIO * low)


def misread(rboxes: NDArray[np.float64], how: str) -> NDArray[np.float64]:
    """Oriented boxes (N, 5) with angles read as `how` of `MISREADINGS` says."""
    factor, summand = MISREADINGS[how]
    return rboxes * (1, 1, 1, 1, factor) + (0, 0, 0, 0, summand)


def refuse_degrees(angles: NDArray[np.float64], where: Where) -> None:
    """Raises a ValueError where an angle is no radians of one turn; names the object."""
    wrong = np.flatnonzero(np.abs(angles) > MAX_TURN)
    if len(wrong):
        row = int(wrong[0])
        more = f" ({len(wrong) - 1:,} more are as large)" if len(wrong) > 1 else ""
        raise ValueError(f"{where(row)} has the angle {angles[row]:g}; angles are in radians{more}")
