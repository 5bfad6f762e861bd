"""Text of label files: bounded, UTF-8, and errors that name file and line."""

from __future__ import annotations

import stat
from pathlib import Path

BOM = b"\xef\xbb\xbf"
UTF16 = (b"\xff\xfe", b"\xfe\xff")


def file_bytes(path: Path, max_bytes: int) -> bytes:
    """All bytes of a file.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is a folder, larger than `max_bytes`, or the system does not let it be read.
    """
    try:
        status = path.stat()
        if stat.S_ISDIR(status.st_mode):
            raise ValueError(f"{path}: is a folder, not a file")
        if status.st_size > max_bytes:
            raise ValueError(
                f"{path}: has {status.st_size} bytes; files of its kind are read up to {max_bytes}"
            )
        return path.read_bytes()
    except FileNotFoundError as error:
        raise FileNotFoundError(f"{path}: no such file") from error
    except OSError as error:
        raise ValueError(f"{path}: cannot be read: {error.strerror}") from error


def utf8_bytes(path: Path, max_bytes: int) -> bytes:
    """UTF-8 text of a file without its byte order mark, lines ended by one line feed.

    Raises:
        FileNotFoundError, ValueError: as `file_bytes`, or it is no UTF-8 text; names the line.
    """
    raw = file_bytes(path, max_bytes)
    if raw.startswith(UTF16):
        raise ValueError(f"{path}: is UTF-16 text; save it as UTF-8")
    raw = raw.removeprefix(BOM)
    if b"\0" in raw:
        number = raw.count(b"\n", 0, raw.index(b"\0")) + 1
        raise ValueError(
            f"{path}: line {number} has null characters, as UTF-16 has; save it as UTF-8"
        )
    if not raw.isascii():
        try:
            raw.decode("utf-8")
        except UnicodeDecodeError as error:
            number = raw.count(b"\n", 0, error.start) + 1
            raise ValueError(f"{path}: line {number} is not UTF-8 text; save it as UTF-8") from None
    if b"\r" in raw:
        raw = raw.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    return raw


def utf8_text(path: Path, max_bytes: int) -> str:
    """As `utf8_bytes`, decoded."""
    return utf8_bytes(path, max_bytes).decode("utf-8")


def first_text(path: Path, num_bytes: int = 4096) -> str:
    """The first characters of a file, for a look at what it is; empty where it cannot be read."""
    try:
        with path.open("rb") as file:
            raw = file.read(num_bytes)
    except (OSError, ValueError):
        return ""
    return raw.removeprefix(BOM).decode("utf-8", errors="replace")
