"""Stretch: how values of any range become 8 bit, the same for the whole scene."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from smalldet.config.imagery import StretchLimits
from smalldet.imagery.pixels import Mask, Raw

USUAL_LIMITS = StretchLimits(2.0, 98.0, percentiles=True)


@dataclass(frozen=True)
class Stretch:
    """A straight line for each band: `low` becomes 0, `high` becomes 255, beyond is clipped.

    Args:
        low: a value for each band.
        high: a value for each band, above `low`.

    Raises:
        ValueError: `high` does not lie above `low`.
    """

    low: tuple[float, ...]
    high: tuple[float, ...]

    def __post_init__(self) -> None:
        rising = [low < high for low, high in zip(self.low, self.high, strict=True)]
        if not all(rising):
            raise ValueError(f"a stretch needs low < high in every band, not {self}")

    def apply(self, values: Raw) -> NDArray[np.uint8]:
        """(B, h, w) of any real dtype to uint8; what is not a number becomes 0."""
        # float32 holds 16 bit values exactly; wider ones need float64 before low is taken off
        kind: Any = np.float32 if values.dtype.itemsize <= 2 else np.float64
        low = np.array(self.low, dtype=kind)[:, None, None]
        gain = np.array([255 / (h - lo) for lo, h in zip(self.low, self.high, strict=True)], kind)
        scaled = (values.astype(kind) - low) * gain[:, None, None]
        scaled = np.nan_to_num(scaled, copy=False, nan=0.0, posinf=255.0, neginf=0.0)
        return np.rint(scaled.clip(0, 255)).astype(np.uint8)


def measured_stretch(
    sample: Raw, mask: Mask | None, limits: StretchLimits = USUAL_LIMITS
) -> Stretch:
    """The stretch of a scene between percentiles of each band of a sample, or between values.

    Args:
        sample: (B, h, w) raw values from all over the scene.
        mask: (h, w) bool, which of them hold data.
        limits: what becomes 0 and 255.
    """
    if not limits.percentiles:
        return Stretch((limits.low,) * len(sample), (limits.high,) * len(sample))
    values = sample.reshape(len(sample), -1).astype(np.float64)
    if mask is not None:
        values = values[:, mask.ravel()]
    found = [_limits(band[np.isfinite(band)], limits) for band in values]
    return Stretch(tuple(low for low, _ in found), tuple(high for _, high in found))


def _limits(values: NDArray[np.float64], limits: StretchLimits) -> tuple[float, float]:
    if values.size == 0:
        return 0.0, 1.0
    low, high = (float(v) for v in np.percentile(values, [limits.low, limits.high]))
    if low == high:  # nearly all of one value: the few others must still show
        low, high = float(values.min()), float(values.max())
    return (low, high) if low < high else (low, low + max(1.0, abs(low) * 1e-6))
