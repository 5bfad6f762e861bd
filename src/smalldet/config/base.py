"""Frozen configuration: a wrong key is an error that names its path."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator
from pydantic_core import InitErrorDetails, PydanticCustomError

NO_SUCH_KEY = "no_such_key"
"""Type of the mistake; `nearest` in its context is the key most like it, or an empty text."""


class Frozen(BaseModel):
    """A part of a recipe. Unknown keys are refused, values are checked, nothing changes later.

    Numbers are finite.
    """

    model_config = ConfigDict(
        extra="forbid", frozen=True, validate_default=True, allow_inf_nan=False
    )

    old_keys: ClassVar[Mapping[str, str]] = {}
    """{key in older recipes: key of today, `section.key` where it moved into a section}; both are
    read, the one of today is written."""

    @model_validator(mode="before")
    @classmethod
    def _under_keys_of_today(cls, content: Any) -> Any:
        if not isinstance(content, dict):
            return content
        renamed = {key: value for key, value in content.items() if key not in cls.old_keys}
        cls._refuse_unknown(renamed)
        for key in content.keys() & cls.old_keys.keys():
            *sections, last = cls.old_keys[key].split(".")
            place = renamed
            for section in sections:
                inner = place.get(section, {})
                if not isinstance(inner, dict):
                    raise ValueError(f"{section} must be a section with keys, as {key} is one")
                place[section] = dict(inner)
                place = place[section]
            if last in place:
                today = cls.old_keys[key]
                raise ValueError(f"{today} and {key} are one key by two names: give {today} alone")
            place[last] = content[key]
        return renamed

    @classmethod
    def _refuse_unknown(cls, content: Mapping[Any, Any]) -> None:
        known = [field.alias or name for name, field in cls.model_fields.items()]
        mistakes: list[InitErrorDetails] = []
        for key in content:
            if isinstance(key, str) and key not in known:
                nearest = "".join(get_close_matches(key, known, 1))
                words = "no such key; nearest: {nearest}" if nearest else "no such key"
                kind = PydanticCustomError(NO_SUCH_KEY, words, {"nearest": nearest})
                mistakes.append(InitErrorDetails(type=kind, loc=(key,), input=content[key]))
        if mistakes:
            raise ValidationError.from_exception_data(cls.__name__, mistakes)
