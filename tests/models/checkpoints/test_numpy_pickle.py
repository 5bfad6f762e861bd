"""Arrays come out of a pickle's records without numpy being called by it."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest

from smalldet.models.checkpoints.numpy_pickle import NUMPY_NAMES, array_of
from smalldet.models.checkpoints.pickle_values import Record
from smalldet.models.checkpoints.safe_pickle import read_pickle

ARRAYS = [
    np.arange(6.0).reshape(2, 3),
    np.arange(4, dtype="i8"),
    np.asfortranarray(np.arange(6, dtype="f4").reshape(2, 3)),
    np.arange(3, dtype=">f4"),
    np.array([True, False]),
    np.zeros((0, 3), "f2"),
]


@pytest.mark.parametrize("protocol", range(5))
def test_arrays_come_back(tmp_path: Path, protocol: int) -> None:
    path = tmp_path / "m.pkl"
    path.write_bytes(pickle.dumps({"model": ARRAYS}, protocol))
    for record, array in zip(read_pickle(path, NUMPY_NAMES)["model"], ARRAYS, strict=True):
        found = array_of(record, "m.pkl")
        assert found.shape == array.shape
        assert (found == array).all()


def test_what_is_no_array_of_numbers_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "m.pkl"
    path.write_bytes(pickle.dumps([np.array([{}]), np.array(["text"])], 2))
    objects, texts = read_pickle(path, NUMPY_NAMES)
    for record in (objects, texts, Record("numpy.dtype"), [1, 2], None):
        with pytest.raises(ValueError, match=r"m\.pkl"):
            array_of(record, "m.pkl")


def test_a_shape_must_have_its_bytes(tmp_path: Path) -> None:
    path = tmp_path / "m.pkl"
    path.write_bytes(pickle.dumps(np.zeros(4), 2))
    record = read_pickle(path, NUMPY_NAMES)
    version, _, *rest = record.state
    for shape in ((1_000_000_000,), (-4,), ("4",), 4):
        record.state = (version, shape, *rest)
        with pytest.raises(ValueError, match=r"m\.pkl"):
            array_of(record, "m.pkl")
