"""Frozen configuration: a wrong key is an error that names its path."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, model_validator


class Frozen(BaseModel):
    """A part of a recipe. Unknown keys are refused, values are checked, nothing changes later."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)

    old_keys: ClassVar[Mapping[str, str]] = {}
    """{key in older recipes: key of today}; both are read, the one of today is written."""

    @model_validator(mode="before")
    @classmethod
    def _under_keys_of_today(cls, content: Any) -> Any:
        if not isinstance(content, dict) or content.keys().isdisjoint(cls.old_keys):
            return content
        renamed: dict[str, Any] = {}
        for key, value in content.items():
            today = cls.old_keys.get(key, key)
            if today != key and today in content:
                raise ValueError(f"{today} and {key} are one key by two names: give {today} alone")
            renamed[today] = value
        return renamed
