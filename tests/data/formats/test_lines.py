"""Lines of many files become columns, and every line keeps its file and number."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from smalldet.data.formats.lines import codes_of, floats_of, origins_of, read_lines


def saved(folder: Path, texts: list[bytes]) -> list[Path]:
    files = [folder / f"{number}.txt" for number in range(len(texts))]
    for file, text in zip(files, texts, strict=True):
        file.write_bytes(text)
    return files


line = st.lists(st.sampled_from(["1", "2.5", "-3e2", "car", "é"]), max_size=4)
ends = st.sampled_from(["\n", "\r\n", "\r"])
spaces = st.sampled_from([" ", "\t", "  "])


@given(
    texts=st.lists(st.lists(line, max_size=6), max_size=5),
    end=ends,
    space=spaces,
    last=st.booleans(),
    batch=st.sampled_from([1, 20, 1 << 20]),
)
def test_words_and_places_are_those_of_a_plain_loop(
    texts, end: str, space: str, last: bool, batch: int, tmp_path_factory
):
    raw = [end.join(space.join(words) for words in lines) + end * last for lines in texts]
    files = saved(tmp_path_factory.mktemp("lines"), [text.encode() for text in raw])
    expected = [
        (file, number, words)
        for file, lines in zip(files, texts, strict=True)
        for number, words in enumerate(lines, start=1)
        if words
    ]
    batches = list(read_lines(files, batch_bytes=batch))
    origins = origins_of(files, batches)
    got = [
        [word.decode() for word in batch.words[first : first + count]]
        for batch in batches
        for first, count in zip(batch.first, batch.counts, strict=True)
    ]
    assert got == [words for _, _, words in expected]
    places = [f"{file}: line {number}" for file, number, _ in expected]
    assert [origins.where(row) for row in range(len(expected))] == places


def test_commas_part_words_and_may_end_a_line(tmp_path: Path):
    files = saved(tmp_path, [b"1,2,3,\n4, 5 ,6\n"])
    (batch,) = read_lines(files, commas=True)
    assert batch.numbers(range(3), None, "three").tolist() == [[1, 2, 3], [4, 5, 6]]


@pytest.mark.parametrize("text", [b"1,2\n1,,2\n", b"1\n,1,2\n", b"1\n1, ,2\n", b"1\n1\t,\t, 2"])
def test_an_empty_field_is_named(tmp_path: Path, text: bytes):
    files = saved(tmp_path, [b"1,2", text])
    with pytest.raises(ValueError, match=r"1\.txt: line 2 has an empty field"):
        list(read_lines(files, commas=True))


def test_a_byte_order_mark_is_no_word(tmp_path: Path):
    (batch,) = read_lines(saved(tmp_path, [b"\xef\xbb\xbf1 2\n"]))
    assert batch.numbers(range(2), None, "two").tolist() == [[1, 2]]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"1\n\xff\xfe", "line 2 is not UTF-8"),
        (b"\xff\xfe1\x00", "is UTF-16 text; save it as UTF-8"),
    ],
)
def test_text_that_is_none_is_named(tmp_path: Path, text: bytes, said: str):
    with pytest.raises(ValueError, match=rf"0\.txt: {said}"):
        list(read_lines(saved(tmp_path, [text])))


def test_files_that_cannot_be_read_are_named(tmp_path: Path):
    with pytest.raises(FileNotFoundError, match=r"none\.txt: no such file"):
        list(read_lines([tmp_path / "none.txt"]))
    with pytest.raises(ValueError, match="is a folder"):
        list(read_lines([tmp_path]))
    with (tmp_path / "large.txt").open("wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(ValueError, match=r"large\.txt: has 1099511627776 bytes; .*up to"):
        list(read_lines([tmp_path / "large.txt"]))


def test_text_with_null_characters_is_refused(tmp_path: Path):
    """UTF-16 without its mark is ASCII with these between."""
    files = saved(tmp_path, [b"1 2\n", b"3 4\n\n5 \0\n"])
    with pytest.raises(ValueError, match=r"1\.txt: line 3 has null characters"):
        list(read_lines(files))


@pytest.mark.parametrize("word", ["nan", "inf", "1e999", "1e31", "1_0", "٣", "0x10", "1,0", "--1"])
def test_what_only_python_takes_for_a_number_is_none(tmp_path: Path, word: str):
    assert np.isnan(floats_of([word])[0])
    files = saved(tmp_path, [b"1 2\n", f"3 4\n\n5 {word}\n".encode()])
    (batch,) = read_lines(files)
    with pytest.raises(ValueError, match=r"1\.txt: line 3 is '5 .*', not two numbers"):
        batch.numbers(range(2), None, "two numbers")


@given(st.lists(st.floats(-1e30, 1e30)))
def test_numbers_are_those_of_float(values):
    assert floats_of([repr(value) for value in values]).tolist() == values
    assert floats_of([repr(value).encode() for value in values]).tolist() == values


def test_codes_grow_over_batches():
    names = {"b": 0}
    assert codes_of([b"a", b"b", b"a"], names).tolist() == [1, 0, 1]
    assert codes_of(["c", "b"], names).tolist() == [2, 0] and list(names) == ["b", "a", "c"]
    assert codes_of([], names).tolist() == []


def test_a_long_line_is_shown_in_part(tmp_path: Path):
    (batch,) = read_lines(saved(tmp_path, [b"x" * 10_000 + b" 1"]))
    assert len(batch.where(0)) < 200 + len(str(tmp_path))
