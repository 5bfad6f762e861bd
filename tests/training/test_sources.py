"""Several data sets that label different classes: each says what its silence means."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from smalldet.training.recipe import read_recipe, recipe_for_folder
from smalldet.training.sections import SourceConfig
from smalldet.training.sources import read_sources


def test_a_class_without_labels_must_be_declared(draw_set: Callable[..., Path]) -> None:
    path = draw_set()
    with pytest.raises(ValueError, match=r"train\.json.*\['disc'\].*absent.*unknown"):
        read_sources([SourceConfig(annotations=path)], ["square", "disc"])
    absent = read_sources([SourceConfig(annotations=path, absent=("disc",))], ["square", "disc"])
    assert all(not record.unknown for record in absent.records)
    unknown = read_sources([SourceConfig(annotations=path, unknown=("disc",))], ["square", "disc"])
    assert all(record.unknown == {1} for record in unknown.records)


def test_a_labelled_class_cannot_be_absent(draw_set: Callable[..., Path]) -> None:
    with pytest.raises(ValueError, match="cannot be `absent`"):
        read_sources([SourceConfig(annotations=draw_set(), absent=("Square",))], None)


def test_sources_are_joined_under_the_classes_of_the_run(draw_set: Callable[..., Path]) -> None:
    first = SourceConfig(annotations=draw_set("a", 2), map={"square": "thing"}, unknown=("disc",))
    second = SourceConfig(annotations=draw_set("b", 3), map={"square": "disc"}, absent=("thing",))
    index = read_sources([first, second], ["thing", "disc"])
    assert index.counts() == {"thing": 8, "disc": 12}


def test_paths_of_a_recipe_count_from_its_file(draw_set: Callable[..., Path]) -> None:
    path = draw_set()
    recipe = path.parent / "recipe.yaml"
    recipe.write_text("data: {train: [{annotations: train.json}]}", encoding="utf-8")
    assert read_recipe(recipe).data.train[0].annotations == path


def test_a_folder_without_labels_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"train\.json"):
        recipe_for_folder(tmp_path)
