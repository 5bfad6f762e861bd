"""Isotonic regression: the rising values that are nearest to given ones."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def rising(values: NDArray[np.float64], weights: NDArray[Any]) -> NDArray[np.float64]:
    """The rising values that are nearest, by weighted squares: neighbours that fall are pooled.

    Source: Ayer et al. 1955, the pool adjacent violators algorithm; over bins, which are few.

    Args:
        values: (B,).
        weights: (B,) over 0.
    """
    pools: list[tuple[float, float, int]] = []  # mean, weight, bins
    for value, weight in zip(values.tolist(), weights.tolist(), strict=True):
        pool = (value, float(weight), 1)
        while pools and pools[-1][0] >= pool[0]:
            mean, heavy, num = pools.pop()
            total = heavy + pool[1]
            pool = ((mean * heavy + pool[0] * pool[1]) / total, total, num + pool[2])
        pools.append(pool)
    return np.repeat([mean for mean, _, _ in pools], [num for _, _, num in pools])
