"""JSON is read strictly, and whatever is wrong with it is named with its file."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smalldet.data.formats.json_files import load_json, load_object, shown
from smalldet.data.formats.number_lists import number_array

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


def saved(tmp_path: Path, raw: bytes) -> Path:
    path = tmp_path / "labels.json"
    path.write_bytes(raw)
    return path


@given(VALUES, st.booleans())
def test_sound_json_comes_back(tmp_path_factory: pytest.TempPathFactory, value: Any, mark: bool):
    text = json.dumps(value)
    if "Infinity" in text:  # no JSON
        return
    path = saved(tmp_path_factory.mktemp("j"), b"\xef\xbb\xbf" * mark + text.encode())
    assert load_json(path) == value


@pytest.mark.parametrize(
    ("raw", "named"),
    [
        (b'{"a": [1, 2', r"is not JSON: .*cut short"),
        (b'{"a": nothing}      ', r"is not JSON: Expecting value: line 1 column 7"),
        (b"", r"is not JSON"),
        (b"\n\n\xff", r"line 3 is not UTF-8"),
        (b"\xff\xfe{\0}\0", r"is UTF-16 text; save it as UTF-8"),
        (b"[" * 100_000, r"nested too deep"),
        (b'{"a":' * 100_000, r"nested too deep"),
        (b'{"a": NaN}', r"has NaN, which is no number of JSON"),
        (b"[-Infinity]", r"has -Infinity"),
        (b'[{"a": 1, "b": 2, "a": 3}]', r"key 'a' is given twice in \{'a': 3, 'b': 2\}"),
        (b"[" + b"9" * 5000 + b"]", r"thousands of digits"),
        (rb'["\ud800"]', r"line 1 has half a character"),
        (rb'["x", "\\\ude00\ud83d"]', r"half a character"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, raw: bytes, named: str):
    with pytest.raises(ValueError, match=named) as caught:
        load_json(saved(tmp_path, raw))
    assert "labels.json" in str(caught.value)
    assert len(str(caught.value)) < 500


def test_whole_characters_may_be_escaped(tmp_path: Path):
    raw = rb'["\ud83d\ude00", "\\ud800", "\\\ud83d\ude00"]'
    assert load_json(saved(tmp_path, raw)) == ["\U0001f600", "\\ud800", "\\\U0001f600"]


def test_size_and_kind_are_bounded(tmp_path: Path):
    path = saved(tmp_path, b"[1, 2, 3]")
    with pytest.raises(ValueError, match=r"has 9 bytes; .* up to 4"):
        load_json(path, max_bytes=4)
    with pytest.raises(ValueError, match=r"labels\.json: the file is \[1, 2, 3\], not an object"):
        load_object(path)
    with pytest.raises(FileNotFoundError, match=r"none\.json"):
        load_json(tmp_path / "none.json")
    with pytest.raises(ValueError, match="is a folder"):
        load_json(tmp_path)


def test_messages_show_any_value_in_a_line():
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]
    for value in (deep, "x" * 10**6, list(range(10**6)), {"a" * 1000: deep}, 10**4000):
        assert len(shown(value)) <= 120


@pytest.mark.parametrize("wrong", [None, True, "12", [1], {}, 10**400, math.inf, math.nan])
def test_what_is_no_number_is_named(wrong: Any):
    with pytest.raises(ValueError, match=r"object 2 has .* no finite number"):
        number_array([1, 2.5, wrong, 4], lambda place: f"object {place}")


def test_numbers_are_taken():
    assert number_array([1, -2.5, 10**30], str).tolist() == [1, -2.5, 1e30]
    assert number_array([], str).shape == (0,)
