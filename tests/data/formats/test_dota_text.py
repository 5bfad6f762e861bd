"""DOTA text read by columns is what the reader of lines makes of it, and wrong lines are named."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from smalldet.data.formats import coco, dota, dota_text

SHIP = "10 20 50 20 50 30 10 30 ship 0"


def saved(tmp_path: Path, **texts: str | None) -> Path:
    for folder in ("labelTxt", "images"):
        (tmp_path / folder).mkdir(exist_ok=True)
    for stem, text in texts.items():
        Image.new("L", (100, 80)).save(tmp_path / "images" / f"{stem}.png")
        if text is not None:
            (tmp_path / "labelTxt" / f"{stem}.txt").write_text(text)
    return tmp_path


def test_heads_flags_and_negatives(tmp_path: Path):
    hard = SHIP.replace("ship 0", "large-vehicle 2")
    head = "imagesource:GoogleEarth\ngsd: 0.25\n"
    folder = saved(tmp_path, a=f"{head}{SHIP}\n{hard}\n{SHIP[:-2]}", b="gsd:null\n", c=None)
    assert dota_text.recognises(folder) and dota_text.recognises(folder / "labelTxt")
    index = dota_text.read(folder)
    assert index.class_names == ("large-vehicle", "ship")
    a, b, c = index.records
    assert a.labels.tolist() == [1, 0, 1] and a.difficult.tolist() == [False, True, False]
    assert (a.gsd_m, b.gsd_m, c.gsd_m) == (0.25, None, None)
    assert len(b.boxes) == len(c.boxes) == 0 and c.path.name == "c.png"
    assert dota_text.read(folder, class_names=["ship", "Large vehicle", "large vehicle"])


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("1 2 3 4 5 6 7 ship 0", "not x1 y1"),
        ("1 2 3 4 5 6 7 x ship 0", "not x1 y1"),
        ("1 2 3 4 5 6 7 nan ship 0", "not x1 y1"),
        ("1 2 3 4 5 6 7 8 ship yes", "not x1 y1"),
        ("1 2 3 4 5 6 7 8 ship 3", "difficult must be 0, 1 or 2"),
        ("1e29 2 3 4 5 6 7 8 ship 0", "lie on no picture"),
        (SHIP.replace("ship", "tank"), "has class 'tank'; class_names are"),
    ],
)
def test_a_wrong_line_is_named(tmp_path: Path, line: str, said: str):
    with pytest.raises(ValueError, match=rf"a\.txt: line 3.*{said}"):
        dota_text.read(saved(tmp_path, a=f"gsd:1\n{SHIP}\n{line}\n"), class_names=["ship"])


def test_a_line_of_no_area_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    (record,) = dota_text.read(saved(tmp_path, a=f"{SHIP}\n1 1 9 1 9 1 1 1 ship 0\n")).records
    assert len(record.boxes) == 1 and "a.txt: line 2" in caplog.text


@pytest.mark.parametrize("name", ["dota_mini_obb", "hituav"])
def test_real_sets_read_as_line_by_line(shared_dir: Path, name: str, tmp_path: Path):
    folder = shared_dir / "data" / name
    (tmp_path / "labelTxt").mkdir()
    (tmp_path / "images").mkdir()
    for record in coco.read(folder / "val.json").records[:60]:
        (tmp_path / "images" / record.path.name).symlink_to(record.path)
        text = folder / "labelTxt" / f"{record.path.stem}.txt"
        (tmp_path / "labelTxt" / text.name).symlink_to(text)
    assert dota_text.recognises(tmp_path)
    mine, theirs = dota_text.read(tmp_path), dota.read(tmp_path / "labelTxt")
    assert mine.class_names == theirs.class_names and len(mine) == len(theirs)
    for one, other in zip(mine.records, theirs.records, strict=True):
        np.testing.assert_array_equal(one.boxes, other.boxes)
        assert one.rboxes is not None and other.rboxes is not None
        np.testing.assert_allclose(one.rboxes, other.rboxes, atol=1e-3)
        assert one.labels.tolist() == other.labels.tolist()
        assert one.difficult.tolist() == other.difficult.tolist()
