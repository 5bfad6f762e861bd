"""Text files that name pictures, one on each line."""

from __future__ import annotations

from pathlib import Path

from smalldet.data.formats.text_files import utf8_text

MAX_LIST_BYTES = 256 << 20


def listed_names(file: Path) -> list[str]:
    """The names in a file, in order; empty lines are passed over.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is no text, or names nothing.
    """
    names = [line.strip() for line in utf8_text(file, MAX_LIST_BYTES).split("\n")]
    names = [name for name in names if name]
    if not names:
        raise ValueError(f"{file}: names no pictures")
    return names
