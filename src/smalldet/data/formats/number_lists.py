"""Numbers out of JSON: lists of Python's values to arrays, with every value looked at."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from smalldet.data.formats.json_files import shown
from smalldet.data.formats.lines import MAX_NUMBER


def number_array(values: Sequence[Any], where: Callable[[int], str]) -> NDArray[np.float64]:
    """(N,) float64 of N values that must be finite numbers up to MAX_NUMBER.

    True, "12" and null are none, whatever numpy makes of them; with larger numbers sums overflow.

    Args:
        values: N values.
        where: names the place of a value, for messages.

    Raises:
        ValueError: a value is no finite number, or too large; names the first.
    """
    if set(map(type, values)) <= {int, float}:
        try:
            array = np.array(values, dtype=np.float64)
        except OverflowError:  # a whole number past the largest float
            pass
        else:
            if (np.abs(array) <= MAX_NUMBER).all():
                return array
    row = next(row for row, value in enumerate(values) if not is_number(value))
    raise ValueError(
        f"{where(row)} has {shown(values[row])}, which is no finite number up to {MAX_NUMBER:g}"
    )


def numbers_in(values: Sequence[Any], where: str) -> list[float]:
    """A few values that must be finite numbers; as `number_array`, without numpy's cost of a call.

    Raises:
        ValueError: a value is no finite number, or too large; begins with `where`.
    """
    for value in values:
        if not is_number(value):
            return number_array(values, lambda place: where).tolist()  # raises
    return list(map(float, values))


def is_number(value: Any) -> bool:
    """Whether a value is a finite number up to MAX_NUMBER."""
    return type(value) in (int, float) and -MAX_NUMBER <= value <= MAX_NUMBER
