"""The command line as people type it: shortcuts, misspelt words, odd names, no terminal."""

from __future__ import annotations

import json
import logging
import os
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from PIL import Image

from smalldet.cli import main
from smalldet.cli.printing import ProgressLines
from smalldet.cli.train_recipe import KEYS, Shortcuts, choose_recipe
from smalldet.config.load import checked, load_yaml
from smalldet.config.recipe_files import FOLDER, recipe_names, summary_of
from smalldet.config.reference import Key, keys_of
from smalldet.models import load_model
from smalldet.models.checkpoints.loaded_model import LoadedModel
from smalldet.models.checkpoints.read_model import write_model
from smalldet.models.families import FAMILIES
from smalldet.models.yolo.config import YoloConfig
from smalldet.training.recipe import TrainRecipe, read_recipe

Failing = Callable[..., str]


@pytest.fixture
def failing(capsys: pytest.CaptureFixture[str]) -> Failing:
    """Run a command that fails; what it says on stderr, less the frame round it."""

    def run(*words: str | Path, code: int = 1) -> str:
        with pytest.raises(SystemExit) as stop:
            main([*map(str, words)])
        said = capsys.readouterr().err
        assert stop.value.code == code, said
        return " ".join(re.sub(r"[╭╮╰╯─│]", " ", said).split()) if code == 2 else said.rstrip("\n")

    return run


def succeed(*words: str) -> None:
    with pytest.raises(SystemExit) as stop:
        main(words)
    assert not stop.value.code


@pytest.mark.parametrize(
    ("word", "meant"),
    [
        ("training.epoch=3", "training.epoch: no such key; nearest: training.epochs"),
        ("epochs=3", "epochs: no such key; nearest: training.epochs"),
        ("data.batch_size=3", "data.batch_size: no such key; nearest: training.batch_size"),
        ("trainig.epochs=3", "trainig: no such key; nearest: training"),
        ("model.sise=m", "model.sise: no such key; nearest: model.size"),
        ("x.y=3", "x: no such key"),
        ("data.train=5", "data.train: must be a list, not 5"),
        ("data.train=[5]", "data.train.0: must be a section with keys, not 5"),
        ("model.family=[1]", "model: unknown family [1]; known: "),
        ("training.lr=.inf", "training.lr: Input should be a finite number, not inf"),
        ("data.scale_jitter=[-1,1]", "data.scale_jitter: must be 1/64 <= low <= high <= 64, not "),
        ("training.batch_size=1" + 22 * "0", "training.batch_size: Input should be less than or "),
        ("training.seed=2026-13-45", "month must be in 1..12"),
        ("training.seed=" + 5000 * "9", "not readable as YAML: Exceeds the limit"),
        ("data=" + 10_000 * "[", "is nested deeper than 32 levels"),
        ("data=&a [*a]", "refers to another place by *a; write it out"),
    ],
)
def test_a_mistake_in_an_override_is_one_line(
    draw_set: Callable[..., Path], failing: Failing, word: str, meant: str
) -> None:
    said = failing("train", draw_set().parent, word)
    assert meant in said and "\n" not in said


def test_mistakes_of_a_recipe_name_its_file(failing: Failing, tmp_path: Path) -> None:
    path = tmp_path / "r[red].yaml"
    for text, meant in (
        (
            "data: {train: [{annotation: a}]}",
            "data.train.0.annotation: no such key; nearest: data.",
        ),
        ("data: &a {train: *a}", "refers to another place by *a"),
        ("data: " + 10_000 * "[", "nested deeper"),
        (10_000 * '{"data":', "nested"),
        ("data: {train: 5}", "data.train: must be a list"),
        ("data: [\n", "not readable as YAML in line 2"),
        ("data: {train: [{annotations: a}], 1: 2}", "data.1: Keys should be strings"),
    ):
        path.write_text(text, encoding="utf-8")
        said = failing("train", path)
        assert said.startswith(f"error: {path}: ") and meant in said and "\n" not in said
    path.with_suffix(".json").write_text(50_000 * '{"a":', encoding="utf-8")
    assert f"{path.with_suffix('.json')}: its objects and lists are nested too deep" in failing(
        "train", path.with_suffix(".json")
    )


def keys_to_mutate() -> Iterator[tuple[str, Key]]:
    for family, schema in FAMILIES.items():
        for key in (*keys_of(TrainRecipe), *keys_of(schema, "model.")):
            if "[]" not in key.path and key.path.count(".") <= 2:
                yield family, key


