"""YOLO text without a data.yaml: pictures without a label file stay in the set."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from smalldet.data.formats import dota_text, visdrone, yolo_folder


def saved(tmp_path: Path, **texts: str | None) -> Path:
    for folder in ("labels", "images"):
        (tmp_path / folder).mkdir(exist_ok=True)
    for stem, text in texts.items():
        Image.new("L", (100, 50)).save(tmp_path / "images" / f"{stem}.png")
        if text is not None:
            (tmp_path / "labels" / f"{stem}.txt").write_text(text)
    (tmp_path / "classes.txt").write_text("car\nship\n")
    return tmp_path


def test_pictures_without_labels_are_negatives(tmp_path: Path):
    folder = saved(tmp_path, a="1 0.5 0.5 0.2 0.4\n", b="", c=None)
    assert yolo_folder.recognises(folder) and yolo_folder.recognises(folder / "labels")
    index = yolo_folder.read(folder)
    assert index.class_names == ("car", "ship")
    assert [len(record.boxes) for record in index.records] == [1, 0, 0]
    assert index.records[2].path.name == "c.png"
    np.testing.assert_allclose(index.records[0].boxes, [[40, 15, 60, 35]])


def test_text_beside_its_pictures(tmp_path: Path):
    Image.new("L", (100, 50)).save(tmp_path / "a.png")
    (tmp_path / "a.txt").write_text("0 0.5 0.5 0.2 0.4\n")
    (tmp_path / "obj.names").write_text("car\n")
    assert len(yolo_folder.read(tmp_path).records[0].boxes) == 1


def test_what_is_missing_is_named(tmp_path: Path):
    folder = saved(tmp_path, a="1 0.5 0.5 0.2 0.4\n")
    (folder / "classes.txt").unlink()
    with pytest.raises(FileNotFoundError, match="give their names"):
        yolo_folder.read(folder)
    (folder / "images/a.png").unlink()
    with pytest.raises(FileNotFoundError, match=r"1 of 1 pictures are not in .*: a"):
        yolo_folder.read(folder, class_names=["car", "ship"])


def test_other_text_is_not_recognised(tmp_path: Path):
    folder = saved(tmp_path, a="1 2 3 4 5 6 7 8 ship 0\n")
    assert not yolo_folder.recognises(folder) and dota_text.recognises(folder / "labels")
    folder = saved(tmp_path, a="1,2,3,4,1,4,0,0\n")
    assert not yolo_folder.recognises(folder) and visdrone.recognises(folder / "labels")
    folder = saved(tmp_path, a="1 0.5 0.5 0.2 0.4\n")
    assert not dota_text.recognises(folder / "labels")
    assert not visdrone.recognises(folder / "labels")
