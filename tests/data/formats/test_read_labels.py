"""One entrance for every format: it is recognised, and mistakes are told by file and line."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from smalldet.data.formats import read_labels as entrance
from smalldet.data.formats import voc, yolo_text
from smalldet.data.formats.label_format import LabelFormat
from smalldet.data.formats.label_source import LabelSource
from smalldet.data.formats.read_labels import label_splits, read_labels
from smalldet.data.formats.table import FORMATS
from smalldet.data.index import Index

VOC = """<annotation><filename>other.jpg</filename>
<object><name>ship</name><difficult>1</difficult>
<bndbox><xmin>{}</xmin><ymin>11</ymin><xmax>20</xmax><ymax>30</ymax></bndbox></object>
<object><name>car</name>
<bndbox><xmin>90</xmin><ymin>40</ymin><xmax>120</xmax><ymax>50</ymax></bndbox></object>
</annotation>"""


def labels_folder(tmp_path: Path, **files: str) -> Path:
    """A folder `labels` of these files, and a picture of 100 x 60 px for each in `images`."""
    for name in ("labels", "images"):
        (tmp_path / name).mkdir(exist_ok=True)
    for name, text in files.items():
        stem, _, suffix = name.partition("_")
        (tmp_path / "labels" / f"{stem}.{suffix}").write_text(text, encoding="utf-8")
        Image.new("RGB", (100, 60)).save(tmp_path / "images" / f"{stem}.png")
    return tmp_path / "labels"


@pytest.mark.parametrize(("first_pixel", "left", "top"), [(1, 10, 10), (0, 11, 11)])
def test_voc_counts_from_one_or_nought(tmp_path: Path, first_pixel, left: int, top: int):
    """Ten pixels from the 11th to the 20th, or the corner at 11; a box is cut at the border."""
    index = read_labels(labels_folder(tmp_path, a_xml=VOC.format(11)), first_pixel=first_pixel)
    assert index.class_names == ("car", "ship")
    record = index.records[0]
    assert (record.width, record.height) == (100, 60)
    assert record.labels.tolist() == [1, 0]
    assert record.difficult.tolist() == [True, False]
    assert record.boxes[0].tolist() == [left, top, 20, 30]
    assert record.boxes[1, 2] == 100


@pytest.mark.parametrize("xmin", ["", "x", "nan", "21"])
def test_a_wrong_box_of_voc_is_named(tmp_path: Path, xmin: str):
    folder = labels_folder(tmp_path, a_xml=VOC.format(xmin))
    with pytest.raises(ValueError, match=r"a\.xml: object 1 needs a name and a bndbox"):
        voc.read(folder)


def test_broken_xml_and_foreign_classes_are_named(tmp_path: Path):
    with pytest.raises(ValueError, match=r"a\.xml: is no XML"):
        voc.read(labels_folder(tmp_path, a_xml="<annotation>"))
    folder = labels_folder(tmp_path, a_xml=VOC.format(11))
    with pytest.raises(ValueError, match=r"a\.xml: has classes \['car'\]"):
        voc.read(folder, class_names=["ship"])


def test_yolo_text_is_in_parts_of_the_picture(tmp_path: Path):
    lines = "1 0.5 0.5 0.2 0.5\n\n0 0.95 0.5 0.2 0.1\n"
    folder = labels_folder(tmp_path, a_txt=lines, b_txt="")
    index = read_labels(folder, class_names=["car", "ship"])
    assert index.counts() == {"car": 1, "ship": 1}
    boxes = index.records[0].boxes
    np.testing.assert_allclose(boxes, [[40, 15, 60, 45], [85, 27, 100, 33]], atol=1e-4)
    assert len(index.records[1].boxes) == 0, "an empty file is a picture without objects"


def test_names_of_yolo_text_come_from_its_file(tmp_path: Path):
    folder = labels_folder(tmp_path, a_txt="1 0.5 0.5 0.2 0.5")
    with pytest.raises(FileNotFoundError, match=r"classes\.txt"):
        read_labels(folder)
    (folder / "classes.txt").write_text("car\nship\n", encoding="utf-8")
    assert read_labels(folder).class_names == ("car", "ship")
    assert len(read_labels(folder)) == 1


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("0 50 50 20 30", r"a\.txt: line 1 .* not class cx cy w h"),
        ("0 0.5 0.5 0.2 nan", r"a\.txt: line 1 .* not class cx cy w h"),
        ("2 0.5 0.5 0.2 0.3", r"a\.txt: line 1 has class 2; there are 2 names"),
        ("0.5 0.5 0.5 0.2 0.3", r"line 1 has class 0\.5"),
    ],
)
def test_a_wrong_line_of_yolo_text_is_named(tmp_path: Path, line: str, message: str):
    folder = labels_folder(tmp_path, a_txt=line)
    with pytest.raises(ValueError, match=message):
        yolo_text.read(folder, class_names=["car", "ship"])


def test_longer_lines_are_dota(tmp_path: Path):
    index = read_labels(labels_folder(tmp_path, a_txt="10 10 30 10 30 20 10 20 ship 0\n"))
    assert index.class_names == ("ship",)
    assert index.records[0].rboxes is not None


def test_a_split_is_read_of_a_folder_that_holds_it(tmp_path: Path):
    folder = labels_folder(tmp_path, a_xml=VOC.format(11))
    assert len(read_labels(folder, split="val")) == 1, "labels of one split need no val.json"
    content = {"images": [], "annotations": [], "categories": [{"id": 1, "name": "ship"}]}
    (folder / "val.json").write_text(json.dumps(content), encoding="utf-8")
    assert read_labels(folder, split="val").class_names == ("ship",)
    assert len(read_labels(folder, split="train")) == 1
