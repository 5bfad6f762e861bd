"""Tables of boxes in CSV, one row for each object: what the three layouts share."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from smalldet.data.formats.collector import collector_paused
from smalldet.data.formats.lines import SHOWN, Origins, codes_of, floats_of
from smalldet.data.formats.picture_files import is_file, refuse_missing
from smalldet.data.formats.text_files import utf8_text
from smalldet.wording import shortened

MAX_FILE_BYTES = 2 << 30
BATCH_ROWS = 50_000


@dataclass(frozen=True)
class BoxFields:
    """Where a table has what, as places from 0 in its rows.

    Args:
        picture: the picture's name.
        corners: left, top, right, bottom.
        label: the class.
        numbers: {name: place} of further columns of numbers.
        width: fields of every row.
        picture_number: a number of the picture, or nothing.
    """

    picture: int
    corners: tuple[int, int, int, int]
    label: int
    width: int
    picture_number: int | None = None
    numbers: Mapping[str, int] = field(default_factory=dict[str, int])


@dataclass(frozen=True, eq=False)
class BoxTable:
    """N objects of the pictures of a table.

    Args:
        pictures: names of pictures in the order in which they come, those without objects too.
        class_names: classes in the order in which they come.
        picture_rows: (N,) int64, places in `pictures`.
        corners: (N, 4) float64.
        labels: (N,) int64, places in `class_names`.
        numbers: {name: (N,) float64} of further columns.
        origins: where each object stands.
        picture_numbers: (P,) float64, NaN where the table has none, or None without that column.
    """

    pictures: Sequence[str]
    class_names: Sequence[str]
    picture_rows: NDArray[np.int64]
    corners: NDArray[np.float64]
    labels: NDArray[np.int64]
    numbers: Mapping[str, NDArray[np.float64]]
    origins: Origins
    picture_numbers: NDArray[np.float64] | None = None


def csv_rows(path: Path, skip: int = 0) -> Generator[tuple[list[list[str]], list[int]]]:
    """Rows of a CSV file and the lines they end on, in batches; blank lines are left out.

    Raises:
        FileNotFoundError, ValueError: as `text_files.utf8_text`, or it is no CSV; names the line.
    """
    reader = csv.reader(io.StringIO(utf8_text(path, MAX_FILE_BYTES)), strict=True)
    try:
        for _ in islice(reader, skip):
            pass
        while batch := [(row, reader.line_num) for row in islice(reader, BATCH_ROWS)]:
            kept = [(row, line) for row, line in batch if row]
            if kept:
                yield [row for row, _ in kept], [line for _, line in kept]
    except csv.Error as error:
        raise ValueError(f"{path}: line {reader.line_num} is no CSV: {error}") from None


def csv_header(path: Path) -> list[str]:
    """The fields of the first row, without space round them.

    Raises:
        FileNotFoundError, ValueError: see `csv_rows`.
    """
    for rows, _ in csv_rows(path):
        return [name.strip() for name in rows[0]]
    return []


def looks_like(text: str) -> list[list[str]]:
    """The first two rows of the beginning of a CSV file; none where it is something else."""
    if "\0" in text:
        return []
    try:
        return list(islice(csv.reader(io.StringIO(text)), 2))
    except csv.Error:
        return []


def read_boxes(path: Path, fields: BoxFields, layout: str, skip: int = 0) -> BoxTable:
    """A whole table. A row with a picture's name alone is a picture without objects.

    Args:
        path: the file.
        fields: where it has what.
        layout: what a row must be, for messages.
        skip: rows before the first.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: a row is wrong; names its line.
    """
    pictures: dict[str, int] = {}
    names: dict[str, int] = {}
    parts: list[tuple[NDArray[Any], ...]] = []
    known: list[tuple[NDArray[Any], ...]] = []
    with collector_paused():
        for rows, lines in csv_rows(path, skip):
            where = _where(path, rows, lines)
            columns = _columns(rows, fields, layout, where)
            codes = codes_of(columns[fields.picture], pictures)
            numbers = np.array(lines, dtype=np.int64)
            if fields.picture_number is not None:
                known.append((codes, _optional(columns[fields.picture_number], where), numbers))
            rows_kept = _with_objects(columns, fields, where)
            if len(rows_kept) < len(rows):
                columns = [[column[row] for row in rows_kept] for column in columns]
                codes, numbers = codes[rows_kept], numbers[rows_kept]
            values = _numbers(columns, fields)
            wrong = ~np.isfinite(values).all(axis=1)
            if wrong.any():
                raise ValueError(f"{where(rows_kept[int(wrong.argmax())])}, not {layout}")
            parts.append((codes, values, codes_of(columns[fields.label], names), numbers))
    if not parts:
        raise ValueError(f"{path}: has no rows of {layout}")
    picture_rows, values, labels, numbers = (np.concatenate(p) for p in zip(*parts, strict=True))
    return BoxTable(
        pictures=list(pictures),
        class_names=list(names),
        picture_rows=picture_rows,
        corners=values[:, :4],
        labels=labels,
        numbers={name: values[:, 4 + n] for n, name in enumerate(fields.numbers)},
        origins=Origins([path], np.zeros(len(labels), dtype=np.int64), numbers),
        picture_numbers=_one_each(known, len(pictures), path) if known else None,
    )


def _columns(
    rows: list[list[str]], fields: BoxFields, layout: str, where: Callable[[int], str]
) -> Sequence[Sequence[str]]:
    if set(map(len, rows)) != {fields.width}:
        wrong = next(row for row, one in enumerate(rows) if len(one) != fields.width)
        raise ValueError(f"{where(wrong)}, {len(rows[wrong])} fields, not {layout}")
    columns = list(zip(*rows, strict=True))
    if "" in columns[fields.picture]:
        raise ValueError(f"{where(columns[fields.picture].index(''))}, without a picture")
    return columns


def _numbers(columns: Sequence[Sequence[str]], fields: BoxFields) -> NDArray[np.float64]:
    """(N, 4 + further) numbers, NaN where a field is none."""
    places = (*fields.corners, *fields.numbers.values())
    return np.column_stack([floats_of(columns[place]) for place in places])


def _where(path: Path, rows: list[list[str]], lines: list[int]) -> Callable[[int], str]:
    def where(row: int) -> str:
        text = ",".join(rows[row])
        shown = text if len(text) <= SHOWN else text[:SHOWN] + "..."
        return f"{path}: line {lines[row]} is {shown!r}"

    return where


def _with_objects(
    columns: Sequence[Sequence[str]], fields: BoxFields, where: Callable[[int], str]
) -> Sequence[int]:
    """Rows that have an object."""
    needed = [columns[place] for place in (*fields.corners, fields.label)]
    if not any("" in column for column in needed):
        return range(len(columns[0]))
    counts = np.sum([np.array(column, dtype=np.object_) == "" for column in needed], axis=0)
    partly = np.flatnonzero((counts > 0) & (counts < len(needed)))
    if len(partly):
        raise ValueError(f"{where(int(partly[0]))}, with some fields empty; fill all or none")
    return np.flatnonzero(counts == 0).tolist()


def _optional(column: Sequence[str], where: Callable[[int], str]) -> NDArray[np.float64]:
    """Numbers, NaN where a field is empty."""
    values = floats_of([text or "nan" for text in column])
    wrong = [row for row in np.flatnonzero(~np.isfinite(values)).tolist() if column[row]]
    if wrong:
        raise ValueError(f"{where(wrong[0])}, and {column[wrong[0]][:SHOWN]!r} is no number")
    return values


def _one_each(
    known: list[tuple[NDArray[Any], ...]], num_pictures: int, path: Path
) -> NDArray[np.float64]:
    """(P,) the number that the rows of each picture agree on."""
    codes, values, lines = (np.concatenate(column) for column in zip(*known, strict=True))
    said = np.isfinite(values)
    numbers = np.full(num_pictures, np.nan)
    numbers[codes[said]] = values[said]
    differ = said & (values != numbers[codes])
    if differ.any():
        row = int(differ.argmax())
        raise ValueError(
            f"{path}: line {lines[row]} says {values[row]:g} of its picture, another line "
            f"{numbers[codes[row]]:g}"
        )
    return numbers


def labels_in(
    table: BoxTable, class_names: Sequence[str] | None, path: Path
) -> tuple[tuple[str, ...], NDArray[np.int64]]:
    """The classes as given, or those that occur, by the alphabet; and (N,) labels among them.

    Raises:
        ValueError: the table has a class that is not among those given; names file and line.
    """
    names = tuple(sorted(table.class_names) if class_names is None else class_names)
    place = {name: number for number, name in enumerate(names)}
    codes = np.array([place.get(name, -1) for name in table.class_names], dtype=np.int64)
    labels = codes[table.labels] if len(codes) else table.labels
    if (labels < 0).any():
        row = int((labels < 0).argmax())
        name = table.class_names[table.labels[row]]
        shown = shortened(names, 20)
        raise ValueError(f"{table.origins.where(row)} has class {name!r}; there are {shown}")
    return names, labels


def picture_paths(names: Sequence[str], images_dir: Path | None, table: Path) -> list[Path]:
    """Files of pictures that a table names, from `images_dir`, else from the table's folder or the
    folder `images` in it.

    Raises:
        FileNotFoundError: some do not exist; shows the first of them.
    """
    folders = [table.parent, table.parent / "images"] if images_dir is None else [images_dir]
    folder = next((one for one in folders if names and is_file(one / names[0])), folders[0])
    paths = [folder / name for name in names]
    refuse_missing(paths, table)
    return paths


def named_from(path: Path, folder: Path) -> str:
    """How a table in `folder` names a picture: from the folder if it lies in it, else in full."""
    full, root = path.resolve(), folder.resolve()
    return (full.relative_to(root) if full.is_relative_to(root) else full).as_posix()
