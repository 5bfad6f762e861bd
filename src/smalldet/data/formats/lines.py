"""Lines of many small text files as columns of numbers and words.

Files are read in batches. The places of words and lines are found for a whole batch at once, words
become numbers without a loop over lines, and each line still knows its file and number.
"""

from __future__ import annotations

import re
from collections.abc import Generator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from smalldet.data.formats.text_files import utf8_bytes

BATCH_BYTES = 8 << 20
MAX_FILE_BYTES = 64 << 20
"""A million lines of a picture; more is no file of labels."""
MAX_NUMBER = 1e30
SHOWN = 100
LINE_FEED = 10
EMPTY_FIELD = re.compile(rb"(?:^|,)[ \t]*,", re.MULTILINE)
# What bytes.split takes for space.
_SPACE = np.isin(np.arange(256), list(b" \t\n\r\x0b\x0c"))


@dataclass(frozen=True, eq=False)
class TextLines:
    """L lines with words on them, W words in all, of some files.

    Args:
        files: all files that are read, those of other batches included.
        words: (W,) bytes objects, line by line.
        first: (L,) int64, place in `words` of each line's first word.
        counts: (L,) int64, words of each line.
        file_rows: (L,) int64, places in `files`.
        line_numbers: (L,) int64, from 1.
    """

    files: Sequence[Path]
    words: NDArray[np.object_]
    first: NDArray[np.int64]
    counts: NDArray[np.int64]
    file_rows: NDArray[np.int64]
    line_numbers: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.first)

    def where(self, row: int) -> str:
        """The file, number and beginning of a line, for messages."""
        start = int(self.first[row])
        words = self.words[start : start + int(self.counts[row])]
        text = b" ".join(words[: SHOWN // 2]).decode("utf-8", errors="replace")
        shown = text if len(text) <= SHOWN else text[:SHOWN] + "..."
        return f"{self.files[self.file_rows[row]]}: line {self.line_numbers[row]} is {shown!r}"

    def without_words(self) -> TextLines:
        """The lines' places alone, for keeping."""
        return replace(self, words=self.words[:0].copy())

    def without_rows(self, rows: Sequence[int]) -> TextLines:
        """All lines but these."""
        if not len(rows):
            return self
        kept = np.delete(np.arange(len(self)), rows)
        return replace(
            self,
            first=self.first[kept],
            counts=self.counts[kept],
            file_rows=self.file_rows[kept],
            line_numbers=self.line_numbers[kept],
        )

    def column(self, column: int, rows: NDArray[np.int64] | None = None) -> NDArray[np.object_]:
        """(R,) the word at `column` of the lines `rows`, which have as many; of all if None."""
        first = self.first if rows is None else self.first[rows]
        return self.words[first + column]

    def numbers(
        self, columns: range, rows: NDArray[np.int64] | None, layout: str
    ) -> NDArray[np.float64]:
        """Words as numbers.

        Args:
            columns: places on the lines.
            rows: (R,) lines, which have so many words; all if None.
            layout: what a line must be, for the message.

        Returns:
            (R, len(columns)) float64, all finite.

        Raises:
            ValueError: a word is no finite number; names file and line.
        """
        first = self.first if rows is None else self.first[rows]
        places = first[:, None] + np.arange(columns.start, columns.stop)
        values = floats_of(self.words[places.ravel()].tolist())
        wrong = np.flatnonzero(~np.isfinite(values))
        if len(wrong):
            row = int(wrong[0]) // len(columns)
            line = self.where(row if rows is None else int(rows[row]))
            raise ValueError(f"{line}, not {layout}")
        return values.reshape(-1, len(columns))


@dataclass(frozen=True, eq=False)
class Origins:
    """Where each of N objects stands.

    Args:
        files: the files.
        file_rows: (N,) int64, places in `files`.
        line_numbers: (N,) int64, from 1.
        unit: what is numbered.
    """

    files: Sequence[Path]
    file_rows: NDArray[np.int64]
    line_numbers: NDArray[np.int64]
    unit: str = "line"

    def where(self, row: int) -> str:
        """File and line of an object, for messages."""
        return f"{self.files[self.file_rows[row]]}: {self.unit} {self.line_numbers[row]}"


def origins_of(files: Sequence[Path], batches: Sequence[TextLines]) -> Origins:
    """One object for each line of the batches that `read_lines` made of `files`."""
    none = np.zeros(0, dtype=np.int64)
    return Origins(
        files,
        np.concatenate([none, *(batch.file_rows for batch in batches)]),
        np.concatenate([none, *(batch.line_numbers for batch in batches)]),
    )


def read_lines(
    files: Sequence[Path],
    commas: bool = False,
    batch_bytes: int = BATCH_BYTES,
    max_file_bytes: int = MAX_FILE_BYTES,
) -> Generator[TextLines]:
    """The lines of files, blank ones left out, in batches of whole files.

    Args:
        files: UTF-8 text.
        commas: words are parted by commas, with a comma at the end or without; else by space.
        batch_bytes: text that is looked at together.
        max_file_bytes: a larger file is refused.

    Raises:
        FileNotFoundError, ValueError: see `text_files.utf8_bytes`; or a field between two commas
            is empty. Names the file.
    """
    texts: list[bytes] = []
    size = start = 0
    for row, file in enumerate(files):
        raw = utf8_bytes(file, max_file_bytes)
        texts.append(raw if raw.endswith(b"\n") or not raw else raw + b"\n")
        size += len(raw)
        if size >= batch_bytes:
            yield _parted(files, texts, start, commas)
            texts, size, start = [], 0, row + 1
    if texts:
        yield _parted(files, texts, start, commas)


def _parted(files: Sequence[Path], texts: list[bytes], start: int, commas: bool) -> TextLines:
    """`texts` are those of the files from `start` on, each ended by a line feed."""
    text = b"".join(texts)
    file_ends = np.cumsum([len(one) for one in texts])
    if commas:
        empty = EMPTY_FIELD.search(text)
        if empty:
            row = int(np.searchsorted(file_ends, empty.start(), side="right"))
            before = int(file_ends[row - 1]) if row else 0
            number = text.count(b"\n", before, empty.start()) + 1
            raise ValueError(f"{files[start + row]}: line {number} has an empty field")
        text = text.replace(b",", b" ")
    words = np.array([*text.split(), None], dtype=np.object_)[:-1]  # never taken for text
    letters = np.frombuffer(text, dtype=np.uint8)
    space = _SPACE[letters]
    begins = np.flatnonzero(~space & np.concatenate([[True], space[:-1]]))
    feeds = np.flatnonzero(letters == LINE_FEED)
    ends = np.searchsorted(begins, feeds)
    counts = np.diff(ends, prepend=0)
    rows = np.searchsorted(file_ends, feeds, side="right")
    first_feeds = np.searchsorted(feeds, np.concatenate([[0], file_ends[:-1]]))
    kept = np.flatnonzero(counts)
    return TextLines(
        files=files,
        words=words,
        first=(ends - counts)[kept],
        counts=counts[kept],
        file_rows=rows[kept] + start,
        line_numbers=(np.arange(len(feeds)) - first_feeds[rows] + 1)[kept],
    )


def floats_of(words: Sequence[bytes] | Sequence[str]) -> NDArray[np.float64]:
    """(N,) float64 of N words; NaN where a word is no number.

    Python's own 1_000, digits of other scripts, and numbers past MAX_NUMBER, with which sums would
    overflow, are no numbers here.
    """
    values = _values_of(words)
    with np.errstate(invalid="ignore"):
        values[np.abs(values) > MAX_NUMBER] = np.nan
    return values


def _values_of(words: Sequence[bytes] | Sequence[str]) -> NDArray[np.float64]:
    if words and isinstance(words[0], bytes):
        odd = b"_" in b"".join(words)  # type: ignore[arg-type]
    else:
        joined = "".join(words)  # type: ignore[arg-type]
        odd = "_" in joined or not joined.isascii()
    if not odd:
        try:
            return np.array(list(map(float, words)), dtype=np.float64)
        except ValueError:
            pass
    return np.array([_float(word) for word in words], dtype=np.float64)


def _float(word: bytes | str) -> float:
    text = word.decode("utf-8", errors="replace") if isinstance(word, bytes) else word
    try:
        return float(text) if text.isascii() and "_" not in text else float("nan")
    except ValueError:
        return float("nan")


def codes_of(words: Sequence[bytes] | Sequence[str], names: dict[str, int]) -> NDArray[np.int64]:
    """(N,) int64, the number of each word in `names`; words that are new there get the next."""
    raw: dict[bytes | str, int] = {}
    codes = np.array([raw.setdefault(word, len(raw)) for word in words], dtype=np.int64)
    texts = [word.decode("utf-8") if isinstance(word, bytes) else word for word in raw]
    table = [names.setdefault(text, len(names)) for text in texts]
    return np.array(table, dtype=np.int64)[codes] if table else codes
