"""A distance within which a detection is on a labelled point, pixels or metres."""

from __future__ import annotations

import math

from smalldet.evaluation.size_ranges import SizeUnit


def read_distance(text: str) -> tuple[float, SizeUnit]:
    """A distance as a person writes it: `5` or `5px` in pixels, `3m` in metres.

    Raises:
        ValueError: no number over 0.
    """
    word = text.strip().lower()
    unit: SizeUnit = "m" if word.endswith("m") else "px"
    try:
        distance = float(word.removesuffix(unit))
    except ValueError:
        distance = math.nan
    if not math.isfinite(distance) or distance <= 0:
        raise ValueError(
            f"match distance {text!r}: give a number over 0, such as 5 (pixels) or 3m (metres)"
        )
    return distance, unit
