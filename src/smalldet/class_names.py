"""Class names: one rule for their spelling, and how a person gives them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

ClassNames = Sequence[str] | str | Path
"""Names, a file of names, or `a,b,c`."""

MAX_NAMES_BYTES = 1 << 20


def class_key(name: str) -> str:
    """What two spellings of a class share: letters and digits, whatever the case."""
    return "".join(ch for ch in name.casefold() if ch.isalnum())


def positions_of(names: Sequence[str], among: Sequence[str]) -> list[int]:
    """Where each of `names` stands in `among`, by spelling alike; -1 where it does not."""
    places = {class_key(name): place for place, name in enumerate(among)}
    return [places.get(class_key(name), -1) for name in names]


def parse_class_names(given: ClassNames | None) -> tuple[str, ...] | None:
    """Names from a list, a file of them, or `a,b,c`; None where none are given."""
    if given is None:
        return None
    if isinstance(given, str | Path):
        # Path.is_file raises where a list of many classes is longer than a name may be
        if isinstance(given, Path) or "," not in given or os.path.isfile(given):  # noqa: PTH113
            return read_class_names(Path(given))
        given = given.split(",")
    return tuple(name.strip() for name in given)


def read_class_names(path: Path) -> tuple[str, ...]:
    """Names of a text file, one a line.

    Raises:
        FileNotFoundError: no such file.
        ValueError: no text, or no names in it.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file of class names")
    if path.stat().st_size > MAX_NAMES_BYTES:
        raise ValueError(f"{path}: {path.stat().st_size} bytes are no list of class names")
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: no text: {error}; save it as UTF-8") from error
    if "\0" in text:
        raise ValueError(f"{path}: has null characters, as UTF-16 has; save it as UTF-8")
    lines = text.splitlines()
    names = tuple(line.strip() for line in lines if line.strip())
    if not names:
        raise ValueError(f"{path}: no class names in it")
    return names
