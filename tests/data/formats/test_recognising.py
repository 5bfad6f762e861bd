"""Where labels lie: layouts of splits as they are published, and what is in doubt is asked for."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from smalldet.data.formats.label_source import LabelSource
from smalldet.data.formats.read_labels import label_splits, read_labels

DrawSet = Callable[..., Path]
VOC = (
    "<annotation><object><name>ship</name><bndbox><xmin>1</xmin><ymin>1</ymin><xmax>9</xmax>"
    "<ymax>9</ymax></bndbox></object></annotation>"
)


@pytest.fixture
def coco_download(tmp_path: Path, draw_set: DrawSet) -> Path:
    """The layout of COCO's own site: annotations/instances_*.json, train2017/, val2017/."""
    root = tmp_path / "coco"
    (root / "annotations").mkdir(parents=True)
    for part, num in (("train", 3), ("val", 2)):
        plain = draw_set(part, num_pictures=num)
        plain.rename(root / "annotations" / f"instances_{part}2017.json")
        (plain.parent / "images").rename(root / f"{part}2017")
        (root / "annotations" / f"captions_{part}2017.json").write_text("{}")
    return root


def test_cocos_download(coco_download: Path):
    assert list(label_splits(coco_download)) == ["train", "val"]
    assert len(read_labels(coco_download, split="train")) == 3
    assert len(read_labels(coco_download, split="val")) == 2
    file = coco_download / "annotations/instances_val2017.json"
    assert len(read_labels(file)) == 2, "the file alone finds its pictures too"


def test_two_files_of_one_split_are_asked_about(coco_download: Path):
    folder = coco_download / "annotations"
    shutil.copy(folder / "instances_train2017.json", folder / "instances_train2014.json")
    with pytest.raises(ValueError, match=r"(?s)several files may be train; .*train2014.*train2017"):
        read_labels(coco_download, split="train")


def test_trainval_stands_for_train_where_that_is_not_there(tmp_path: Path, draw_set: DrawSet):
    folder = draw_set("x", num_pictures=2).parent
    (folder / "annotations").mkdir()
    shutil.move(folder / "x.json", folder / "annotations/aitodv2_trainval.json")
    assert len(read_labels(folder, split="train")) == 2
    draw_set("x", num_pictures=1).rename(folder / "annotations/aitodv2_train.json")
    assert len(read_labels(folder, split="train")) == 1


def test_roboflows_export_of_coco(tmp_path: Path, draw_set: DrawSet):
    """Pictures lie beside the json, and `valid` is val."""
    for part in ("train", "valid"):
        plain = draw_set(part, num_pictures=2)
        (plain.parent / "images").rename(tmp_path / part)
        plain.rename(tmp_path / part / "_annotations.coco.json")
    assert len(read_labels(tmp_path, split="val")) == 2


def test_a_folder_for_each_split_in_any_format(tmp_path: Path):
    for part, num in (("train", 2), ("valid", 1)):
        (tmp_path / part).mkdir()
        for number in range(num):
            Image.new("L", (20, 20)).save(tmp_path / part / f"{number}.png")
            (tmp_path / part / f"{number}.xml").write_text(VOC)
    assert label_splits(tmp_path) == {"train": tmp_path / "train", "val": tmp_path / "valid"}
    assert len(read_labels(tmp_path, split="train")) == 2
    assert len(read_labels(tmp_path, split="val")) == 1


def test_yolo_text_by_split_without_a_yaml(tmp_path: Path):
    for part in ("train", "val"):
        for kind in ("images", "labels"):
            (tmp_path / kind / part).mkdir(parents=True)
        Image.new("L", (20, 20)).save(tmp_path / "images" / part / "a.png")
        (tmp_path / "labels" / part / "a.txt").write_text("0 0.5 0.5 0.5 0.5\n")
    (tmp_path / "classes.txt").write_text("car\n")
    record = read_labels(tmp_path, split="val").records[0]
    assert record.path == tmp_path / "images/val/a.png" and len(record.boxes) == 1


def test_a_single_file_speaks_for_its_folder(draw_set: DrawSet):
    folder = draw_set("labels", num_pictures=2).parent
    assert len(read_labels(folder, split="val")) == 2, "a set in one piece is read whole"
    shutil.copy(folder / "labels.json", folder / "more.json")
    with pytest.raises(ValueError, match=r"(?s)several files .*labels\.json.*more\.json"):
        read_labels(folder)


def test_a_list_chooses_pictures(tmp_path: Path, draw_set: DrawSet):
    path = draw_set(num_pictures=4)
    (tmp_path / "some.txt").write_text("train2.png\ntrain4\n\n")
    source = LabelSource(annotations=path, pictures=tmp_path / "some.txt")
    assert [record.image_id for record in read_labels(source).records] == [2, 4]
    (tmp_path / "some.txt").write_text("nothing.png\n")
    with pytest.raises(ValueError, match=r"some\.txt names 'nothing\.png': no picture has"):
        read_labels(source)


def test_what_a_format_does_not_know_is_refused(draw_set: DrawSet):
    source = LabelSource(annotations=draw_set(), class_field="kind")
    with pytest.raises(ValueError, match=r"train\.json: is COCO json, which has no class_field"):
        read_labels(source)


def test_what_was_recognised_is_told(draw_set: DrawSet, caplog: pytest.LogCaptureFixture):
    with caplog.at_level("INFO", "smalldet"):
        read_labels(draw_set(num_pictures=2).parent, split="train")
    assert "COCO, train: 2 pictures (0 without objects), 8 objects of 1 class" in caplog.text
