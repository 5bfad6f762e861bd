"""JSON that strangers wrote: bounded in size, without NaN, without keys given twice.

`json.loads` takes what RFC 8259 leaves open: NaN, one key twice, half a character. Here these are
errors that name the file.
"""

from __future__ import annotations

import json
import re
import reprlib
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

from smalldet.data.formats.collector import collector_paused
from smalldet.data.formats.text_files import BOM, UTF16, file_bytes

MAX_BYTES = 2 << 30
CONSTANT = "has "
# Half of a pair of UTF-16, escaped; only what has one is looked at closely.
HALF = re.compile(r"\\u[dD][89a-fA-F]")
LONE_HALF = re.compile(
    r"(?<!\\)(?:\\\\)*(?:(?<!\\u[dD][89abAB][0-9a-fA-F]{2})\\u[dD][c-fC-F]"
    r"|\\u[dD][89abAB][0-9a-fA-F]{2}(?!\\u[dD][c-fC-F]))"
)


class _WrongContentError(Exception):
    """What a hook of the parser found; it is told with the file's name."""


def load_json(
    path: Path,
    max_bytes: int = MAX_BYTES,
    *,
    keys: frozenset[str] | None = None,
    with_nan: bool = False,
) -> Any:
    """What a JSON file holds.

    Numbers too large for a float are infinite here: who takes numbers out must look.

    Args:
        path: the file.
        max_bytes: the most that it may have.
        keys: keep these keys of all objects alone, and no memory for the others; all if None.
        with_nan: take NaN and Infinity for numbers.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is no UTF-8 or no JSON, larger than `max_bytes`, nested too deep, has NaN or
            Infinity, or an object has a key twice; names the file and, where known, the line.
    """
    text = _text(path, file_bytes(path, max_bytes))
    try:
        with collector_paused():
            hook = _object if keys is None else partial(_part, keys)
            constant = float if with_nan else _constant
            return json.loads(text, object_pairs_hook=hook, parse_constant=constant)
    except json.JSONDecodeError as error:
        cut = "; the file seems cut short" if error.pos >= len(text.rstrip()) - 1 else ""
        raise ValueError(f"{path}: is not JSON: {error}{cut}") from None
    except RecursionError:
        raise ValueError(f"{path}: its objects and lists are nested too deep") from None
    except _WrongContentError as refused:
        raise ValueError(f"{path}: {refused}{_place_of_constant(text, str(refused))}") from None
    except ValueError:  # Python's own limit of digits
        raise ValueError(f"{path}: has a whole number of thousands of digits") from None


def load_object(
    path: Path, max_bytes: int = MAX_BYTES, *, keys: frozenset[str] | None = None
) -> dict[str, Any]:
    """The object that a JSON file holds; as `load_json`, and a ValueError if it is none."""
    return entry_of(load_json(path, max_bytes, keys=keys), f"{path}: the file")


def _text(path: Path, raw: bytes) -> str:
    if raw.startswith(UTF16):
        raise ValueError(f"{path}: is UTF-16 text; save it as UTF-8")
    try:
        text = raw.removeprefix(BOM).decode("utf-8")
    except UnicodeDecodeError as error:
        number = raw.count(b"\n", 0, error.start) + 1
        raise ValueError(f"{path}: line {number} is not UTF-8 text; save it as UTF-8") from None
    if HALF.search(text):
        half = LONE_HALF.search(text)
        if half:
            number = text.count("\n", 0, half.start()) + 1
            raise ValueError(f"{path}: line {number} has half a character, {half[0][-6:]!r}")
    return text


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    entry = dict(pairs)
    if len(entry) != len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise _WrongContentError(f"key {shown(twice)} is given twice in {shown(entry)}")
    return entry


def _part(keys: frozenset[str], pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    entry = _object(pairs)
    return {key: value for key, value in entry.items() if key in keys}


def _constant(name: str) -> NoReturn:
    raise _WrongContentError(f"{CONSTANT}{name}, which is no number of JSON")


def _place_of_constant(text: str, message: str) -> str:
    """Where a NaN or Infinity stands, as far as that can be told without parsing anew."""
    if not message.startswith(CONSTANT):
        return ""
    match = re.search(rf"[:\[,]\s*{message[len(CONSTANT) :].split(',')[0]}\b", text)
    if match is None:
        return ""
    number = text.count("\n", 0, match.end()) + 1
    return f"; line {number}: ...{text[max(0, match.start() - 60) : match.end()]!r}"


def shown(value: Any) -> str:
    """A value for a message: cut to about a hundred characters, however deep or long it is."""
    short = reprlib.Repr()
    short.maxlevel, short.maxdict, short.maxlist, short.maxstring = 3, 6, 6, 80
    text = short.repr(value)
    return text if len(text) <= 120 else f"{text[:117]}..."


def entry_of(value: Any, where: str) -> dict[str, Any]:
    """The value if it is an object; else a ValueError that begins with `where`."""
    if not isinstance(value, dict):
        raise ValueError(f"{where} is {shown(value)}, not an object")
    return value


def list_in(entry: dict[str, Any], key: str, where: str) -> list[Any]:
    """The list at `key`; a ValueError that begins with `where` if there is none."""
    value = entry.get(key)
    if not isinstance(value, list):
        raise ValueError(f"{where} {_needs(entry, key, 'a list')}")
    return value


def text_in(entry: dict[str, Any], key: str, where: str) -> str:
    """The text at `key`, not empty; a ValueError that begins with `where` if there is none."""
    value = entry.get(key)
    if not isinstance(value, str) or not value.strip():
        raise ValueError(f"{where} {_needs(entry, key, 'a text')}")
    return value


def flag_in(entry: dict[str, Any], key: str, where: str) -> bool:
    """The flag at `key`, false where there is none or null; a ValueError if it is no flag."""
    value = entry.get(key)
    if value is None:
        return False
    if value not in (0, 1):
        raise ValueError(f"{where} has {key} {shown(value)}, not true or false")
    return bool(value)


def _needs(entry: dict[str, Any], key: str, what: str) -> str:
    if key not in entry:
        return f"has no '{key}'"
    return f"needs {what} as '{key}', not {shown(entry[key])}"
