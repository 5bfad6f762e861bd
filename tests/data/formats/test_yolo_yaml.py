"""A data.yaml opens its set: every picture of the split, whatever its labels and its folders."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from smalldet.data.formats import coco, yolo_yaml

BOX = "1 0.5 0.5 0.2 0.4"
QUAD = "0 0.2 0.2 0.4 0.2 0.4 0.6 0.2 0.6"
RING = "0 0.2 0.2 0.4 0.2 0.4 0.6"
NAMES = "names: [car, ship]\n"


def drawn(folder: Path, **labels: str | None) -> Path:
    """Pictures of 100 x 50 px in `folder`, and the label files that belong to them."""
    folder.mkdir(parents=True, exist_ok=True)
    for stem, text in labels.items():
        picture = folder / f"{stem}.png"
        Image.new("L", (100, 50)).save(picture)
        if text is not None:
            label = Path(str(folder).replace("images", "labels")) / f"{stem}.txt"
            label.parent.mkdir(parents=True, exist_ok=True)
            label.write_text(text)
    return folder


def described(tmp_path: Path, text: str) -> Path:
    file = tmp_path / "data.yaml"
    file.write_text(text, encoding="utf-8")
    return file


def test_pictures_without_labels_are_negatives(tmp_path: Path):
    drawn(tmp_path / "images/train", a=BOX, b="", c=None)
    index = yolo_yaml.read(described(tmp_path, "train: images/train\n" + NAMES))
    assert index.class_names == ("car", "ship")
    assert [record.path.name for record in index.records] == ["a.png", "b.png", "c.png"]
    assert [len(record.boxes) for record in index.records] == [1, 0, 0]
    record = index.records[0]
    assert (record.width, record.height, record.labels.tolist()) == (100, 50, [1])
    np.testing.assert_allclose(record.boxes, [[40, 15, 60, 35]], atol=1e-4)
    assert record.rboxes is None and record.masks is None


@pytest.mark.parametrize(
    ("text", "folder"),
    [
        ("path: .\ntrain: images/train\n", "images/train"),
        ("path: nowhere/on/this/disk\ntrain: images\n", "images"),
        ("path: /content/elsewhere\ntrain: ['images/a', images/b]\n", "images/a"),
        ("train: ../train/images\nval: ../valid/images\n", "train/images"),  # Roboflow
        ("train: list.txt\n", "images"),
        ("train: deep\n", "deep/images/x/y"),
    ],
)
def test_every_way_to_name_a_split(tmp_path: Path, text: str, folder: str):
    drawn(tmp_path / folder, a=BOX)
    (tmp_path / "images/b").mkdir(parents=True, exist_ok=True)
    if "images/b" in text:
        drawn(tmp_path / "images/b", b=BOX)
    (tmp_path / "list.txt").write_text("./images/a.png\n\n")
    index = yolo_yaml.read(described(tmp_path, text + NAMES))
    assert {len(record.boxes) for record in index.records} == {1}


def test_a_path_may_start_at_the_yaml_s_folder_or_beside_it(tmp_path: Path):
    drawn(tmp_path / "set/images", a=BOX)
    for folder in (tmp_path, tmp_path / "set"):
        file = described(folder, "path: set\ntrain: images\n" + NAMES)
        assert len(yolo_yaml.read(file)) == 1
    assert len(yolo_yaml.read(tmp_path / "set")) == 1


@pytest.mark.parametrize("key", ["val", "validation", "valid"])
def test_the_other_splits(tmp_path: Path, key: str):
    drawn(tmp_path / "images/v", a=BOX)
    file = described(tmp_path, f"train: images/none\n{key}: images/v\ntest:\n{NAMES}")
    assert len(yolo_yaml.read(file, split="val")) == 1
    with pytest.raises(ValueError, match=rf"has no split 'test'; it has train, {key}"):
        yolo_yaml.read(file, split="test")


def test_names_stay_text(tmp_path: Path):
    drawn(tmp_path / "images", a=BOX)
    names = 'nc: 3\nnames: {0: no, 1: 007, 2: "null"}\n'
    index = yolo_yaml.read(described(tmp_path, "train: images\n" + names))
    assert index.class_names == ("no", "007", "null")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("names: {0: a, 2: b}", "number the classes from 0 without a gap"),
        ("names: {a: 0}", "number the classes from 0 without a gap"),
        ("names: []", "needs names"),
        ("names: [[a], b]", "needs names"),
        ("nc: 3\nnames: [a, b]", "nc is 3, but names has 2"),
        ("names: [a, a]", r"has \['a'\] twice"),
        ("names: &x [a]\nother: *x", "refers to another place"),
        ("names: [a\n", "not readable as YAML"),
        ("- names", "must hold a mapping"),
        ("names: " + "[" * 5000, "is nested deeper"),
        ("names: " + "{a: " * 5000, "is nested deeper"),
        ("train: {a: b}\nnames: [a]", "must be a path"),
    ],
)
def test_a_wrong_yaml_is_named(tmp_path: Path, text: str, said: str):
    drawn(tmp_path / "images", a=BOX)
    train = "" if "train" in text or text.startswith("-") else "train: images\n"
    with pytest.raises(ValueError, match=rf"data\.yaml: .*{said}"):
        yolo_yaml.read(described(tmp_path, train + text))


def test_oriented_boxes_and_upright_ones_among_them(tmp_path: Path):
    drawn(tmp_path / "images", a=QUAD, b=BOX)
    index = yolo_yaml.read(described(tmp_path, "train: images\n" + NAMES), with_masks=True)
    a, b = index.records
    assert a.rboxes is not None and b.rboxes is not None and a.masks is None
    np.testing.assert_allclose(a.boxes, [[20, 10, 40, 30]], atol=1e-4)
    np.testing.assert_allclose(a.rboxes, [[30, 20, 20, 20, 0]], atol=1e-4)
    np.testing.assert_allclose(b.rboxes, [[50, 25, 20, 20, 0]], atol=1e-4)


def test_outlines_make_boxes_and_masks(tmp_path: Path):
    """Four points are an outline where the set has outlines of three."""
    drawn(tmp_path / "images", a=f"{RING}\n{QUAD}", b=BOX)
    file = described(tmp_path, "train: images\n" + NAMES)
    a, b = yolo_yaml.read(file, with_masks=True).records
    assert a.rboxes is None and a.masks is not None and b.masks is not None
    np.testing.assert_allclose(a.boxes, [[20, 10, 40, 30]] * 2, atol=1e-4)
    shares = np.unpackbits(a.masks, axis=1).mean(axis=1)
    np.testing.assert_allclose(shares, [0.5, 1], atol=0.02)
    assert not b.masks.any()
    assert yolo_yaml.read(file).records[0].masks is None


def test_a_file_that_mixes_kinds_is_named(tmp_path: Path):
    drawn(tmp_path / "images", a=BOX, b=f"{BOX}\n\n{RING}")
    file = described(tmp_path, "train: images\n" + NAMES)
    with pytest.raises(ValueError, match=r"b\.txt: mixes kinds: line 1 has 5 words, line 3 has 7"):
        yolo_yaml.read(file)
    assert [len(r.boxes) for r in yolo_yaml.read(file, mixed=True).records] == [1, 2]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("0 0.5 0.5 0.1", "4 words, not class cx cy w h"),
        ("0 0.5 0.5 0.1 0.1 0.9", "6 words"),
        ("0 0.5 0.5 0.1 x", "not class cx cy"),
        ("0 0.5 nan 0.1 0.1", "not class cx cy"),
        ("0 0.5 0.5 1e999 0.1", "not class cx cy"),
        ("2 0.5 0.5 0.1 0.1", "has class 2; there are 2 names"),
        ("-1 0.5 0.5 0.1 0.1", "has class -1"),
        ("0.5 0.5 0.5 0.1 0.1", "has class 0.5"),
        ("0 50 25 10 10", "no parts of the picture"),
        ("0 0.5 0.5 -0.1 0.1", "no parts of the picture"),
        ("0 0.1 0.1 0.2 0.1 0.2 30", "no parts of the picture"),
        ("0 10 10 20 10 20 20 10 20", "no parts of the picture"),
    ],
)
def test_a_wrong_line_is_named(tmp_path: Path, line: str, said: str):
    drawn(tmp_path / "images", a=f"\n{line}\n")
    with pytest.raises(ValueError, match=rf"a\.txt: line 2 .*{said}"):
        yolo_yaml.read(described(tmp_path, "train: images\n" + NAMES))


def test_objects_of_no_area_are_told(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    drawn(tmp_path / "images", a=f"0 0.5 0.5 0 0.1\n{BOX}")
    index = yolo_yaml.read(described(tmp_path, "train: images\n" + NAMES))
    assert index.records[0].labels.tolist() == [1]
    assert "1 objects have no area" in caplog.text and "a.txt: line 1" in caplog.text


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("train: none\n", r"train is 'none'; there is none of\s+.*none"),
        ("train: empty\n", r"which has no pictures"),
        ("train: list.txt\n", r"list\.txt: 1 of 1 pictures do not exist"),
        ("train: images\n", r"none of 1 pictures has a label file; .*labels.a\.txt"),
    ],
)
def test_what_is_missing_is_named(tmp_path: Path, text: str, said: str):
    drawn(tmp_path / "images", a=None)
    (tmp_path / "empty").mkdir()
    (tmp_path / "list.txt").write_text("gone.png")
    with pytest.raises(FileNotFoundError, match=said):
        yolo_yaml.read(described(tmp_path, text + NAMES))
    with pytest.raises(FileNotFoundError, match=r"has no data\.yaml"):
        yolo_yaml.read(tmp_path / "empty")
    with pytest.raises(FileNotFoundError, match="no such file"):
        yolo_yaml.read(tmp_path / "gone.yaml")


def test_what_is_recognised(tmp_path: Path):
    file = described(tmp_path, "train: images\n" + NAMES)
    assert yolo_yaml.recognises(file) and yolo_yaml.recognises(tmp_path)
    (tmp_path / "recipe.yaml").write_text("data: {train: x}\nmodel: y\n")
    (tmp_path / "empty").mkdir()
    for other in ("recipe.yaml", "empty", "gone", "a" * 5000, "\0"):
        assert not yolo_yaml.recognises(tmp_path / other)


def test_the_original_labels_of_a_real_set(shared_dir: Path, tmp_path: Path):
    """Every box of the COCO file stands in the YOLO text that it was made from."""
    folder = shared_dir / "data/aerial_cars"
    index = coco.read(folder / "val.json")
    for name, files in (
        ("images", [record.path for record in index.records]),
        ("labels", sorted((folder / "orig_yolo").glob("*.txt"))),
    ):
        (tmp_path / name).mkdir()
        for file in files:
            (tmp_path / name / file.name).symlink_to(file)
    names = json.dumps(["car", "truck", "bus", "minibus", "cyclist"])
    read = yolo_yaml.read(described(tmp_path, f"train: images\nnames: {names}\n"))
    theirs = {record.path.name: record for record in read.records}
    assert len(read) == len(index)
    for record in index.records:
        other = theirs[record.path.name]
        order, back = (np.lexsort(r.boxes.round(0).T) for r in (record, other))
        assert len(order) == len(back)
        np.testing.assert_allclose(other.boxes[back], record.boxes[order], atol=1.1)
