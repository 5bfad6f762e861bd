"""How large training tiles should be."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

# so many times the side of all but the largest twentieth of objects leaves them their surroundings
TILE_SIDES = 8
LEAST_PX = 256
MOST_PX = 640
STEP_PX = 64


def fitting_tile_px(sides: NDArray[np.float32], max_stride: int = 1) -> int:
    """Side of the smallest tiles that hold the objects of a training and what is around them.

    Tiles are drawn around objects, so that of two runs over as many pixels the one with smaller
    tiles sees more objects, more pictures a batch, and less empty ground.

    Args:
        sides: (N, 2) widths and heights of its objects, pixels of a tile.
        max_stride: of the model; the side is a multiple of it.
    """
    step = step_px(max_stride)
    most = MOST_PX // step * step
    if len(sides) == 0:
        return most
    largest = np.percentile(np.sqrt(sides.prod(1)), 95)
    wanted = max(TILE_SIDES * float(largest), LEAST_PX)
    return min(math.ceil(wanted / step) * step, most)


def step_px(max_stride: int) -> int:
    """What sides of training tiles are multiples of, for a model of this stride, pixels."""
    return math.ceil(STEP_PX / max_stride) * max_stride
