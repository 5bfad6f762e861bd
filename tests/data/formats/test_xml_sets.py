"""XML by split and by folder: VOC, roLabelImg and DIOR-R; foreign and hostile XML is refused."""

from __future__ import annotations

import time
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from smalldet.data.formats import coco, rolabelimg, voc_sets
from smalldet.data.formats.read_labels import read_labels
from smalldet.data.formats.xml_files import read_xml

CORNERS = ("xmin", "ymin", "xmax", "ymax")
OBJECT = (
    "<object><name>{name}</name><difficult>{difficult}</difficult><bndbox><xmin>11</xmin>"
    "<ymin>11</ymin><xmax>20</xmax><ymax>30</ymax></bndbox>"
    "<part><name>head</name><bndbox><xmin>1</xmin></bndbox></part></object>"
)
VOC = "<annotation>{}<object><name>b</name><bndbox><xmin>1</xmin><ymin>1</ymin><xmax>5</xmax>\
<ymax>5</ymax></bndbox></object></annotation>"
TURNED = (
    "<annotation><object><type>robndbox</type><name>ship</name><difficult>1</difficult><robndbox>"
    "<cx>50</cx><cy>25</cy><w>20</w><h>10</h><angle>{angle}</angle></robndbox></object>"
    "<object><type>bndbox</type><name>car</name><bndbox><xmin>1</xmin><ymin>2</ymin>"
    "<xmax>11</xmax><ymax>8</ymax></bndbox></object></annotation>"
)


def saved(tmp_path: Path, images: str = "JPEGImages", **texts: str | None) -> Path:
    for folder in ("Annotations", images, "ImageSets/Main"):
        (tmp_path / folder).mkdir(parents=True, exist_ok=True)
    for stem, text in texts.items():
        Image.new("L", (100, 50)).save(tmp_path / images / f"{stem}.png")
        if text is not None:
            (tmp_path / f"Annotations/{stem}.xml").write_text(text, encoding="utf-8")
    (tmp_path / "ImageSets/Main/train.txt").write_text("\n".join(texts) + "\n")
    return tmp_path


def test_a_split_by_its_list(tmp_path: Path):
    a = VOC.format(OBJECT.format(name="a", difficult=1))
    folder = saved(tmp_path, a=a, b="<annotation/>", c=None)
    (folder / "ImageSets/Main/val.txt").write_text("a\r\n")
    index = voc_sets.read(folder)
    assert index.class_names == ("a", "b")
    first, second, third = index.records
    assert first.boxes.tolist() == [[10, 10, 20, 30], [0, 0, 5, 5]]
    assert first.difficult.tolist() == [True, False]
    assert len(second.boxes) == len(third.boxes) == 0 and third.path.name == "c.png"
    assert len(voc_sets.read(folder, split="val")) == 1
    assert len(voc_sets.read(folder, split=None)) == 2
    with pytest.raises(FileNotFoundError, match=r"has no ImageSets/Main/test\.txt; it has train"):
        voc_sets.read(folder, split="test")


def test_the_folder_above_and_folders_of_splits(tmp_path: Path):
    saved(tmp_path / "VOCdevkit/VOC2007", a=VOC.format(""))
    assert voc_sets.recognises(tmp_path) and len(voc_sets.read(tmp_path)) == 1
    saved(tmp_path / "VOCdevkit/VOC2012", a=VOC.format(""))
    with pytest.raises(ValueError, match="has VOC2007 and VOC2012; name one"):
        voc_sets.read(tmp_path)
    flat = tmp_path / "flat/valid"  # Roboflow's export
    flat.mkdir(parents=True)
    (flat / "x.xml").write_text(VOC.format(""))
    Image.new("L", (100, 50)).save(flat / "x.jpg")
    assert len(read_labels(flat.parent, split="val").records[0].boxes) == 1
    with pytest.raises(FileNotFoundError, match=r"has no train; it has val \(valid\)"):
        read_labels(flat.parent, split="train")


