"""What a training shows a model of each class: ground sample distances and sides of its objects."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from smalldet.data.distances import magnification
from smalldet.data.index import Index
from smalldet.models.seen import Seen, Spread

KNOWN_FRAC = 0.5
"""Of a class's objects whose distance must be known for it to be stated."""


def seen_in(index: Index, match_gsd_m: float | None = None, oriented: bool = False) -> Seen:
    """Spreads over the objects of each class, ignored ones left out.

    Args:
        index: training pictures.
        match_gsd_m: the distance that those of known distance are brought to, if any.
        oriented: sides are those of oriented boxes.
    """
    labels, sides, distances = [], [], []
    for record in index.records:
        own, scale = ~record.ignore, magnification(record, match_gsd_m)
        extent = Index(index.class_names, (record,)).object_sides(oriented).astype(np.float64)
        labels.append(record.labels[own])
        sides.append(np.sqrt(extent.clip(0).prod(axis=1)) * scale)
        gsd_m = math.nan if record.gsd_m is None else record.gsd_m / scale
        distances.append(np.full(len(extent), gsd_m))
    of_class = [np.concatenate(labels) == label for label in range(len(index.class_names))]
    side_px, gsd_m = np.concatenate(sides), np.concatenate(distances)
    return Seen(
        gsd_m=_stated([_spread(gsd_m[own]) for own in of_class]),
        side_px=_stated([_spread(side_px[own]) for own in of_class]),
    )


def _stated(spreads: list[Spread | None]) -> tuple[Spread | None, ...]:
    return tuple(spreads) if any(spreads) else ()


def _spread(values: NDArray[np.float64]) -> Spread | None:
    """None where too few are known."""
    known = values[np.isfinite(values) & (values > 0)]
    if len(known) <= KNOWN_FRAC * len(values):
        return None
    low, median, high = np.percentile(known, [10, 50, 90], method="nearest").tolist()
    return _rounded(low), _rounded(median), _rounded(high)


def _rounded(value: float) -> float:
    """To four digits."""
    return float(f"{value:.4g}")
