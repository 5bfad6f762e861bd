"""Pictures that look nearly the same, by the details of small copies.

Copies of 32 x 32 px less their own blur, over their norm, are multiplied with each other: their
correlation is 1 for a picture saved again, brighter or smaller, and near 0 for two others. What is
left of a plain sky is its noise, which no two pictures share; whole copies of two skies correlate
by 0.98. A copy that is mirrored or turned by right angles is found too.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

MIN_LIKENESS = 0.8
BLUR = 5
MIN_DETAIL = 4.0
"""Norm of the details, in grey levels: with less there is nothing to compare."""
ROWS_AT_ONCE = 2048
TURNS = ("", ", turned by 90 degrees", ", turned by 180 degrees", ", turned by 270 degrees")


def near_equal_pairs(
    thumbs: Sequence[NDArray[np.uint8]],
) -> Iterator[tuple[int, int, float, str]]:
    """Pairs of pictures with a correlation over `MIN_LIKENESS`, the likest first.

    Args:
        thumbs: (S, S) grey copies of the whole pictures.

    Yields:
        first, second (first < second), correlation, and how the second is turned.
    """
    if len(thumbs) < 2:
        return
    details = _details(np.stack(thumbs).astype(np.float32))
    flat = details.reshape(len(details), -1)
    found: dict[tuple[int, int], tuple[float, str]] = {}
    for mirrored in (False, True):
        for quarter, turn in enumerate(TURNS):
            turned = np.rot90(details[:, :, ::-1] if mirrored else details, quarter, (1, 2))
            how = (", mirrored" if mirrored else "") + turn
            for a, b, likeness in _over(flat, turned.reshape(len(details), -1)):
                best = found.get((a, b))
                if best is None or likeness > best[0]:
                    found[a, b] = likeness, how
    for (a, b), (likeness, how) in sorted(found.items(), key=lambda item: -item[1][0]):
        yield a, b, likeness, how


def _over(
    first: NDArray[np.float32], second: NDArray[np.float32]
) -> Iterator[tuple[int, int, float]]:
    for start in range(0, len(first), ROWS_AT_ONCE):
        likeness = first[start : start + ROWS_AT_ONCE] @ second[start:].T
        for a, b in np.argwhere(likeness > MIN_LIKENESS).tolist():
            if a < b:
                yield start + a, start + b, float(likeness[a, b])


def _details(thumbs: NDArray[np.float32]) -> NDArray[np.float32]:
    """(N, S, S) of norm 1; 0 where there is hardly any detail."""
    reach = BLUR // 2
    padded = np.pad(thumbs, ((0, 0), (reach, reach), (reach, reach)), mode="edge")
    windows = np.lib.stride_tricks.sliding_window_view(padded, (BLUR, BLUR), axis=(1, 2))
    details = thumbs - windows.mean(axis=(3, 4))
    norms = np.linalg.norm(details, axis=(1, 2), keepdims=True)
    return np.where(norms > MIN_DETAIL, details / np.maximum(norms, 1e-6), 0).astype(np.float32)
