"""A pickle is read as data: whatever it asks for, nothing of it is called."""

from __future__ import annotations

import collections
import io
import pickle
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smalldet.models.checkpoints.pickle_values import Record
from smalldet.models.checkpoints.safe_pickle import load_pickle, read_pickle

PROTOCOLS = range(pickle.HIGHEST_PROTOCOL + 1)


class Thing:
    def __init__(self, value: object) -> None:
        self.value = value


class Calling:
    """Unpickles to the call of a function, as an attack does."""

    def __init__(self, *call: object) -> None:
        self.call = call

    def __reduce__(self) -> tuple[Any, ...]:
        function, *args = self.call
        return function, tuple(args)


def load(content: object, protocol: int = 2, known: tuple[str, ...] = ()) -> object:
    return load_pickle(io.BytesIO(pickle.dumps(content, protocol)), "file", known)


plain = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text()
    | st.binary(),
    lambda inner: (
        st.lists(inner)
        | st.tuples(inner, inner)
        | st.dictionaries(st.text() | st.integers(), inner)
        | st.sets(st.text())
    ),
    max_leaves=12,
)


@given(plain, st.sampled_from(PROTOCOLS))
@settings(max_examples=40, deadline=None)
def test_plain_values_come_back_in_every_protocol(value: object, protocol: int) -> None:
    assert load(value, protocol) == value


@given(st.binary(max_size=80))
@settings(max_examples=100, deadline=None)
def test_random_bytes_are_an_error_or_a_value(content: bytes) -> None:
    try:
        load_pickle(io.BytesIO(content), "file", ())
    except ValueError as error:
        assert "file" in str(error)


@given(plain, st.data())
@settings(max_examples=30, deadline=None)
def test_a_cut_pickle_is_an_error(value: object, data: st.DataObject) -> None:
    whole = pickle.dumps(value, 4)
    cut = data.draw(st.integers(0, len(whole) - 1))
    with pytest.raises(ValueError, match="file: damaged pickle"):
        load_pickle(io.BytesIO(whole[:cut]), "file", ())


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_objects_become_records(protocol: int) -> None:
    ordered = collections.OrderedDict(a=Thing(3))
    found = load([ordered, {1, 2}], protocol, (f"{__name__}.",))
    assert isinstance(found, list)
    record = found[0]["a"]
    assert isinstance(record, Record)
    assert record.name == f"{__name__}.Thing"
    assert record.state == {"value": 3}
    assert found[1] == {1, 2}


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_what_is_not_known_is_refused_by_name(protocol: int, tmp_path: Path) -> None:
    witness = tmp_path / "ran"
    attacks = {
        "system": Calling(__import__("os").system, f"touch {witness}"),
        "socket": Calling(__import__("socket").create_connection, ("localhost", 1)),
        "eval": Calling(eval, f"open({str(witness)!r}, 'w')"),
        "getattr": Calling(getattr, "", "join"),
    }
    for name, attack in attacks.items():
        with pytest.raises(ValueError, match=rf"asks for .*{name}.*refused"):
            load({"model": attack}, protocol, ("torch.", "models."))
    assert not witness.exists()


def test_known_names_are_not_called_either(tmp_path: Path) -> None:
    """A prefix only says which records may occur."""
    witness = tmp_path / "ran"
    system = __import__("os").system
    found = load(Calling(system, f"touch {witness}"), 2, (f"{system.__module__}.",))
    assert isinstance(found, Record)
    assert found.args == (f"touch {witness}",)
    assert not witness.exists()


def test_a_small_pickle_takes_little_memory_and_time() -> None:
    """Sizes and places that a few bytes can claim are not taken at their word."""
    began = time.monotonic()
    huge = (1 << 31) - 1
    claims = [
        b"\x80\x02Nr" + huge.to_bytes(4, "little") + b".",  # memo at a far place
        b"\x80\x04\x8e" + (1 << 60).to_bytes(8, "little") + b"x.",  # bytes that are not there
        b"\x80\x02X" + huge.to_bytes(4, "little") + b"x.",
        b"\x80\x02\x8b" + huge.to_bytes(4, "little") + b"x.",
    ]
    for content in claims:
        try:
            assert load_pickle(io.BytesIO(content), "file", ()) is None
        except ValueError as error:
            assert "damaged" in str(error)
    nested: object = ()
    for _ in range(200):
        nested = (nested, nested)  # its hash would take 2^200 steps
    with pytest.raises(ValueError, match="cannot be a key"):
        load_pickle(io.BytesIO(b"\x80\x02}" + pickle.dumps(nested, 2)[2:-1] + b"Ns."), "file", ())
    assert time.monotonic() - began < 2


def test_files_are_named(tmp_path: Path) -> None:
    path = tmp_path / "m.pkl"
    with pytest.raises(FileNotFoundError, match=r"m\.pkl"):
        read_pickle(path, ())
    path.write_bytes(b"")
    with pytest.raises(ValueError, match=r"m\.pkl.*empty"):
        read_pickle(path, ())
    path.write_bytes(pickle.dumps({"a": [1, 2]}))
    assert read_pickle(path, ()) == {"a": [1, 2]}
