"""Values that mark pixels without data in a file that does not say so."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from smalldet.imagery.pixels import Raw

MIN_FRAC = 0.002
"""Least share of the pixels that must hold the value in every band."""
# Distance of the value to the nearest one that data hold, in ranges of the middle 96 % of the data:
# the first is enough by itself, the second for values that are usual for this.
FAR, NEAR = 0.5, 0.02
USUAL_VALUES = frozenset((-99999.0, -32768.0, -32767.0, -10000.0, -9999.0, -999.0, 0.0, 65535.0))
MIN_DATA_PX = 16


@dataclass(frozen=True)
class Untagged:
    """A value that fills pixels without data, and their share."""

    value: float
    frac: float


def untagged_nodata(sample: Raw) -> Untagged | None:
    """The value that marks pixels without data, where the sample shows that there is one.

    It is the least or the largest one, in all bands at once, in many pixels, and apart from what
    the other pixels hold. 8 bit values are never taken: black and white are colours.

    Args:
        sample: (B, h, w) raw values from all over the scene.
    """
    if sample.dtype.itemsize == 1:
        return None
    values = sample.reshape(len(sample), -1).astype(np.float64)
    values = values[:, np.isfinite(values).all(axis=0)]
    if values.shape[1] < MIN_DATA_PX:
        return None
    for value in (float(values.min()), float(values.max())):
        empty = (values == value).all(axis=0)
        rest = values[:, ~empty]
        if empty.mean() < MIN_FRAC or rest.shape[1] < MIN_DATA_PX:
            continue
        gap = float(np.abs(rest - value).min())
        low, high = np.percentile(rest, [2, 98])
        spread = max(float(high - low), 1e-12)
        if gap > FAR * spread or (gap > NEAR * spread and value in USUAL_VALUES):
            return Untagged(value, float(empty.mean()))
    return None
