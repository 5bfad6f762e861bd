"""YAML files and `section.key=value` overrides to a checked recipe."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar, cast

import yaml
from pydantic import ValidationError

from smalldet.config.base import Frozen

Recipe = TypeVar("Recipe", bound=Frozen)


def load_yaml(path: Path) -> dict[str, Any]:
    """A YAML mapping.

    Raises:
        FileNotFoundError: no such file.
        ValueError: not YAML, or not a mapping; the message names file and line.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such recipe")
    try:
        content: object = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: not readable as YAML: {error}") from error
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
        try:
            place[key] = yaml.safe_load(text)
        except yaml.YAMLError as error:
            raise ValueError(f"{assignment!r}: the value is not YAML: {error}") from error
    return result


def checked(kind: type[Recipe], content: dict[str, Any], where: str) -> Recipe:
    """`content` as a recipe of `kind`.

    Raises:
        ValueError: one line for each wrong key or value, with its path.
    """
    try:
        return kind.model_validate(content)
    except ValidationError as error:
        lines = [
            f"  {'.'.join(str(part) for part in problem['loc']) or '(top)'}: {problem['msg']}"
            for problem in error.errors()
        ]
        raise ValueError("\n".join([f"{where}: the recipe has mistakes:", *lines])) from error


def dump(recipe: Frozen) -> str:
    """The recipe with every default written out, as YAML."""
    return yaml.safe_dump(recipe.model_dump(mode="json"), sort_keys=False, allow_unicode=True)


def _copied(content: dict[str, Any]) -> dict[str, Any]:
    return {
        key: _copied(cast("dict[str, Any]", value)) if isinstance(value, dict) else value
        for key, value in content.items()
    }
