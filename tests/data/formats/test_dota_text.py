"""DOTA text read by columns is what the reader of lines makes of it, and wrong lines are named."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from smalldet.data.formats import coco, dota_text

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
def test_real_sets_read_as_their_coco_files_do(shared_dir: Path, name: str, tmp_path: Path):
    folder = shared_dir / "data" / name
    (tmp_path / "labelTxt").mkdir()
    (tmp_path / "images").mkdir()
    index = coco.read(folder / "val.json")
    records = {record.path.name: record for record in index.records[:60]}
    for record in records.values():
        (tmp_path / "images" / record.path.name).symlink_to(record.path)
        text = folder / "labelTxt" / f"{record.path.stem}.txt"
        (tmp_path / "labelTxt" / text.name).symlink_to(text)
    assert dota_text.recognises(tmp_path)
    text = dota_text.read(tmp_path)
    assert len(text) == len(records)
    for one in text.records:
        other = records[one.path.name]
        kept = ~other.ignore  # regions to ignore stand in no line
        assert one.rboxes is not None and other.rboxes is not None
        assert len(one.boxes) == int(kept.sum())
        np.testing.assert_allclose(centres(one.rboxes), centres(other.rboxes[kept]), atol=0.1)
        named = [index.class_names[label] for label in other.labels[kept]]
        assert sorted(text.class_names[label] for label in one.labels) == sorted(named)


def centres(rboxes: np.ndarray) -> np.ndarray:
    """Centres in an order of their own: two files may name objects in another one."""
    return rboxes[np.lexsort(rboxes[:, :2].round(0).T), :2]