@pytest.mark.parametrize(
    "head", ['<annotation xmlns="http://a.b/c">', '<v:annotation xmlns:v="x">']
)
def test_a_namespace_hides_nothing(tmp_path: Path, head: str):
    body = VOC.format("").removeprefix("<annotation>")
    if head.startswith("<v:"):
        body = body.replace("</annotation>", "</v:annotation>")
    record = voc_sets.read(saved(tmp_path, a=head + body)).records[0]
    assert len(record.boxes) == 1


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("<html><body>404</body></html>", "root element is <html>, not <annotation>"),
        ("<!DOCTYPE html><html></html>", "root element is <html>"),
        ("not xml", "is no XML"),
        ("", "is no XML"),
        ("<annotation>", "is no XML"),
        ('<!DOCTYPE a [<!ENTITY b "c">]><annotation>&b;</annotation>', "declares entities"),
        ("<annotation>&nbsp;</annotation>", "is no XML"),
        ("<?xml version='1.0' encoding='base64'?><annotation/>", "encoding 'base64' is not read"),
        ("<?xml version='1.0' encoding='hex'?><annotation/>", "encoding 'hex' is not read"),
        ("<?xml version='1.0' encoding='klingon'?><annotation/>", "encoding 'klingon' is not"),
        ("<?xml version='1.0' encoding=''?><annotation/>", "encoding '' is not read"),
        ("<annotation>" + "<a>" * 99 + "</a>" * 99 + "</annotation>", "deeper than 16 levels"),
        (VOC.format(OBJECT.format(name="", difficult=0)), "object 1 has no name"),
        (VOC.format(OBJECT.format(name="a", difficult="yes")), "object 1 has difficult 'yes'"),
        (VOC.format("").replace("<xmax>5</xmax>", ""), "object 1 needs a bndbox of xmin"),
        (VOC.format("").replace("5</xmax>", "nan</xmax>"), "object 1 needs a bndbox"),
        (VOC.format("").replace("5</xmax>", "5_0</xmax>"), "object 1 needs a bndbox"),
        (VOC.format("").replace("5</xmax>", "-5</xmax>"), "right of and below"),
        (VOC.format("").replace("5</xmax>", "1e29</xmax>"), "lie on no picture"),
    ],
)
def test_wrong_xml_is_named(tmp_path: Path, text: str, said: str):
    with pytest.raises(ValueError, match=rf"a\.xml.*{said}"):
        voc_sets.read(saved(tmp_path, a=text))


@pytest.mark.parametrize("encoding", ["utf-16", "gbk", "windows-1252", "iso-8859-1"])
def test_text_encodings_are_read(tmp_path: Path, encoding: str):
    name = "船" if encoding in ("utf-16", "gbk") else "bâteau"
    text = f"<?xml version='1.0' encoding='{encoding}'?><annotation>{name}</annotation>"
    (tmp_path / "a.xml").write_bytes(text.encode(encoding))
    assert read_xml(tmp_path / "a.xml", ("annotation",)).text == name


def test_deep_xml_takes_no_time(tmp_path: Path):
    (tmp_path / "a.xml").write_bytes(b"<annotation>" + b"<a>" * 1_000_000 + b"</a>" * 1_000_000)
    start = time.process_time()
    with pytest.raises(ValueError, match=r"a\.xml"):
        read_xml(tmp_path / "a.xml", ("annotation",))
    assert time.process_time() - start < 10


def test_a_wrong_list_is_named(tmp_path: Path):
    folder = saved(tmp_path, a=VOC.format(""))
    (folder / "ImageSets/Main/car_train.txt").write_text("a 1\n")
    with pytest.raises(ValueError, match=r"car_train\.txt: line 1 is 'a 1', not the name"):
        voc_sets.read(folder, split="car_train")
    (folder / "ImageSets/Main/train.txt").write_text("a\nzz\n")
    with pytest.raises(FileNotFoundError, match=r"1 of 2 pictures are not in .*: zz"):
        voc_sets.read(folder)


def test_another_size_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    size = "<size><width>100</width><height>{}</height></size>"
    voc_sets.read(saved(tmp_path, a=VOC.format(size.format(50))))
    assert not caplog.records
    voc_sets.read(saved(tmp_path, a=VOC.format(size.format(60))))
    assert "1 files say another size" in caplog.text and "a.xml" in caplog.text


@pytest.mark.parametrize(("name", "first_pixel"), [("irst_tiny", 1), ("longtail_fod", 0)])
def test_real_xml_reads_as_its_text_says(shared_dir: Path, name: str, first_pixel, tmp_path: Path):
    """The pictures of a list without an XML file are there too: backgrounds, in `irst_tiny`."""
    folder = shared_dir / "data" / name
    index = coco.read(folder / "val.json")
    (tmp_path / "Annotations").mkdir()
    for file in {record.path.stem: record for record in index.records}:
        xml = folder / "orig_xml" / f"{file}.xml"
        if xml.is_file():
            (tmp_path / "Annotations" / xml.name).symlink_to(xml)
    (tmp_path / "ImageSets/Main").mkdir(parents=True)
    stems = "".join(f"{record.path.stem}\n" for record in index.records)
    (tmp_path / "ImageSets/Main/val.txt").write_text(stems)
    assert voc_sets.recognises(tmp_path)
    mine = voc_sets.read(tmp_path, folder / "images", split="val", first_pixel=first_pixel)
    assert len(mine) == len(index)
    for one, entry in zip(mine.records, index.records, strict=True):
        assert one.path == entry.path and len(one.boxes) == len(entry.boxes)
        xml = folder / "orig_xml" / f"{one.path.stem}.xml"
        if xml.is_file():
            objects = ElementTree.parse(xml).getroot().findall("object")
            corners = [[float(o.findtext(f"bndbox/{c}") or "") for c in CORNERS] for o in objects]
            limits = [one.width, one.height] * 2
            boxes = np.array(corners) - [first_pixel, first_pixel, 0, 0]
            np.testing.assert_allclose(one.boxes, np.clip(boxes, 0, limits), rtol=1e-6)
            named = [mine.class_names[label] for label in one.labels]
            assert named == [(o.findtext("name") or "").strip() for o in objects]


