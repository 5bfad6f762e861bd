"""YAML files and `section.key=value` overrides to a checked recipe."""

from __future__ import annotations

import reprlib
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeVar, cast

import yaml
from pydantic import ValidationError

from smalldet.config.base import NO_SUCH_KEY, Frozen
from smalldet.config.reference import keys_of
from smalldet.config.yaml_text import parse_yaml

Recipe = TypeVar("Recipe", bound=Frozen)

MAX_BYTES = 4 << 20
SPEAK_FOR_THEMSELVES = ("value_error", "missing", "invalid_key")
"""Kinds of mistakes whose message needs no value beside it."""
IN_YAML = {
    "tuple_type": "must be a list",
    "dict_type": "must be a section with keys",
    "model_type": "must be a section with keys",
    "model_attributes_type": "must be a section with keys",
}
"""What a kind of mistake is in the words of a recipe, where pydantic speaks of Python."""


def load_yaml(path: Path) -> dict[str, Any]:
    """A YAML mapping.

    Raises:
        FileNotFoundError: no such file.
        ValueError: not YAML, or not a mapping; the message names file and line.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such recipe")
    if path.stat().st_size > MAX_BYTES:
        raise ValueError(f"{path}: is too large for a recipe, which only names data")
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: not readable as YAML: it is not UTF-8 text") from error
    content = parse_yaml(text, str(path))
    if not isinstance(content, dict):
        raise ValueError(f"{path}: expected sections with keys, found {type(content).__name__}")
    return cast("dict[str, Any]", content)


def override(content: dict[str, Any], assignments: Sequence[str]) -> dict[str, Any]:
    """A copy of `content` with `section.key=value` applied; values are read as YAML.

    Raises:
        ValueError: an assignment without `=`, or a path that leads through a value.
    """
    result = _copied(content)
    for assignment in assignments:
        path, equals, text = assignment.partition("=")
        if not equals or not path:
            raise ValueError(f"{assignment!r}: write section.key=value")
        *sections, key = path.split(".")
        place = result
        for section in sections:
            inner: object = place.setdefault(section, {})
            if not isinstance(inner, dict):
                raise ValueError(f"{assignment!r}: {section!r} is a value, not a section")
            place = cast("dict[str, Any]", inner)
        place[key] = parse_yaml(text, reprlib.repr(assignment))
    return result


def checked(kind: type[Recipe], content: dict[str, Any], where: str) -> Recipe:
    """`content` as a recipe of `kind`.

    Raises:
        ValueError: one line for each wrong key or value, with its path; for a key that there is
            none of, the nearest.
    """
    try:
        return kind.model_validate(content)
    except ValidationError as error:
        problems = [cast("Mapping[str, Any]", problem) for problem in error.errors()]
    # a list without its wrong entries is often too short as well: that says nothing more
    within = {problem["loc"][:end] for problem in problems for end in range(len(problem["loc"]))}
    lines = [
        _told(kind, problem)
        for problem in problems
        if not (problem["type"] == "too_short" and problem["loc"] in within)
    ]
    if len(lines) == 1:
        raise ValueError(f"{where}: {lines[0]}")
    raise ValueError("\n  ".join([f"{where}: the recipe has mistakes:", *lines]))


def _told(kind: type[Frozen], problem: Mapping[str, Any]) -> str:
    """One mistake in one line: where, what, and what was given."""
    *section, key = (str(part) for part in problem["loc"]) if problem["loc"] else ("(top)",)
    path = ".".join([*section, key])
    if problem["type"] == NO_SUCH_KEY:
        nearest = _nearest(kind, section, key, problem["ctx"]["nearest"])
        return f"{path}: no such key" + (f"; nearest: {nearest}" if nearest else "")
    said = str(problem["msg"]).removeprefix("Value error, ")
    message = IN_YAML.get(str(problem["type"]), said)
    if problem["type"] not in SPEAK_FOR_THEMSELVES:
        message += f", not {reprlib.repr(problem['input'])}"
    return f"{path}: {message}"


def _nearest(kind: type[Frozen], section: list[str], key: str, beside: str) -> str:
    """The key that was probably meant: of this name elsewhere, of a like one beside it or there."""
    named = {path.rpartition(".")[2]: path for path in (one.path for one in keys_of(kind))}
    if key in named:
        return named[key]
    if beside:
        return ".".join([*section, beside])
    return next((named[name] for name in get_close_matches(key, named, 1)), "")


def dump(recipe: Frozen) -> str:
    """The recipe with every default written out, as YAML."""
    return yaml.safe_dump(recipe.model_dump(mode="json"), sort_keys=False, allow_unicode=True)


def _copied(content: dict[str, Any]) -> dict[str, Any]:
    return {
        key: _copied(cast("dict[str, Any]", value)) if isinstance(value, dict) else value
        for key, value in content.items()
    }
