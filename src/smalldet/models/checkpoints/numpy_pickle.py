"""Arrays of a pickle's records: numpy's own way to store them, without calling it."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from smalldet.models.checkpoints.pickle_values import Name, Record

# names of arrays in pickles, to be known to `read_pickle`
NUMPY_NAMES = ("numpy.",)
RECONSTRUCT = tuple(f"numpy.{core}.multiarray._reconstruct" for core in ("core", "_core"))
KINDS = "biuf"


def array_of(record: Any, where: str) -> NDArray[Any]:
    """The numbers that a record of an array holds.

    Args:
        record: of a numpy array.
        where: name of the file and of the array, for messages.

    Raises:
        ValueError: it is no array of numbers, or its shape and its bytes do not agree.
    """
    if not isinstance(record, Record) or record.name not in RECONSTRUCT:
        given = record.name if isinstance(record, Record) else type(record).__name__
        raise ValueError(f"{where}: expected an array, found {given}")
    try:
        _version, shape, dtype, is_fortran, content = record.state
        if record.args[0] != Name("numpy.ndarray"):
            raise ValueError("a subclass of array")
        kind = _dtype(dtype)
        content = content.encode("latin1") if isinstance(content, str) else content
        if len(content) != math.prod(shape) * kind.itemsize:
            raise ValueError(f"{len(content)} bytes are no {shape} of {kind}")
        values = np.frombuffer(content, kind)
        return values.reshape(shape, order="F" if is_fortran else "C")
    except (AttributeError, IndexError, TypeError, ValueError) as error:
        raise ValueError(f"{where}: not an array of numbers: {error}") from error


def _dtype(record: Any) -> np.dtype[Any]:
    if not isinstance(record, Record) or record.name != "numpy.dtype":
        raise ValueError("without a type")
    text = str(record.args[0])
    if text[:1] not in KINDS or not text[1:].isdigit():
        raise ValueError(f"of type {text[:40]!r}")
    order = record.state[1] if record.state else "<"
    return np.dtype(text).newbyteorder("=" if order == "|" else order)