def test_rolabelimg(tmp_path: Path):
    folder = saved(tmp_path, "images", a=TURNED.format(angle=np.pi / 2), b="<annotation/>")
    assert rolabelimg.recognises(folder) and not voc_sets.recognises(folder)
    index = rolabelimg.read(folder)
    assert index.class_names == ("car", "ship")
    a, b = index.records
    assert a.rboxes is not None and len(b.boxes) == 0
    np.testing.assert_allclose(a.boxes, [[45, 15, 55, 35], [1, 2, 11, 8]], atol=1e-4)
    np.testing.assert_allclose(
        a.rboxes, [[50, 25, 20, 10, -np.pi / 2], [6, 5, 10, 6, 0]], atol=1e-4
    )
    assert a.difficult.tolist() == [True, False]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("<angle>1</angle>", "<angle>45</angle>", "angle 45; angles are in radians"),
        ("<angle>1</angle>", "", "needs a robndbox of cx"),
        ("<w>20", "<w>-20", "has a side below 0"),
        ("<cx>50", "<cx>1e29", "lie on no picture"),
        ("<xmin>1<", "<xmin>x<", "needs a bndbox"),
        ("<bndbox>", "<polygon>", "needs a robndbox"),
    ],
)
def test_wrong_oriented_boxes_are_named(tmp_path: Path, old: str, new: str, said: str):
    text = TURNED.format(angle=1).replace(old, new)
    if new == "<polygon>":
        text = text.replace("</bndbox>", "</polygon>")
    with pytest.raises(ValueError, match=rf"a\.xml: object \d .*{said}|object \d: .*{said}"):
        rolabelimg.read(saved(tmp_path, "images", a=text))


def dior(**corners: float) -> str:
    inside = "".join(f"<{name}>{value}</{name}>" for name, value in corners.items())
    return (
        "<annotation><object><type>robndbox</type><name>ship</name><robndbox>"
        f"{inside}</robndbox><angle>0</angle></object></annotation>"
    )


DIOR = {
    "x_left_top": 30, "y_left_top": 20, "x_right_top": 70, "y_right_top": 20,
    "x_right_bottom": 70, "y_right_bottom": 30, "x_left_bottom": 30, "y_left_bottom": 30,
}  # fmt: skip


def test_dior_r_as_it_is_published(tmp_path: Path):
    """Two folders of XML and two of pictures, and lists."""
    for number, (split, images) in enumerate(
        {"train": "trainval", "val": "trainval", "test": "test"}.items()
    ):
        folder = tmp_path / f"JPEGImages-{images}"
        folder.mkdir(exist_ok=True)
        Image.new("L", (100, 50)).save(folder / f"{number}.jpg")
        for kind, text in (("Oriented", dior(**DIOR)), ("Horizontal", VOC.format(""))):
            xml = tmp_path / f"Annotations/{kind} Bounding Boxes/{number}.xml"
            xml.parent.mkdir(parents=True, exist_ok=True)
            xml.write_text(text)
        (tmp_path / "Main").mkdir(exist_ok=True)
        (tmp_path / f"Main/{split}.txt").write_text(f"{number}\n")
    assert rolabelimg.recognises(tmp_path) and not voc_sets.recognises(tmp_path)
    for split, name in (("train", "0.jpg"), ("val", "1.jpg"), ("test", "2.jpg")):
        [record] = read_labels(tmp_path, split=split).records
        assert record.path.name == name and record.rboxes is not None
        np.testing.assert_allclose(record.rboxes, [[50, 25, 40, 10, 0]], atol=1e-5)


def test_a_wrong_corner_of_dior_r_is_named(tmp_path: Path):
    lacking = {name: value for name, value in DIOR.items() if name != "y_left_bottom"}
    with pytest.raises(ValueError, match=r"a\.xml: object 1 needs a robndbox of cx.*x_left_top"):
        rolabelimg.read(saved(tmp_path, "images", a=dior(**lacking)))
