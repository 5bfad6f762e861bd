"""Numbers as text, as short as float32 lets them be."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def whole_or_shortest(values: NDArray[np.float32]) -> list[list[str]]:
    """(N, K) float32 to N lists of K texts: `12` where a number is whole, else `12.3`.

    Each text is the shortest that reads as the same float32.
    """
    if (values == np.floor(values)).all():
        return [list(map(str, row)) for row in values.astype(np.int64).tolist()]
    texts = values.astype(np.str_).tolist()
    return [[text.removesuffix(".0") for text in row] for row in texts]
