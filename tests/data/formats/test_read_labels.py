"""One entrance for every format: it is recognised, and mistakes are told by file and line."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from smalldet.data.formats import recognising
from smalldet.data.formats.label_format import LabelFormat
from smalldet.data.formats.label_source import LabelSource
from smalldet.data.formats.read_labels import label_splits, read_labels
from smalldet.data.formats.table import FORMATS, WRITERS
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


@pytest.mark.parametrize("xmin", ["", "x", "nan"])
def test_a_wrong_box_of_voc_is_named(tmp_path: Path, xmin: str):
    folder = labels_folder(tmp_path, a_xml=VOC.format(xmin))
    with pytest.raises(ValueError, match=r"a\.xml: object 1 needs a bndbox of xmin"):
        read_labels(folder)


def test_broken_xml_and_foreign_classes_are_named(tmp_path: Path):
    with pytest.raises(ValueError, match=r"a\.xml: is no XML"):
        read_labels(labels_folder(tmp_path, a_xml="<annotation>"))
    folder = labels_folder(tmp_path, a_xml=VOC.format(11))
    with pytest.raises(
        ValueError, match=r"a\.xml: object 2 has class 'car'; class_names are \['ship'\]"
    ):
        read_labels(folder, class_names=["ship"])


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
        ("0 50 50 20 30", r"a\.txt: line 1 has numbers that are no parts of the picture"),
        ("0 0.5 0.5 0.2 0.1\n0 0.5 0.5 0.2 nan", r"a\.txt: line 2 is .*nan"),
        ("2 0.5 0.5 0.2 0.3", r"a\.txt: line 1 has class 2; there are 2 names"),
        ("0.5 0.5 0.5 0.2 0.3", r"line 1 has class 0\.5"),
    ],
)
def test_a_wrong_line_of_yolo_text_is_named(tmp_path: Path, line: str, message: str):
    folder = labels_folder(tmp_path, a_txt=line)
    with pytest.raises(ValueError, match=message):
        read_labels(folder, class_names=["car", "ship"])


def test_longer_lines_are_dota(tmp_path: Path):
    index = read_labels(labels_folder(tmp_path, a_txt="10 10 30 10 30 20 10 20 ship 0\n"))
    assert index.class_names == ("ship",)
    assert index.records[0].rboxes is not None


def test_a_folder_of_coco_files_is_read_by_split(draw_set: Callable[..., Path]):
    folder = draw_set("train", num_pictures=3).parent
    assert len(read_labels(folder)) == 3, "one split needs no name"
    draw_set("val", num_pictures=2, seed=1)
    assert len(read_labels(folder, split="train")) == 3
    assert len(read_labels(folder, split="val")) == 2
    assert label_splits(folder) == {s: folder / f"{s}.json" for s in ("train", "val")}
    with pytest.raises(ValueError, match=r"has train \(train\.json\), val .*: say which"):
        read_labels(folder)
    with pytest.raises(FileNotFoundError, match=r"has no test; it has train \(train\.json\), val"):
        read_labels(folder, split="test")


def test_sets_in_one_piece_are_read_whole(tmp_path: Path, draw_set: Callable[..., Path]):
    folder = labels_folder(tmp_path, a_xml=VOC.format(11))
    assert len(read_labels(folder, split="val")) == 1
    assert label_splits(folder) == {}
    assert len(read_labels(draw_set("any", num_pictures=2), split="val")) == 2


def test_a_source_is_what_its_parts_are(tmp_path: Path):
    """A recipe's source and the arguments of the function are two ways to say one thing."""
    folder = labels_folder(tmp_path, a_xml=VOC.format(11))
    pictures = (tmp_path / "images").rename(tmp_path / "elsewhere")
    names: tuple[str, ...] = ("ship", "car")
    source = LabelSource(annotations=folder, images=pictures, class_names=names, first_pixel=0)
    said = read_labels(source)
    same = read_labels(folder, pictures, class_names=names, first_pixel=0)
    assert said.class_names == same.class_names == names
    np.testing.assert_array_equal(said.records[0].boxes, same.records[0].boxes)
    assert said.records[0].boxes[0, 0] == 11
    with pytest.raises(ValueError, match="says images and class_names itself"):
        read_labels(source, pictures)


@pytest.mark.parametrize("suffix", ["xml", "txt"])
def test_what_is_no_folder_of_labels_says_what_was_looked_for(tmp_path: Path, suffix: str):
    with pytest.raises(FileNotFoundError, match=r"nowhere: no such file or folder$"):
        read_labels(tmp_path / "nowhere")
    with pytest.raises(FileNotFoundError, match=r"no labels in a known format") as error:
        read_labels(tmp_path)
    assert all(one.looks_like in str(error.value) for one in FORMATS)
    foreign = tmp_path / f"weights.{suffix}"
    foreign.write_bytes(b"\x00\xff\xfe 1 2 3")
    with pytest.raises(ValueError, match=r"weights\.\w+: is no file of labels"):
        read_labels(foreign)


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", b"", b"{", b"one two\n", b"<html>"])
def test_looking_at_foreign_files_raises_nothing(tmp_path: Path, content: bytes):
    for name in ("a.txt", "b.jpg", "c.json"):
        (tmp_path / name).write_bytes(content)
    (tmp_path / "d.txt").mkdir()
    for path in (tmp_path, *tmp_path.iterdir(), tmp_path / "none"):
        assert [one.recognises(path) in (True, False) for one in FORMATS] == [True] * len(FORMATS)


def test_a_line_of_the_table_is_all_that_a_format_needs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def read(source: LabelSource, split: str | None, with_masks: bool) -> Index:
        return Index((split or "whole", str(with_masks)), ())

    added = LabelFormat(
        "points",
        "a file of points",
        lambda path: path.suffix == ".pts",
        read,
        splits=lambda path: {"val": path},
    )
    monkeypatch.setattr(recognising, "FORMATS", (*FORMATS, added))
    path = tmp_path / "a.pts"
    path.touch()
    assert read_labels(path, split="val", with_masks=True).class_names == ("val", "True")


def test_what_has_a_writer_reads_back(tmp_path: Path, draw_set: Callable[..., Path]):
    """Through the table alone, as a conversion would go."""
    index = read_labels(draw_set())
    for name, writer in WRITERS.items():
        if name == "geojson":
            continue  # of georeferenced pictures; see test_vector
        folder = tmp_path / name
        assert writer.write(index, folder, "val")
        again = read_labels(folder, split="val")
        assert again.counts() == index.counts()
        for record, same in zip(index.records, again.records, strict=True):
            atol = 1.0 if name == "retinanet-csv" else 1e-3
            np.testing.assert_allclose(record.boxes, same.boxes, atol=atol)
