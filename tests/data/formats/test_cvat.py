"""CVAT's XML gives boxes, turned ones, outlines and masks, and a wrong shape is named."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from smalldet.data.formats import cvat
from smalldet.data.index import MASK_PX

META = """<meta><task><labels>
<label><name>ship</name><type>any</type></label>
<label><name>car</name></label>
<label><name>sunny</name><type>tag</type></label>
</labels></task></meta>"""
BOX = '<box label="car" occluded="1" xtl="10" ytl="20.5" xbr="30" ybr="50"/>'


def image(name: str, shapes: str = "", more: str = "") -> str:
    return f'<image id="0" name="{name}" width="100" height="80" {more}>{shapes}</image>'


def saved(tmp_path: Path, *images: str, meta: str = META, head: str = "") -> Path:
    (tmp_path / "images").mkdir(exist_ok=True)
    for name in ("a", "b"):
        Image.new("L", (100, 80)).save(tmp_path / "images" / f"{name}.png")
    path = tmp_path / "annotations.xml"
    body = f"<annotations><version>1.1</version>{meta}{''.join(images)}</annotations>"
    path.write_text(head + body, encoding="utf-8")
    return path


def test_boxes_flags_and_empty_pictures(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    flagged = BOX.replace("/>", '><attribute name="Difficult">true</attribute></box>')
    crowd = BOX.replace("/>", '><attribute name="is_crowd">1</attribute></box>')
    tag = '<tag label="sunny"/><polyline label="car" points="1,2;3,4"/>'
    path = saved(tmp_path, image("a.png", BOX + tag + flagged + crowd), image("b.png"))
    assert cvat.recognises(path) and cvat.recognises(tmp_path)
    index = cvat.read(tmp_path)
    assert index.class_names == ("ship", "car")
    first, second = index.records
    assert first.boxes.tolist() == [[10, 20.5, 30, 50]] * 3 and first.rboxes is None
    assert first.difficult.tolist() == [False, True, False]
    assert first.ignore.tolist() == [False, False, True]
    assert len(second.boxes) == 0
    assert "1 polyline, 1 tag" in caplog.text
    assert cvat.read(path, occluded_is_difficult=True).records[0].difficult.all()


def test_turned_boxes_and_ellipses(tmp_path: Path):
    turned = '<box label="car" xtl="40" ytl="35" xbr="60" ybr="45" rotation="30.0"/>'
    ellipse = '<ellipse label="car" cx="50" cy="40" rx="10" ry="5" rotation="90"/>'
    record = cvat.read(saved(tmp_path, image("a.png", turned + BOX + ellipse))).records[0]
    assert record.rboxes is not None
    np.testing.assert_allclose(record.rboxes[0], [50, 40, 20, 10, math.pi / 6], atol=1e-4)
    np.testing.assert_allclose(record.rboxes[1, :4], [20, 35.25, 29.5, 20], atol=1e-4)
    across = 10 * math.cos(math.pi / 6) + 5 * math.sin(math.pi / 6)
    assert record.boxes[0, 0] == pytest.approx(50 - across, abs=1e-4)
    np.testing.assert_allclose(record.boxes[2], [45, 30, 55, 50], atol=1e-4)


def test_polygons_and_masks(tmp_path: Path):
    polygon = '<polygon label="ship" points="0,0;56,0;0,56"/>'
    mask = '<mask label="ship" rle="784,784" left="10" top="20" width="28" height="56"/>'
    record = cvat.read(saved(tmp_path, image("a.png", polygon + mask)), with_masks=True).records[0]
    assert record.boxes.tolist() == [[0, 0, 56, 56], [10, 20, 38, 76]]
    assert record.masks is not None
    cells = np.unpackbits(record.masks, axis=1).reshape(2, MASK_PX, MASK_PX)
    assert cells[0].sum() == pytest.approx(MASK_PX**2 / 2, rel=0.05)
    assert cells[1, 28:].all() and not cells[1, :28].any()


def test_subsets_are_splits(tmp_path: Path):
    one, two = image("a.png", BOX, 'subset="Train"'), image("b.png", "", 'subset="Val"')
    path = saved(tmp_path, one, two)
    assert len(cvat.read(path)) == 2
    assert [record.path.name for record in cvat.read(path, split="Val").records] == ["b.png"]
    with pytest.raises(ValueError, match=r"has no images of 'x'; it has the subsets Train, Val"):
        cvat.read(path, split="x")


@pytest.mark.parametrize(
    ("shapes", "named"),
    [
        ('<box label="car" xtl="1" ytl="2" xbr="x" ybr="3"/>', r"object 1 has 'x' where a number"),
        ('<box label="car" xtl="1" ytl="2" xbr="nan" ybr="3"/>', r"object 1 has 'nan'"),
        ('<box label="car" xtl="1" ytl="2" xbr="3"/>', r"object 1 has ''"),
        ('<box label="car" xtl="9" ytl="2" xbr="3" ybr="3" rotation="5"/>', r"object 1 runs from"),
        ('<box label="car" xtl="1" ytl="2" xbr="3" ybr="1e20"/>', r"object 1: its numbers lie on"),
        ('<box xtl="1" ytl="2" xbr="3" ybr="3"/>', r"object 1 has no label"),
        ('<box label="bus" xtl="1" ytl="2" xbr="3" ybr="3"/>', r"class 'bus'; there are ship, car"),
        ('<polygon label="car" points="1,2;3,4"/>', r"object 1 is a polygon that needs"),
        ('<ellipse label="car" cx="1" cy="2" rx="-1" ry="2"/>', r"object 1 is an ellipse with"),
        ('<mask label="car" rle="5" left="0" top="0" width="2" height="2"/>', r"cover 5 pixels"),
        ('<mask label="car" rle="-4" left="0" top="0" width="2" height="2"/>', r"needs run len"),
        ('<mask label="car" rle="4" left="0" top="0" width="0" height="2"/>', r"mask of 0x2"),
        ("<sphere/>", r"object 1 is <sphere>, which is no shape"),
        (BOX.replace("/>", '><attribute name="ignore">x</attribute></box>'), r"ignore 'x', not"),
    ],
)
def test_a_wrong_shape_is_named(tmp_path: Path, shapes: str, named: str):
    with pytest.raises(ValueError, match=named) as caught:
        cvat.read(saved(tmp_path, image("a.png", shapes)), with_masks=True)
    assert "annotations.xml: image 1 'a.png'" in str(caught.value)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("<html></html>", r"root element is <html>, not <annotations>"),
        ("<annotations><track/></annotations>", r"export the task as `CVAT for images 1\.1`"),
        ("<annotations>", r"is no XML: no element found"),
        ("<a>" * 10_000, r"root element is <a>"),
        ("<annotations>" + "<a>" * 10_000, r"nested deeper than 16 levels"),
        ("<!DOCTYPE a [<!ENTITY x 'y'>]><annotations>&x;</annotations>", r"declares entities"),
        ('<?xml version="1.0" encoding="base64"?><annotations/>', r"encoding 'base64' is not read"),
        ("<annotations></annotations>", r"has no images$"),
        ('<annotations><image name="a.png"/></annotations>', r"needs a name, width and height"),
    ],
)
def test_other_files_are_refused(tmp_path: Path, text: str, named: str):
    (tmp_path / "annotations.xml").write_text(text)
    cvat.recognises(tmp_path)
    with pytest.raises(ValueError, match=named) as caught:
        cvat.read(tmp_path)
    assert "annotations.xml" in str(caught.value)


def test_a_picture_of_another_size_and_a_missing_one(tmp_path: Path):
    path = saved(tmp_path, image("a.png").replace('"100"', '"80"'))
    with pytest.raises(ValueError, match=r"'a\.png': is 100x80; its shapes were drawn on 80x80"):
        cvat.read(path)
    with pytest.raises(FileNotFoundError, match=r"c\.png"):
        cvat.read(saved(tmp_path, image("c.png")))
