"""What is told of a file of results: what did not fit, and what is kept and odd."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from smalldet.wording import shortened

SHOWN = 3
"""Names in a remark."""


def strangers(rows: NDArray[np.int64], names: Sequence[str], what: str) -> list[str]:
    """A remark about results whose picture or class the truth lacks."""
    missing = np.flatnonzero(rows < 0)
    if not len(missing):
        return []
    distinct = list(dict.fromkeys(names[row] for row in missing.tolist()))
    told = shortened(distinct, SHOWN)
    kinds = f"{len(distinct):,} {what}{'s' if len(distinct) > 1 else ''}"
    return [f"{len(missing):,} results of {kinds} that the data lacks: left out ({told})"]


def left_out(wrong: Mapping[str, NDArray[np.bool_]]) -> list[str]:
    """{what results have: which of them, (N,)} as remarks about those that have it."""
    return [
        f"{rows.sum():,} results have {what}: left out"
        for what, rows in wrong.items()
        if rows.any()
    ]


def doubts(
    ids: NDArray[np.int64],
    boxes: NDArray[np.float64],
    rboxes: NDArray[np.float64],
    scores: NDArray[np.float64],
) -> list[str]:
    """Remarks about results that are kept: given twice, without area, with scores that are none.

    Args:
        ids: (N, 2) picture and class.
        boxes: (N, 4) left, top, width, height.
        rboxes: (N, 5) oriented boxes, or (N, 0).
        scores: (N,).
    """
    if not len(ids):
        return []
    remarks: list[str] = []
    rows = np.column_stack([ids, boxes, rboxes, scores])
    twice = len(rows) - len(np.unique(rows, axis=0))
    if twice:
        remarks.append(f"{twice:,} results are given twice, to the digit: each is a false alarm")
    flat = (np.column_stack([boxes[:, 2:], rboxes[:, 2:4]]) == 0).any(axis=1)
    if flat.any():
        remarks.append(f"{flat.sum():,} results have a box without area: each is a false alarm")
    if not 0 <= scores.min() <= scores.max() <= 1:
        remarks.append(f"scores reach from {scores.min():g} to {scores.max():g}, not 0 to 1")
    return remarks
