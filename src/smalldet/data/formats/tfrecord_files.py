"""TFRecord files: records with checksums, in one file or in numbered parts (shards).

A record is its length (8 bytes, low ones first), the masked CRC-32C of those, its bytes, and their
masked CRC-32C. Layout: https://www.tensorflow.org/tutorials/load_data/tfrecord.
"""

from __future__ import annotations

import logging
import os
import re
import struct
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path

from smalldet.data.formats.crc32c import crc32c
from smalldet.data.formats.picture_files import is_dir, is_file
from smalldet.data.formats.split_names import by_split

logger = logging.getLogger(__name__)

SHARD = re.compile(r"(.+)-(\d{5})-of-(\d{5})(\.[A-Za-z]+)?")
ASKED = re.compile(r"(.+?)(?:@\d+|@\*|-\?{5}-of-(?:\d{5}|\?{5})|-\*)")
NAMED = re.compile(r"record", re.IGNORECASE)
GZIP, ZLIB = b"\x1f\x8b", (b"\x78\x01", b"\x78\x9c", b"\x78\xda")
HEADER_BYTES, CRC_BYTES = 12, 4
MASK_DELTA = 0xA282EAD8
MAX_SHOWN = 8
MAX_RECORD_BYTES = 2 << 30


@dataclass(frozen=True)
class RecordSet:
    """Files that make one set, in order, and what they are called together."""

    name: str
    folder: Path
    files: tuple[Path, ...]


def masked_crc32c(data: bytes | memoryview) -> int:
    """The checksum as TFRecord stores it: turned by 15 bits, with a number added."""
    crc = crc32c(data)
    return ((crc >> 15 | crc << 17) + MASK_DELTA) & 0xFFFFFFFF


def frame(data: bytes) -> bytes:
    """A record as it stands in a file."""
    header = struct.pack("<Q", len(data))
    crcs = [struct.pack("<I", masked_crc32c(part)) for part in (header, data)]
    return b"".join([header, crcs[0], data, crcs[1]])


def records(path: Path) -> Generator[bytes]:
    """The records of a file, one after another.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is no TFRecord, compressed, cut short, or a checksum is wrong; names the
            record, from 1.
    """
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            number = 0
            while header := file.read(HEADER_BYTES):
                number += 1
                left = size - file.tell()
                length = _length(path, number, header)
                if length + CRC_BYTES > left:
                    raise ValueError(
                        f"{path}: record {number} is {length} bytes long and the file has "
                        f"{max(left - CRC_BYTES, 0)} left: it is cut short"
                    )
                if length > MAX_RECORD_BYTES:
                    raise ValueError(f"{path}: record {number} has {length} bytes; 2 GB at most")
                data, crc = file.read(length), file.read(CRC_BYTES)
                if struct.pack("<I", masked_crc32c(data)) != crc:
                    raise ValueError(
                        f"{path}: record {number} does not fit its checksum: the file is damaged"
                    )
                yield data
    except FileNotFoundError as error:
        raise FileNotFoundError(f"{path}: no such file") from error
    except OSError as error:
        raise ValueError(f"{path}: cannot be read: {error.strerror}") from error


def _length(path: Path, number: int, header: bytes) -> int:
    if number == 1 and (header[:2] == GZIP or header[:2] in ZLIB):
        raise ValueError(f"{path}: is compressed; decompress it first (gzip -d for .gz)")
    if len(header) < HEADER_BYTES:
        raise ValueError(f"{path}: record {number} is cut short in its length")
    length, crc = struct.unpack("<QI", header)
    if masked_crc32c(header[:8]) != crc:
        what = "is no TFRecord" if number == 1 else "is damaged"
        raise ValueError(f"{path}: {what}: the length of record {number} does not fit its checksum")
    return length


def is_record_file(path: Path) -> bool:
    """Whether a file begins with a record's length and the checksum of it, or is empty and named
    as one. Raises nothing."""
    if not is_file(path):
        return False
    try:
        with path.open("rb") as file:
            header = file.read(HEADER_BYTES)
            size = os.fstat(file.fileno()).st_size
    except (OSError, ValueError):
        return False
    if not header:
        return NAMED.search(path.name) is not None
    if len(header) < HEADER_BYTES:
        return False
    length, crc = struct.unpack("<QI", header)
    return length <= size and masked_crc32c(header[:8]) == crc


def record_set(path: Path, split: str | None = None) -> RecordSet:
    """The files that a person names.

    Args:
        path: a file; parts by their shared name (`train.record`, `train.record@10`,
            `train.record-?????-of-00010`); or a folder of one set.
        split: which set of a folder, by a word in its name.

    Raises:
        FileNotFoundError: there are none, or parts are missing.
        ValueError: a folder has several sets; names them.
    """
    if is_dir(path):
        sets = set_names(path)
        chosen = sets if split is None else by_split(sets).get(split, [])
        if len(chosen) != 1:
            names = ", ".join(sets[:MAX_SHOWN]) or "none"
            what = f"sets named {split}" if split else "sets of records"
            count = "no" if not chosen else len(chosen)
            error = ValueError if chosen else FileNotFoundError
            raise error(f"{path}: has {count} {what} ({names}); name one")
        return record_set(path / chosen[0])
    if is_file(path):
        shard = SHARD.fullmatch(path.name)
        if shard and int(shard[3]) > 1:
            logger.warning(
                "%s: is one of %d parts, and the only one read; %s reads all",
                path,
                int(shard[3]),
                path.parent / f"{shard[1]}@{int(shard[3])}{shard[4] or ''}",
            )
        return RecordSet(path.name, path.parent, (path,))
    files = _shards(path)
    shard = SHARD.fullmatch(files[0].name)
    return RecordSet(shard[1] if shard else path.name, path.parent, files)


def set_names(folder: Path) -> list[str]:
    """Names of the sets of a folder: of files, and those that parts share."""
    names: dict[str, None] = {}
    for file in sorted(folder.iterdir()):
        shard = SHARD.fullmatch(file.name)
        if (shard or NAMED.search(file.name)) and is_record_file(file):
            names[f"{shard[1]}@{int(shard[3])}{shard[4] or ''}" if shard else file.name] = None
    return list(names)


def _shards(path: Path) -> tuple[Path, ...]:
    asked = re.fullmatch(ASKED.pattern + r"(\.[A-Za-z]+)?", path.name)
    prefix = asked[1] if asked else path.name
    found: dict[int, list[Path]] = {}
    if is_dir(path.parent):
        for file in sorted(path.parent.iterdir()):
            shard = SHARD.fullmatch(file.name)
            if shard and shard[1] == prefix and (not asked or (asked[2] or "") == (shard[4] or "")):
                found.setdefault(int(shard[3]), []).append(file)
    if not found:
        raise FileNotFoundError(f"{path}: no such file of records, nor parts {prefix}-00000-of-...")
    if len(found) > 1:
        counts = " and ".join(str(num) for num in sorted(found))
        raise ValueError(f"{path}: has parts of {counts}; move those of one away")
    num, files = next(iter(found.items()))
    if len(files) != num:
        there = {int(match[2]) for file in files if (match := SHARD.fullmatch(file.name))}
        missing = sorted(set(range(num)) - there)[:MAX_SHOWN]
        raise FileNotFoundError(
            f"{path}: {num - len(files)} of {num} parts are missing, number "
            f"{', '.join(map(str, missing))}"
        )
    return tuple(files)
