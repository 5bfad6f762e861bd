"""The files of benchmarks: sound, and checked where somebody writes one."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from smalldet.reproducing.benchmark import PRETRAIN, benchmark_names, read_benchmark
from smalldet.reproducing.layout import find_parts, recipe_in


@pytest.mark.parametrize("name", benchmark_names())
def test_recipes_are_sound_and_their_paths_count_from_the_folder(name: str, tmp_path: Path) -> None:
    benchmark = read_benchmark(name)
    for path in benchmark.parts:
        (tmp_path / path).mkdir(parents=True)
    recipe = recipe_in(benchmark, tmp_path, ("training.epochs=7",))
    assert recipe.training.epochs == 7
    assert recipe.data.val or recipe.data.val_share, "it says what is measured"
    for source in (*recipe.data.train, *recipe.data.val):
        assert source.annotations.is_relative_to(tmp_path)
        assert source.images is not None and source.images.is_dir()
    assert read_benchmark(name) == benchmark
    assert recipe_in(benchmark, tmp_path).training.epochs > 7, "no call changes the benchmark"


def test_parts_are_found_where_archives_may_put_them(tmp_path: Path) -> None:
    benchmark = read_benchmark("dota-v1")
    for path in ("train/images", "val/images", "train/labelTxt", "val/labelTxt-v1.0/labelTxt"):
        (tmp_path / path).mkdir(parents=True)
    places = find_parts(benchmark, tmp_path)
    assert places["val/labelTxt"] == "val/labelTxt-v1.0/labelTxt"
    assert places["train/labelTxt"] == "train/labelTxt"
    (val,) = recipe_in(benchmark, tmp_path).data.val
    assert val.annotations == tmp_path / "val/labelTxt-v1.0/labelTxt"


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("parts", {}, "parts: say where annotations/instances_train2017.json, train2017"),
        ("figures", {}, "figures: "),
        ("figuers", {}, "figuers: no such key; nearest: figures"),
        ("peers", [{"name": "a", "source": "b", "figures": {"mAP": 1}}], "mAP: figures has no"),
    ],
)
def test_a_wrong_file_is_named(key: str, value: object, said: str, tmp_path: Path) -> None:
    content = yaml.safe_load((PRETRAIN / "coco.yaml").read_text(encoding="utf-8"))
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump({**content, key: value}), encoding="utf-8")
    with pytest.raises(ValueError, match=r"mine\.yaml") as caught:
        read_benchmark(str(path))
    assert said in str(caught.value)
