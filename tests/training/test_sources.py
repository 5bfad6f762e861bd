"""Several data sets that label different classes: each says what its silence means."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from smalldet.training.recipe import read_recipe, recipe_for_labels
from smalldet.training.sections import SourceConfig
from smalldet.training.sources import read_sources, read_splits


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
        recipe_for_labels(tmp_path)


def test_a_share_is_held_out_to_measure_on(draw_set: Callable[..., Path]) -> None:
    """The same pictures whatever the order, and none in both."""
    folder = draw_set(num_pictures=20).parent
    recipe = recipe_for_labels(folder, val="0.3")
    train, val = read_splits(recipe.data)
    assert val is not None and len(train) + len(val) == 20 and 2 <= len(val) <= 10
    assert not {r.path for r in train.records} & {r.path for r in val.records}


def test_a_list_names_what_to_measure_on(tmp_path: Path, draw_set: Callable[..., Path]) -> None:
    folder = draw_set(num_pictures=4).parent
    (tmp_path / "val.txt").write_text("train3.png\n")
    train, val = read_splits(recipe_for_labels(folder, val=str(tmp_path / "val.txt")).data)
    assert val is not None and [r.image_id for r in val.records] == [3] and len(train) == 3


def test_shared_pictures_are_a_warning(
    draw_set: Callable[..., Path], caplog: pytest.LogCaptureFixture
) -> None:
    path = draw_set(num_pictures=2)
    read_splits(recipe_for_labels(path, val=str(path)).data)
    assert "train and val share pictures" in caplog.text and "train1.png" in caplog.text


def test_one_way_to_measure(draw_set: Callable[..., Path]) -> None:
    with pytest.raises(ValueError, match="give one of val, val_share and val_list"):
        recipe_for_labels(draw_set(), ("data.val_list=a.txt",), val="0.2")


def test_a_class_without_objects_is_a_warning(
    draw_set: Callable[..., Path], caplog: pytest.LogCaptureFixture
) -> None:
    """What no source labels is learned as never there: better said at once."""
    data = recipe_for_labels(draw_set("train").parent).data
    read_splits(data)
    assert "no object to train on" not in caplog.text
    absent = [SourceConfig(annotations=data.train[0].annotations, absent=("disc",))]
    read_splits(data.model_copy(update={"train": absent, "classes": ("square", "disc")}))
    assert "no object to train on of disc: " in caplog.text
