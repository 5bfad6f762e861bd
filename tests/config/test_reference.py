"""The reference names every key of a recipe, and every key says what it means."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal

import pytest
from pydantic import Field

from smalldet.config.base import Frozen
from smalldet.config.reference import keys_of, table
from smalldet.models.families import FAMILIES
from smalldet.training.recipe import TrainRecipe


class Inner(Frozen):
    side_px: int = Field(default=8, ge=2, lt=100, multiple_of=2, description="of a square")
    words: tuple[str, ...] = ()


class Outer(Frozen):
    old_keys: ClassVar[Mapping[str, str]] = {"way": "mode"}

    part: Inner = Field(default=Inner(), description="one")
    parts: tuple[Inner, ...] = Field(min_length=1, description="several")
    mode: Literal["a", "b"] | None = Field(default=None, description="how, a|b")


def test_keys_of_schemas_within_schemas_and_lists_come_with_their_paths() -> None:
    paths = [key.path for key in keys_of(Outer, "top.")]
    assert paths == [
        "top.part", "top.part.side_px", "top.part.words",
        "top.parts[]", "top.parts[].side_px", "top.parts[].words", "top.mode",
    ]  # fmt: skip


def test_a_key_tells_unit_bounds_choices_default_and_older_names() -> None:
    keys = {key.path: key for key in keys_of(Outer)}
    side = keys["part.side_px"]
    assert (side.unit, side.default, side.values) == ("px", "8", "whole number")
    assert set(side.bounds.split(", ")) == {"≥ 2", "< 100", "a multiple of 2"}
    assert keys["part.words"].description == ""
    assert keys["parts[]"].default is None and keys["parts[]"].bounds == "at least 1"
    mode = keys["mode"]
    assert (mode.values, mode.default, mode.other_names) == ("`a`, `b`", "null", ("way",))


def test_the_table_has_a_row_for_each_key_whose_cells_hold() -> None:
    """A `|` in a description must not open another cell."""
    rows = table(keys_of(Outer)).splitlines()
    assert len(rows) == 2 + len(keys_of(Outer))
    assert all(row.replace("\\|", "").count("|") == 6 for row in rows)


def recipe_schemas() -> list[tuple[str, type[Frozen], str]]:
    families = [(name, schema, "model.") for name, schema in FAMILIES.items()]
    return [("recipe", TrainRecipe, ""), *families]


@pytest.mark.parametrize(
    ("schema", "prefix"), [pytest.param(*rest, id=name) for name, *rest in recipe_schemas()]
)
def test_every_key_of_a_recipe_says_what_it_means(schema: type[Frozen], prefix: str) -> None:
    """The site's reference of recipes is made of these words."""
    keys = keys_of(schema, prefix)
    assert len(keys) > 3
    assert [key.path for key in keys if not key.description] == []
