"""VisDrone's text: what is ignored is so in every class that it may hide; lines are checked."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from smalldet.data.formats import visdrone


def saved(tmp_path: Path, **texts: str | None) -> Path:
    for folder in ("annotations", "images"):
        (tmp_path / folder).mkdir(exist_ok=True)
    for stem, text in texts.items():
        Image.new("RGB", (100, 50)).save(tmp_path / f"images/{stem}.jpg")
        if text is not None:
            (tmp_path / f"annotations/{stem}.txt").write_text(text)
    return tmp_path


def test_objects_and_negatives(tmp_path: Path):
    """Some of VisDrone's own files end their lines with a comma."""
    folder = saved(tmp_path, a="10,20,30,15,1,4,0,0\n90,40,20,20,1,1,1,2,\n", b="", c=None)
    index = visdrone.read(folder)
    assert index.class_names[:4] == ("pedestrian", "people", "bicycle", "car")
    a, b, c = index.records
    assert a.boxes.tolist() == [[10, 20, 40, 35], [90, 40, 100, 50]]
    assert a.labels.tolist() == [3, 0] and not a.ignore.any()
    assert (b.path.name, c.path.name, len(b.boxes), len(c.boxes)) == ("b.jpg", "c.jpg", 0, 0)
    assert visdrone.read(folder / "annotations").records[0].labels.tolist() == [3, 0]


@pytest.mark.parametrize("line", ["5,5,20,10,0,0,0,0", "5,5,20,10,1,11,0,0", "5,5,20,10,0,11,0,0"])
def test_regions_and_others_are_ignored_in_every_class(tmp_path: Path, line: str):
    record = visdrone.read(saved(tmp_path, a=f"{line}\n1,1,2,2,1,10,0,0\n")).records[0]
    assert sorted(record.labels[record.ignore].tolist()) == list(range(10))
    assert (record.boxes[record.ignore] == [5, 5, 25, 15]).all()
    assert record.labels[~record.ignore].tolist() == [9]


def test_score_nought_is_ignored_in_its_own_class(tmp_path: Path):
    record = visdrone.read(saved(tmp_path, a="5,5,20,10,0,4,0,0\n")).records[0]
    assert record.labels.tolist() == [3] and record.ignore.tolist() == [True]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("1,2,3,4,1,4,0", "not left,top"),
        ("1 2 3 4 1 4 0 0 0", "not left,top"),
        ("1,2,3,4,1,x,0,0", "not left,top"),
        ("1,2,nan,4,1,4,0,0", "not left,top"),
        ("1,2,3,4,1,,0,0", "has an empty field"),
        ("1,2,3,4,1,12,0,0", "has category 12"),
        ("1,2,3,4,1,-1,0,0", "has category -1"),
        ("1,2,3,4,1,1.5,0,0", "has category 1.5"),
        ("1,2,3,4,0.7,4,0,0", "has score 0.7; labels have 0 or 1"),
        ("1,2,-3,4,1,4,0,0", "right of and below"),
        ("1e30,2,3,4,1,4,0,0", "lie on no picture"),
    ],
)
def test_a_wrong_line_is_named(tmp_path: Path, line: str, said: str):
    with pytest.raises(ValueError, match=rf"a\.txt: line 2.*{said}"):
        visdrone.read(saved(tmp_path, a=f"1,2,3,4,1,4,0,0\n{line}\n"))


def test_a_box_without_area_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    """VisDrone's own files have some."""
    record = visdrone.read(saved(tmp_path, a="1,2,0,4,1,4,0,0\n1,2,3,4,1,4,0,0")).records[0]
    assert len(record.boxes) == 1 and "a.txt: line 1" in caplog.text


def test_what_is_missing_is_named(tmp_path: Path):
    folder = saved(tmp_path, a="1,2,3,4,1,4,0,0")
    (folder / "images/a.jpg").unlink()
    with pytest.raises(FileNotFoundError, match=r"1 of 1 pictures are not in .*images.*: a"):
        visdrone.read(folder)
    with pytest.raises(FileNotFoundError, match=r"is no folder of \.txt"):
        visdrone.read(folder / "images")


def test_two_pictures_for_one_label_are_refused(tmp_path: Path):
    folder = saved(tmp_path, a="1,2,3,4,1,4,0,0")
    Image.new("L", (9, 9)).save(folder / "images/a.png")
    with pytest.raises(ValueError, match=r"a\.png: labels of a fit a\.jpg too"):
        visdrone.read(folder)


def test_what_is_recognised(tmp_path: Path):
    folder = saved(tmp_path, a="1,2,3,4,1,4,0,0,\n")
    assert visdrone.recognises(folder) and visdrone.recognises(folder / "annotations")
    assert not visdrone.recognises(folder / "images")
    (folder / "annotations/a.txt").write_text("0 0.5 0.5 0.1 0.1\n")
    assert not visdrone.recognises(folder) and not visdrone.recognises(folder / "gone")


def test_ignored_regions_are_written_once(tmp_path: Path):
    index = visdrone.read(saved(tmp_path, a="5,5,20,10,0,0,0,0\n1,1,2,2,1,10,0,0\n"))
    visdrone.write(index, tmp_path / "out")
    assert (tmp_path / "out/annotations/a.txt").read_text().splitlines() == [
        "5,5,20,10,0,0,0,0",
        "1,1,2,2,1,10,0,0",
    ]
    again = visdrone.read(tmp_path / "out")
    np.testing.assert_array_equal(again.records[0].boxes, index.records[0].boxes)
    assert again.class_names == index.class_names
