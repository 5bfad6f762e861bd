"""Labels on the command line: converted, split, and drawn in a GIS."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import rasterio
import shapely
from affine import Affine
from pyogrio import raw

from smalldet.cli import main
from smalldet.cli.parameters import label_source
from smalldet.cli.train_recipe import choose_recipe
from smalldet.data.formats.label_source import LabelOptions
from smalldet.data.formats.read_labels import read_labels
from smalldet.training.sources import read_splits

TINY = ("--epochs", "1", "--tile", "64", "--batch", "2", "training.num_workers=0")


def run(capsys: pytest.CaptureFixture[str], *words: str | Path) -> str:
    """What a command that succeeds prints, errors' stream included."""
    with pytest.raises(SystemExit) as stop:
        main([*map(str, words)])
    said = capsys.readouterr()
    assert not stop.value.code, said.err
    return said.out + said.err


def test_labels_are_converted_and_losses_listed_first(
    draw_set: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    draw_set("train", num_pictures=2)
    folder = draw_set("val", num_pictures=1).parent
    said = run(capsys, "convert", folder, "--to", "yolo", "--out", tmp_path / "yolo")
    assert "COCO, train: 2 pictures" in said and "Written: " in said
    assert (tmp_path / "yolo/data.yaml").is_file()
    run(capsys, "convert", tmp_path / "yolo", "--to", "voc", "--out", tmp_path / "voc")
    for split, num in (("train", 2), ("val", 1)):
        again = read_labels(tmp_path / "voc", split=split)
        assert again.counts() == read_labels(folder, split=split).counts() and len(again) == num


def test_a_conversion_that_cannot_be_says_what_to_type(
    draw_set: Callable[..., Path], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    for words, message in (
        (("--to", "yolo"), "labels need a folder: --to yolo --out DIR"),
        (("--to", "yollo", "--out", tmp_path), "--to yollo: is no format of labels; give one of"),
    ):
        with pytest.raises(SystemExit) as stop:
            main(["convert", str(draw_set()), *map(str, words)])
        assert stop.value.code == 1 and message in capsys.readouterr().err


def test_a_gis_layer_over_a_raster_from_layer_to_report(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One picture: trained on what was looked through in the west, measured in the east."""
    rng = np.random.default_rng(0)
    pixels = rng.integers(20, 70, (3, 128, 192), dtype=np.uint8)
    corners = [(x, y) for x in range(10, 180, 24) for y in range(10, 120, 24)]
    for x, y in corners:
        pixels[:, y : y + 8, x : x + 8] = 240
    place = Affine(0.5, 0, 500_000, 0, -0.5, 5_400_000)
    with rasterio.open(
        tmp_path / "scene.tif", "w", driver="GTiff", width=192, height=128, count=3,
        dtype="uint8", crs="EPSG:32633", transform=place,
    ) as file:  # fmt: skip
        file.write(pixels)

    def layer(name: str, boxes: list[tuple[int, int, int, int]], **columns: list[str]) -> Path:
        shapes = [shapely.box(*(place * box[:2]), *(place * box[2:])) for box in boxes]
        raw.write(
            tmp_path / name,
            geometry=shapely.to_wkb(np.array(shapes, dtype=object)),
            field_data=[np.array(column, dtype=object) for column in columns.values()],
            fields=list(columns),
            layer="drawn",
            driver="GPKG",
            geometry_type="Polygon",
            crs="EPSG:32633",
        )
        return tmp_path / name

    boxes = [(x, y, x + 8, y + 8) for x, y in corners]
    cars = layer("cars.gpkg", boxes, kind=["car"] * len(boxes), note=["?"] * len(boxes))
    west = layer("west.gpkg", [(0, 0, 128, 128)], side=["w"])
    east = layer("east.gpkg", [(128, 0, 192, 128)], side=["e"])
    options = ("--images", tmp_path / "scene.tif", "--class-field", "kind")
    run(
        capsys, "train", cars, *options, "--area", west, "--out", tmp_path / "run", *TINY,
        "training.start=speck-n-aerial", "--lr", "0.0001",
    )  # fmt: skip
    model = tmp_path / "run/last.safetensors"
    said = run(capsys, "evaluate", "--data", cars, *options, "--area", east, "--model", model)
    assert "vector layers: 1 picture" in said and "car" in said


def test_what_to_measure_on_is_said_once(draw_set: Callable[..., Path], tmp_path: Path) -> None:
    path = draw_set(num_pictures=6)
    recipe = choose_recipe(path, (), None, val="0.34")
    train, val = read_splits(recipe.data)
    assert val is not None and len(train) + len(val) == 6 and len(val) >= 1
    (tmp_path / "r.yaml").write_text(f"data:\n  train:\n    - annotations: {path}\n")
    with pytest.raises(ValueError, match=r"r\.yaml: is a recipe, whose sources say this"):
        choose_recipe(tmp_path / "r.yaml", (), None, val="0.2")


def test_classes_of_labels_are_a_list_or_a_file(tmp_path: Path) -> None:
    (tmp_path / "names.txt").write_text("car\nbus\n")
    for typed in ("car,bus", str(tmp_path / "names.txt")):
        assert label_source(tmp_path, LabelOptions(), typed).class_names == ("car", "bus")


def test_how_voc_counts_can_be_typed(
    draw_set: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Corners counted from 0 lie a pixel further right and down than the same counted from 1."""
    folder = draw_set("train", num_pictures=1).parent
    run(capsys, "convert", folder, "--to", "voc", "--out", tmp_path / "voc")
    boxes = []
    for first in ("0", "1"):
        out = tmp_path / first
        run(
            capsys,
            "convert",
            tmp_path / "voc",
            "--first-pixel",
            first,
            "--to",
            "coco",
            "--out",
            out,
        )
        boxes.append(read_labels(out).records[0].boxes)
    np.testing.assert_array_equal(boxes[0][:, :2], boxes[1][:, :2] + 1)
