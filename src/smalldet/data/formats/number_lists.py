"""Numbers out of JSON: lists of Python's values to arrays, with every value looked at."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from smalldet.data.formats.json_files import shown


def number_array(values: Sequence[Any], where: Callable[[int], str]) -> NDArray[np.float64]:
    """(N,) float64 of N values that must be finite numbers.

    True, "12" and null are none, whatever numpy makes of them.

    Args:
        values: N values.
        where: names the place of a value, for messages.

    Raises:
        ValueError: a value is no finite number; names the first.
    """
    if set(map(type, values)) <= {int, float}:
        try:
            array = np.array(values, dtype=np.float64)
        except OverflowError:  # a whole number past the largest float
            pass
        else:
            if np.isfinite(array).all():
                return array
    row = next(row for row, value in enumerate(values) if not is_number(value))
    raise ValueError(f"{where(row)} has {shown(values[row])}, which is no finite number")


def is_number(value: Any) -> bool:
    """Whether a value is a number that a float can hold."""
    if type(value) not in (int, float):
        return False
    try:
        return bool(np.isfinite(float(value)))
    except OverflowError:
        return False