def test_no_value_of_a_key_is_a_traceback() -> None:
    """Every key of every family with values that nobody should give: a ValueError that names it."""
    odd = (None, [], {}, "", "\0", -1, 0, 1e400, float("nan"), 10**22, [1], {"a": [1]}, [[]], True)
    refused = 0
    for family, key in keys_to_mutate():
        for value in odd:
            content: dict[str, Any] = {
                "data": {"train": [{"annotations": "a"}]},
                "model": {"family": family},
            }
            *sections, last = key.path.split(".")
            place = content
            for section in sections:
                place = place.setdefault(section, {})
            place[last] = value
            try:
                checked(TrainRecipe, content, "here")
            except ValueError as error:
                refused += 1
                assert str(error).startswith("here: "), (key.path, value)
                assert last in str(error) or key.path.startswith("model"), (key.path, value)
    assert refused > 1000


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        (("trian", "x"), 'Unknown command "trian". Did you mean "train"?'),
        (("train", "x", "--epoch", "3"), "Unknown option: --epoch. Did you mean --epochs?"),
        (("predict", "a", "--out", "b", "--ovrlap", "1"), "Did you mean --overlap?"),
    ],
)
def test_misspelt_verbs_and_options_are_answered_with_the_nearest(
    failing: Failing, words: tuple[str, ...], meant: str
) -> None:
    assert meant in failing(*words, code=2)


def test_what_does_not_exist_is_one_short_line(failing: Failing, tmp_path: Path) -> None:
    there = tmp_path / "nope[red]"
    line = f"error: {there}: no such file or folder"
    assert failing("train", there) == failing("train", "--data", there) == line
    for typed in ("yolov5", "yolov5.yaml"):
        assert "`smalldet recipe yolov5 > yolov5.yaml`" in failing("train", tmp_path / typed)


def test_options_stand_for_keys(draw_set: Callable[..., Path], failing: Failing) -> None:
    folder = draw_set().parent
    options = Shortcuts(epochs=3, batch=5, tile=96, lr=0.5, patience=2)
    recipe = choose_recipe(folder, ("data.rot90=false",), None, options)
    training = recipe.training
    assert (training.epochs, training.batch_size, training.lr) == (3, 5, 0.5)
    assert (training.patience, recipe.data.tile_px, recipe.data.rot90) == (2, 96, False)
    recipe = choose_recipe(Path("data.rot90=false"), ("data.flips=false",), folder, options)
    assert (recipe.data.rot90, recipe.data.flips) == (False, False)
    said = failing("train", folder, "--epochs", "3", "training.epochs=4")
    assert said == "error: --epochs and training.epochs are one key: give one of them"
    assert "training.batch_size" in failing("train", folder, "--batch", "0")
    assert KEYS.keys() == Shortcuts.__dataclass_fields__.keys()


@pytest.mark.parametrize(
    ("name", "family", "network"),
    [
        ("retinanet", "retinanet", None),
        ("yolov5n", "yolo", "yolov5n"),
        ("maskrcnn_resnet50_fpn", "mask_rcnn", "maskrcnn_resnet50_fpn"),
        ("oriented_rcnn", "oriented_rcnn", None),
        ("retinanet_resnet50_fpn", "retinanet", "retinanet_resnet50_fpn"),
    ],
)
def test_a_model_may_be_a_family_or_a_network(
    draw_set: Callable[..., Path], name: str, family: str, network: str | None
) -> None:
    """It replaces the model of a recipe, whose keys another family would not know."""
    labels = draw_set()
    path = labels.parent / "recipe.yaml"
    path.write_text("data: {train: [{annotations: train.json}]}\nmodel: {size: s}\n")
    recipe = choose_recipe(path, (), None, Shortcuts(model=name))
    assert recipe.model.family == family and getattr(recipe.model, "network", None) == network
    assert recipe.training.start is None
    deeper = choose_recipe(labels.parent, ("model.nms_iou=0.3",), None, Shortcuts(model="yolov5s"))
    assert getattr(deeper.model, "nms_iou", None) == 0.3


