"""Pictures that a result file names, found among those of the truth."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePath, PureWindowsPath

import numpy as np
from numpy.typing import NDArray

from smalldet.data.index import Index


def rows_of_ids(ids: Sequence[int | str], truth: Index) -> tuple[NDArray[np.int64], list[str]]:
    """Rows of pictures by ids, or by names where an id is a text.

    Numbers are the truth's own ids, places from 1 where those are not unique; or the numbers that
    files are named by (`000042.jpg` is 42), whichever meets more pictures.

    Args:
        ids: of N results.
        truth: the pictures.

    Returns:
        (N,) int64 rows of `truth.records`, -1 for none, and what to call each picture.
    """
    distinct = list(dict.fromkeys(ids))
    texts = [one for one in distinct if isinstance(one, str)]
    table: dict[int | str, int] = dict(zip(texts, rows_of_names(texts, truth), strict=True))
    numbers = [one for one in distinct if not isinstance(one, str)]
    by_id, by_number = _own_ids(truth), _file_numbers(truth)
    if sum(one in by_number for one in numbers) > sum(one in by_id for one in numbers):
        by_id = by_number
    table |= {one: by_id.get(one, -1) for one in numbers}
    return np.array([table[one] for one in ids], dtype=np.int64), [str(one) for one in ids]


def rows_of_names(names: Sequence[str], truth: Index) -> list[int]:
    """Rows of pictures by the names of their files, with or without folders and ending.

    Where several files share a name, the folders before it tell them apart.

    Returns:
        A row of `truth.records` for each name, -1 for none.
    """
    paths = [record.path for record in truth.records]
    whole = _grouped(paths, [path.name for path in paths])
    stems = _grouped(paths, [path.stem for path in paths])
    return [_row(name, whole, stems) for name in names]


def unique_ids(truth: Index) -> list[int]:
    """An id for each picture: its own, or its place from 1 where ids are not unique."""
    ids = [record.image_id for record in truth.records]
    return ids if len(set(ids)) == len(ids) else list(range(1, len(ids) + 1))


def _own_ids(truth: Index) -> dict[int, int]:
    return {one: row for row, one in enumerate(unique_ids(truth))}


def _file_numbers(truth: Index) -> dict[int, int]:
    stems = [record.path.stem for record in truth.records]
    return {int(stem): row for row, stem in enumerate(stems) if stem.isascii() and stem.isdigit()}


_Named = dict[str, list[tuple[PurePath, int]]]
"""{name: (path, row) of each picture that has it}"""


def _grouped(paths: Sequence[PurePath], names: Sequence[str]) -> _Named:
    table: _Named = {}
    for row, (path, name) in enumerate(zip(paths, names, strict=True)):
        table.setdefault(name, []).append((path, row))
    return table


def _row(name: str, whole: _Named, stems: _Named) -> int:
    wanted = PurePath(PureWindowsPath(name).as_posix())
    found = whole.get(wanted.name) or stems.get(wanted.name) or stems.get(wanted.stem) or []
    if len(found) < 2:
        return found[0][1] if found else -1
    shared = [_shared_end(path, wanted) for path, _ in found]
    best = max(shared)
    return found[shared.index(best)][1] if shared.count(best) == 1 else -1


def _shared_end(one: PurePath, other: PurePath) -> int:
    """How many folders two paths share, counted from their ends."""
    pairs = list(zip(one.parts[-2::-1], other.parts[-2::-1], strict=False))
    return next((i for i, (a, b) in enumerate(pairs) if a != b), len(pairs))
