"""DOTA text is read as oriented boxes, and a wrong line is named."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from smalldet.data.formats import coco, dota

SHIP = "10 20 50 20 50 30 10 30 ship 0"
PLANE = "60.0 40.0 70.0 50.0 60.0 60.0 50.0 50.0 plane 1"


def saved(tmp_path: Path, **files: str) -> Path:
    for folder in ("labelTxt", "images"):
        (tmp_path / folder).mkdir(exist_ok=True)
    for stem, text in files.items():
        (tmp_path / "labelTxt" / f"{stem}.txt").write_text(text)
        Image.new("L", (100, 80)).save(tmp_path / "images" / f"{stem}.png")
    return tmp_path / "labelTxt"


def test_corners_classes_difficulty_and_resolution(tmp_path: Path):
    head = "imagesource:GoogleEarth\ngsd:0.25\n"
    index = dota.read(saved(tmp_path, a=f"{head}{SHIP}\n\n{PLANE}\n", b="gsd:null\n"))
    assert index.class_names == ("plane", "ship")
    a, b = index.records
    assert (a.path.name, a.width, a.height, a.gsd_m, b.gsd_m) == ("a.png", 100, 80, 0.25, None)
    assert a.labels.tolist() == [1, 0] and a.difficult.tolist() == [False, True]
    assert a.boxes.tolist() == [[10, 20, 50, 30], [50, 40, 70, 60]]
    side = math.sqrt(200)
    expected = [[30, 25, 40, 10, 0], [60, 50, side, side, -math.pi / 4]]
    assert a.rboxes is not None and b.rboxes is not None
    np.testing.assert_allclose(a.rboxes, expected, atol=1e-4)
    assert len(b.boxes) == 0 and b.rboxes.shape == (0, 5)


def test_classes_can_be_given_in_order(tmp_path: Path):
    folder = saved(tmp_path, a=SHIP)
    assert dota.read(folder, class_names=["van", "ship"]).records[0].labels.tolist() == [1]
    with pytest.raises(ValueError, match=r"a\.txt: has classes \['ship'\]; class_names are"):
        dota.read(folder, class_names=["van"])


@pytest.mark.parametrize(
    "line", ["1 2 3 4 5 6 7 ship 0", "1 2 3 4 5 6 7 x ship 0", "1 2 3 4 5 6 7 nan ship 0", "ship"]
)
def test_a_wrong_line_is_named(tmp_path: Path, line: str):
    with pytest.raises(ValueError, match=r"a\.txt: line 2 is .*, not x1 y1"):
        dota.read(saved(tmp_path, a=f"{SHIP}\n{line}\n"))


def test_what_is_missing_is_named(tmp_path: Path):
    folder = saved(tmp_path, a=SHIP)
    with pytest.raises(FileNotFoundError, match=r"has no picture a .*give images_dir"):
        dota.read(folder, tmp_path)
    with pytest.raises(FileNotFoundError, match=r"nowhere: is no folder of \.txt files"):
        dota.read(tmp_path / "nowhere")


def test_a_real_set_reads_as_its_coco_file_does(shared_dir: Path):
    folder = shared_dir / "data/dota_mini_obb"
    text = {record.path.name: record for record in dota.read(folder / "labelTxt").records}
    for record in coco.read(folder / "train.json").records:
        other = text[record.path.name]
        assert len(record.boxes) == len(other.boxes) > 0
        assert record.rboxes is not None and other.rboxes is not None
        np.testing.assert_allclose(record.rboxes, other.rboxes, atol=0.01)
        assert (record.width, record.height) == (other.width, other.height)