def test_a_model_may_be_weights_and_brings_its_schema(
    draw_set: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An embedded model by name; a file by its path from here, wherever the recipe lies."""
    folder = draw_set().parent
    recipe = choose_recipe(folder, (), None, Shortcuts(model="speck-n-aerial"))
    assert recipe.training.start == "speck-n-aerial" and recipe.model.family == "speck"
    text = "anchors: [[8, 8]]\nlayers:\n  - {conv: 8, stride: 2}\n  - {yolo: [0]}\n"
    config = YoloConfig(text=text)
    write_model(tmp_path / "n.weights", LoadedModel(config.build(("a", "b"), 32), config))
    (tmp_path / "n.names").unlink()
    monkeypatch.chdir(tmp_path)
    model = Shortcuts(model="n.weights")
    with pytest.raises(ValueError, match="class names"):
        choose_recipe(folder, (), None, model)
    recipe = choose_recipe(folder, ("training.class_names=a,b",), None, model)
    assert recipe.training.start == str(tmp_path / "n.weights")
    own = recipe.model.build(("a", "b"), 32).state_dict()
    assert own.keys() == load_model("n.weights", class_names="a,b").state_dict().keys()


def test_a_model_that_is_none_says_what_it_could_have_been(
    draw_set: Callable[..., Path], failing: Failing
) -> None:
    said = failing("train", draw_set().parent, "--model", "yolo5n")
    assert said.startswith("error: --model yolo5n: no such model; nearest: yolov5n. Families are ")
    assert "speck-n-aerial" in said
    assert failing("train", draw_set().parent, "--model", "my/x.pt").endswith("no such file")


def test_recipes_are_listed_printed_and_sound(
    capsys: pytest.CaptureFixture[str], failing: Failing, tmp_path: Path
) -> None:
    succeed("recipe")
    listed = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in listed] == recipe_names()
    assert len(recipe_names()) >= 10
    assert all(10 < len(summary_of(name)) < 100 for name in recipe_names())
    for name in recipe_names():
        succeed("recipe", name)
        text = capsys.readouterr().out
        assert text == (FOLDER / f"{name}.yaml").read_text(encoding="utf-8")
        path = tmp_path / f"{name}.yaml"
        path.write_text(text, encoding="utf-8")
        assert read_recipe(path).training.epochs >= 1
    assert "no such recipe; nearest: yolov5" in failing("recipe", "yolov")


def test_every_way_to_name_data_in_the_recipe_for_it_is_one() -> None:
    """What stands there as a comment is checked too."""
    text = (FOLDER / "your-data.yaml").read_text(encoding="utf-8")
    body = text[text.index("data:") :]
    whole = re.sub(r"^(\s+)# (?=- annotations|  \w+:|\w+:)", r"\1", body, flags=re.MULTILINE)
    lines = [line for line in whole.splitlines() if not line.lstrip().startswith("#")]
    path = FOLDER / "your-data.yaml"
    assert load_yaml(path)["data"]["train"]
    recipe = checked(TrainRecipe, yaml.safe_load("\n".join(lines)), "whole")
    said = {key for source in recipe.data.train for key in source.model_fields_set}
    assert said == {
        "annotations", "images", "class_names", "first_pixel", "class_field", "class_level",
        "side_m", "area",
        "map", "absent", "unknown",
    }  # fmt: skip


def test_a_picture_with_markup_in_its_name_leaves_the_others(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """`[/b]` in a path is no markup: it once ended the run with no results."""
    odd = tmp_path / "d[" / "b].png"
    odd.parent.mkdir()
    odd.write_bytes(b"no picture")
    red = tmp_path / "bad[red]:smile:.png"
    red.write_bytes(b"no picture")
    Image.new("RGB", (64, 64)).save(tmp_path / "good[bold].png")
    with pytest.raises(SystemExit) as stop:
        main(["predict", str(tmp_path), str(odd.parent), "--out", str(tmp_path / "x[b].json")])
    said = capsys.readouterr()
    assert stop.value.code == 1
    errors = [line for line in said.err.splitlines() if line.startswith("error:")]
    assert len(errors) == 2
    assert str(red) in errors[0] and str(odd) in errors[1]
    assert f"good[bold].png: nothing found\nWritten: {tmp_path / 'x[b].json'}" in said.out
    assert len(json.loads((tmp_path / "x[b].json").read_text())["images"]) == 1


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no such names")
def test_a_name_that_is_no_text_is_told_and_leaves_the_others(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A disk from another country has names in its own encoding; GDAL takes UTF-8 alone."""
    for name in (b"caf\xe9.png", b"good.png"):
        with open(os.fsencode(tmp_path) + b"/" + name, "wb") as file:  # noqa: PTH123
            Image.new("RGB", (64, 64)).save(file, "png")
    with pytest.raises(SystemExit) as stop:
        main(["predict", str(tmp_path), "--out", str(tmp_path / "x.csv")])
    said = capsys.readouterr()
    assert stop.value.code == 1 and "good.png: nothing found" in said.out
    assert r"caf\udce9.png: its name is not UTF-8" in said.err and "rename the file" in said.err


def test_an_option_with_markup_is_told_as_typed(failing: Failing) -> None:
    said = failing("predict", "a.png", "--out", "x.json", "--merge", "[/b]")
    assert "--merge: there is no merge '[/b]'" in said


def test_without_a_terminal_a_line_is_printed_every_half_minute(
    capsys: pytest.CaptureFixture[str],
) -> None:
    now = 0.0
    lines = ProgressLines(clock=lambda: now)
    for now in range(0, 101, 10):
        lines.advance(now, 100, "a[b].tif")
    told = capsys.readouterr().err.splitlines()
    assert told == [
        "30%  a[b].tif: 30 of 100, 1 min left",
        "60%  a[b].tif: 60 of 100, 40 s left",
        "90%  a[b].tif: 90 of 100, 10 s left",
    ]


def test_what_a_verb_logs_is_shown_beside_other_listeners(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A program that calls verbs may listen to the log itself."""
    logger, other = logging.getLogger("smalldet"), logging.NullHandler()
    before = list(logger.handlers)
    logger.handlers[:] = [other]
    try:
        picture = str(tmp_path / "a.png")
        Image.new("RGB", (64, 64)).save(picture)
        succeed("predict", picture, "--out", str(tmp_path / "a.csv"), "--gsd", "0.5")
        assert "0.5 m a pixel as given" in capsys.readouterr().err
    finally:
        logger.handlers[:] = before
