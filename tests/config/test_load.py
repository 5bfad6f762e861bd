"""A recipe with a mistake is refused with the path of the mistake."""

from __future__ import annotations

import pytest

from smalldet.config.load import checked, dump, load_yaml, override
from smalldet.training.recipe import TrainRecipe

DATA = {"train": [{"annotations": "a.json"}]}


def test_overrides_are_read_as_yaml_and_leave_the_original_alone() -> None:
    content = {"training": {"lr": 0.1}, "data": DATA}
    changed = override(content, ["training.lr=0.2", "data.scale_jitter=[1, 2]", "model.size=s"])
    assert changed["training"]["lr"] == 0.2
    assert changed["data"]["scale_jitter"] == [1, 2]
    assert changed["model"] == {"size": "s"}
    assert content == {"training": {"lr": 0.1}, "data": DATA}


@pytest.mark.parametrize("assignment", ["training.lr", "=1", "training.lr.deep=1"])
def test_an_assignment_that_makes_no_sense_is_named(assignment: str) -> None:
    with pytest.raises(ValueError, match=assignment.split("=")[0] or "="):
        override({"training": {"lr": 0.1}}, [assignment])


@pytest.mark.parametrize(
    ("assignment", "path"),
    [
        ("training.leraning_rate=1", "training.leraning_rate"),
        ("training.lr=-1", "training.lr"),
        ("data.tile_px=100", "data.tile_px"),
        ("model.strides=[4, 16]", "model.strides"),
        ("model.size=xl", "model.size"),
    ],
)
def test_a_wrong_key_or_value_is_named_by_its_path(assignment: str, path: str) -> None:
    with pytest.raises(ValueError, match=path):
        checked(TrainRecipe, override({"data": DATA}, [assignment]), "recipe.yaml")


def test_a_dumped_recipe_reads_back_as_itself(tmp_path) -> None:
    recipe = checked(TrainRecipe, {"data": DATA}, "here")
    path = tmp_path / "recipe.yaml"
    path.write_text(dump(recipe), encoding="utf-8")
    assert checked(TrainRecipe, load_yaml(path), "there") == recipe


def test_files_that_are_no_recipe_are_named(tmp_path) -> None:
    with pytest.raises(FileNotFoundError, match=r"none\.yaml"):
        load_yaml(tmp_path / "none.yaml")
    for text in ("- a list", "a: [", "just words"):
        (tmp_path / "bad.yaml").write_text(text, encoding="utf-8")
        with pytest.raises(ValueError, match=r"bad\.yaml"):
            load_yaml(tmp_path / "bad.yaml")
