"""What a pickle gives here: records of objects, and the few plain values that it may call for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

PLAIN = (str, bytes, int, float, bool, type(None))
PERSISTENT = "persistent"
MAX_KEY_PARTS = 8


@dataclass(frozen=True)
class Name:
    """A class or function that a pickle refers to, as `module.name`."""

    name: str


@dataclass(eq=False)
class Record:
    """An object of a class that is never made.

    Args:
        name: `module.name` of its class or of the function that would have made it; of what lies
            outside the pickle, `PERSISTENT`.
        args: what it would have been made from.
        state: what would have been set on it; a module's or an object's attributes as a dict.
    """

    name: str
    args: tuple[Any, ...] = ()
    state: Any = None


def as_kind(kind: type[Any], value: Any) -> Any:
    if not isinstance(value, kind):
        raise TypeError(f"expected {kind.__name__}, found {type(value).__name__}")
    return value


def checked_key(value: Any) -> Any:
    """A value that can be hashed at once: nested tuples can be made to take forever."""
    parts = value if isinstance(value, tuple) else (value,)
    if len(parts) > MAX_KEY_PARTS or not all(isinstance(part, PLAIN) for part in parts):
        raise TypeError(f"{type(value).__name__} cannot be a key")
    return value


def made_dict(pairs: Sequence[Sequence[Any]] = ()) -> dict[Any, Any]:
    return {checked_key(key): value for key, value in pairs}


def made_set(values: Sequence[Any] = ()) -> set[Any]:
    return {checked_key(value) for value in values}


def _bytes(text: str = "", encoding: str = "latin1") -> bytes:
    if encoding not in ("latin1", "latin-1"):
        raise ValueError(f"bytes as {str(encoding)[:40]!r}")
    return as_kind(str, text).encode("latin1")


def _object(kind: Any, *_: Any) -> Record:
    return Record(as_kind(Name, kind).name)


MADE: dict[str, Callable[..., Any]] = {
    "collections.OrderedDict": made_dict,
    "builtins.dict": made_dict,
    "builtins.set": made_set,
    "builtins.frozenset": made_set,
    "builtins.bytes": _bytes,
    "builtins.object": lambda: Record("builtins.object"),
    "_codecs.encode": _bytes,
    "copyreg._reconstructor": _object,
    "copy_reg._reconstructor": _object,
}
