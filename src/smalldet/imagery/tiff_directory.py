"""The directory of a TIFF file, read without its pixels: sizes, and where its blocks lie.

Specifications: TIFF 6.0 (https://www.itu.int/itudoc/itu-t/com16/tiff-fx/docs/tiff6.pdf) and BigTIFF
(https://libtiff.gitlab.io/libtiff/specification/bigtiff.html).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

WIDTH, HEIGHT, BITS, COMPRESSION, PHOTOMETRIC = 256, 257, 258, 259, 262
STRIP_OFFSETS, BANDS, ROWS_PER_STRIP, STRIP_BYTES, PLANAR = 273, 277, 278, 279, 284
TILE_WIDTH, TILE_HEIGHT, TILE_OFFSETS, TILE_BYTES = 322, 323, 324, 325

# TIFF's numbers for unsigned types: bytes of each.
UNSIGNED = {1: 1, 3: 2, 4: 4, 13: 4, 16: 8, 18: 8}


@dataclass(frozen=True)
class Column:
    """Where in the file the numbers of one tag stand.

    Args:
        kind: type of one number, with its byte order.
        count: how many.
        start: byte of the first.
    """

    kind: np.dtype[Any]
    count: int
    start: int


@dataclass(frozen=True)
class Directory:
    """The first directory of a TIFF file; its numbers are read when they are asked for.

    Args:
        path: the file.
        num_bytes: of the file.
        columns: by TIFF's number of the tag; those that are no unsigned numbers are left out.
    """

    path: str
    num_bytes: int
    columns: dict[int, Column]

    def numbers(self, tag: int, first: int = 0, end: int | None = None) -> NDArray[np.int64]:
        """Numbers of a tag from `first` to `end`, fewer where there are not so many.

        Raises:
            ValueError: they lie beyond the end of the file, or are too large to be places in one.
        """
        column = self.columns[tag]
        end = column.count if end is None else min(end, column.count)
        size = column.kind.itemsize
        if column.start + end * size > self.num_bytes:
            raise ValueError(f"{self.path}: is cut short: its directory lies beyond its end")
        if end <= first:
            return np.zeros(0, dtype=np.int64)
        start = column.start + first * size
        found = np.fromfile(self.path, column.kind, end - first, offset=start)
        if found.max() > np.iinfo(np.int64).max:
            raise ValueError(f"{self.path}: is damaged: its directory has impossible numbers")
        return found.astype(np.int64)

    def number(self, tag: int, default: int) -> int:
        """The first number of a tag."""
        if tag not in self.columns or self.columns[tag].count == 0:
            return default
        return int(self.numbers(tag, 0, 1)[0])


def read_directory(path: str) -> Directory | None:
    """The first directory of a local file; None where it is not a TIFF or has none."""
    with Path(path).open("rb") as file:
        num_bytes = file.seek(0, 2)
        file.seek(0)
        try:
            columns = _columns(file)
        except struct.error:  # the file ends before the directory does
            return None
    return None if columns is None else Directory(path, num_bytes, columns)


def _columns(file: BinaryIO) -> dict[int, Column] | None:
    mark = file.read(4)
    order = {b"II": "<", b"MM": ">"}.get(mark[:2])
    if order is None or len(mark) < 4:
        return None
    version = struct.unpack(order + "H", mark[2:])[0]
    if version == 42:
        count_form, entry_form, place_form = "H", "HHI", "I"
        place = struct.unpack(order + place_form, file.read(4))[0]
    elif version == 43:
        count_form, entry_form, place_form = "Q", "HHQ", "Q"
        place = struct.unpack(order + "HHQ", file.read(12))[2]
    else:
        return None
    if place > 2**62:
        return None
    file.seek(place)
    count_size = struct.calcsize(order + count_form)
    count = struct.unpack(order + count_form, file.read(count_size))[0]
    head, room = struct.calcsize(order + entry_form), struct.calcsize(order + place_form)
    columns: dict[int, Column] = {}
    for number in range(min(count, 65535)):
        tag, kind, length = struct.unpack(order + entry_form, file.read(head))
        value = file.read(room)
        if kind not in UNSIGNED:
            continue
        size = UNSIGNED[kind]
        inline = length * size <= room
        where = place + count_size + number * (head + room) + head
        start = where if inline else struct.unpack(order + place_form, value)[0]
        columns.setdefault(tag, Column(np.dtype(f"{order}u{size}"), length, start))
    return columns
