"""Frozen configuration: a wrong key is an error that names its path."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, model_validator


class Frozen(BaseModel):
    """A part of a recipe. Unknown keys are refused, values are checked, nothing changes later."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)

    old_keys: ClassVar[Mapping[str, str]] = {}
    """{key in older recipes: key of today, `section.key` where it moved into a section}; both are
    read, the one of today is written."""

    @model_validator(mode="before")
    @classmethod
    def _under_keys_of_today(cls, content: Any) -> Any:
        if not isinstance(content, dict) or content.keys().isdisjoint(cls.old_keys):
            return content
        renamed = {key: value for key, value in content.items() if key not in cls.old_keys}
        for key in content.keys() & cls.old_keys.keys():
            *sections, last = cls.old_keys[key].split(".")
            place = renamed
            for section in sections:
                place[section] = dict(place.get(section, {}))
                place = place[section]
            if last in place:
                today = cls.old_keys[key]
                raise ValueError(f"{today} and {key} are one key by two names: give {today} alone")
            place[last] = content[key]
        return renamed
