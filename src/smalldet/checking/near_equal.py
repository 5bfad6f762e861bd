"""Pictures that look nearly the same, by the details of small copies.

Copies of 16 x 16 px less their own blur, over their norm, are multiplied with each other: their
correlation is 1 for a picture saved again, brighter or smaller, and near 0 for two others. What is
left of a plain sky is its noise, which no two pictures share; whole copies of two skies correlate
by 0.98. Finer copies lose the next frame of a clip, which is moved by a few pixels. A copy that is
mirrored or turned by right angles is found too.

Of a clip in which every frame is like every other, each is told once: findings grow with the
pictures, not with their pairs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

MIN_LIKENESS = 0.9
BLUR = 5
MIN_DETAIL = 2.0
"""Norm of the details, in grey levels: with less there is nothing to compare."""
ROWS_AT_ONCE = 512
_QUARTERS = ("", ", turned by 90 degrees", ", turned by 180 degrees", ", turned by 270 degrees")
TURNS = (*_QUARTERS, *(f", mirrored{quarter}" for quarter in _QUARTERS))
"""The eight ways to lay a square: first as it is, then mirrored."""


@dataclass(frozen=True)
class Twin:
    """A picture and the one before it that looks most like it.

    Attributes:
        first: its row, smaller than `second`.
        second: row of the picture.
        likeness: their correlation, over `MIN_LIKENESS`.
        turn: how the second is turned, for people; empty where it is not.
    """

    first: int
    second: int
    likeness: float
    turn: str


def near_equal(
    thumbs: Sequence[NDArray[np.uint8]], splits: Sequence[str]
) -> tuple[list[Twin], list[Twin]]:
    """For each picture the likest one before it, in its own split and in the others.

    Args:
        thumbs: N (S, S) grey copies of the whole pictures.
        splits: N names.

    Returns:
        twins in the same split, and in another one; the likest first.
    """
    if len(thumbs) < 2:
        return [], []
    details = _details(np.stack(thumbs).astype(np.float32))
    num = len(details)
    flat = details.reshape(num, -1)
    kind = np.unique(np.array(splits), return_inverse=True)[1]
    best = np.full((2, num), MIN_LIKENESS, dtype=np.float32)
    row, turn = np.full((2, num), -1), np.zeros((2, num), dtype=np.int64)
    for number in range(len(TURNS)):
        seen = details[:, :, ::-1] if number >= 4 else details
        turned = np.rot90(seen, number, (1, 2)).reshape(num, -1)
        for start in range(0, num, ROWS_AT_ONCE):
            rows = np.arange(start, min(start + ROWS_AT_ONCE, num))
            likeness = turned[rows] @ flat[: rows[-1] + 1].T
            before = np.arange(rows[-1] + 1) < rows[:, None]
            own = kind[: rows[-1] + 1] == kind[rows, None]
            for place, allowed in enumerate((before & own, before & ~own)):
                masked = np.where(allowed, likeness, -1)
                at = masked.argmax(axis=1)
                most = masked[np.arange(len(rows)), at]
                better = rows[most > best[place, rows]]
                best[place, better] = most[better - start]
                row[place, better], turn[place, better] = at[better - start], number
    return _twins(best[0], row[0], turn[0]), _twins(best[1], row[1], turn[1])


def _twins(
    best: NDArray[np.float32], row: NDArray[np.int64], turn: NDArray[np.int64]
) -> list[Twin]:
    found = np.flatnonzero(row >= 0)
    found = found[np.argsort(-best[found], kind="stable")]
    return [Twin(int(row[one]), one, float(best[one]), TURNS[turn[one]]) for one in found.tolist()]


def _details(thumbs: NDArray[np.float32]) -> NDArray[np.float32]:
    """(N, S, S) of norm 1; 0 where there is hardly any detail."""
    reach = BLUR // 2
    padded = np.pad(thumbs, ((0, 0), (reach, reach), (reach, reach)), mode="edge")
    windows = np.lib.stride_tricks.sliding_window_view(padded, (BLUR, BLUR), axis=(1, 2))
    details = thumbs - windows.mean(axis=(3, 4))
    norms = np.linalg.norm(details, axis=(1, 2), keepdims=True)
    return np.where(norms > MIN_DETAIL, details / np.maximum(norms, 1e-6), 0).astype(np.float32)
