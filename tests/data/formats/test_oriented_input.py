"""Oriented boxes of every format that has them: one form, and the stated treatment of bad ones."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from smalldet.data.formats.label_source import LabelSource
from smalldet.data.formats.read_labels import read_labels
from smalldet.data.index import ImageRecord
from smalldet.geometry.oriented import rboxes_to_quads

WIDTH, HEIGHT = 100, 50
SHIP = (50.0, 25.0, 30.0, 10.0, 0.4)
Numbers = Sequence[Any]


def quad_of(rbox: Numbers) -> list[float]:
    """x1 y1 to x4 y4, clockwise."""
    return rboxes_to_quads(torch.tensor(rbox, dtype=torch.float64)).flatten().tolist()


QUAD = quad_of(SHIP)
BOW_TIE = [*QUAD[:2], *QUAD[4:6], *QUAD[2:4], *QUAD[6:]]


def dota(folder: Path, quads: Sequence[Numbers]) -> Path:
    lines = [f"{' '.join(map(str, quad))} ship 0\n" for quad in quads]
    (folder / "labelTxt").mkdir()
    (folder / "labelTxt/a.txt").write_text("".join(lines))
    return folder


def yolo(folder: Path, quads: Sequence[Numbers]) -> Path:
    size = (WIDTH, HEIGHT)
    lines = [" ".join(["0", *(str(v / size[i % 2]) for i, v in enumerate(q))]) for q in quads]
    (folder / "labels").mkdir()
    (folder / "labels/a.txt").write_text("\n".join(lines))
    (folder / "data.yaml").write_text("train: images\nnames: [ship]\n")
    return folder / "data.yaml"


def annotated(folder: Path, entries: Sequence[dict[str, Any]]) -> Path:
    image = {"id": 1, "file_name": "a.png", "width": WIDTH, "height": HEIGHT}
    box = {"image_id": 1, "category_id": 1, "bbox": [20, 10, 60, 30]}
    content = {
        "images": [image],
        "categories": [{"id": 1, "name": "ship"}],
        "annotations": [{"id": n, **box, **entry} for n, entry in enumerate(entries, start=1)],
    }
    (folder / "a.json").write_text(json.dumps(content))
    return folder / "a.json"


def coco_corners(folder: Path, quads: Sequence[Numbers]) -> Path:
    return annotated(folder, [{"segmentation": [list(quad)]} for quad in quads])


def labelme(folder: Path, quads: Sequence[Numbers]) -> Path:
    shapes = [
        {
            "label": "ship",
            "shape_type": "oriented_rectangle",
            "points": list(zip(q[::2], q[1::2], strict=True)),
        }
        for q in quads
    ]
    content = {"imagePath": "images/a.png", "shapes": shapes}
    (folder / "a.json").write_text(json.dumps(content))
    return folder / "a.json"


def coco_rbbox(folder: Path, rboxes: Sequence[Numbers]) -> Path:
    return annotated(folder, [{"rbbox": list(rbox)} for rbox in rboxes])


def xml(folder: Path, text: str) -> Path:
    (folder / "Annotations").mkdir()
    (folder / "Annotations/a.xml").write_text(text)
    return folder


def rolabelimg(folder: Path, rboxes: Sequence[Numbers]) -> Path:
    keys = ("cx", "cy", "w", "h", "angle")
    objects = [
        "<object><name>ship</name><robndbox>"
        + "".join(f"<{key}>{value}</{key}>" for key, value in zip(keys, rbox, strict=True))
        + "</robndbox></object>"
        for rbox in rboxes
    ]
    return xml(folder, f"<annotation>{''.join(objects)}</annotation>")


def hrsc(folder: Path, rboxes: Sequence[Numbers]) -> Path:
    keys = ("mbox_cx", "mbox_cy", "mbox_w", "mbox_h", "mbox_ang")
    objects = [
        "<HRSC_Object>"
        + "".join(f"<{key}>{value}</{key}>" for key, value in zip(keys, rbox, strict=True))
        + "</HRSC_Object>"
        for rbox in rboxes
    ]
    return xml(folder, f"<HRSC_Image><HRSC_Objects>{''.join(objects)}</HRSC_Objects></HRSC_Image>")


def csv(folder: Path, rboxes: Sequence[Numbers]) -> Path:
    head = "image_path,xmin,ymin,xmax,ymax,label,rbox_cx,rbox_cy,rbox_w,rbox_h,rbox_angle\n"
    rows = [f"images/a.png,20,10,80,40,ship,{','.join(map(str, rbox))}\n" for rbox in rboxes]
    (folder / "a.csv").write_text(head + "".join(rows))
    return folder / "a.csv"


def cvat(folder: Path, rboxes: Sequence[Numbers]) -> Path:
    shapes = [
        f'<box label="ship" xtl="{cx - w / 2}" ytl="{cy - h / 2}" xbr="{cx + w / 2}" '
        f'ybr="{cy + h / 2}" rotation="{math.degrees(angle)}"/>'
        for cx, cy, w, h, angle in rboxes
    ]
    (folder / "a.xml").write_text(
        "<annotations><version>1.1</version><image id='0' name='a.png' "
        f"width='{WIDTH}' height='{HEIGHT}'>{''.join(shapes)}</image></annotations>"
    )
    return folder / "a.xml"


def label_studio(folder: Path, rboxes: Sequence[Numbers]) -> Path:
    """Its rectangles turn about their first corner."""
    size = np.array([WIDTH, HEIGHT])
    drawn = {"original_width": WIDTH, "original_height": HEIGHT, "image_rotation": 0}
    results = []
    for cx, cy, w, h, angle in rboxes:
        x, y = (np.array(quad_of((cx, cy, w, h, angle))[:2]) / size * 100).tolist()
        place = {"x": x, "y": y, "width": w / WIDTH * 100, "height": h / HEIGHT * 100}
        value = {**place, "rotation": math.degrees(angle), "rectanglelabels": ["ship"]}
        results.append({"type": "rectanglelabels", "value": value, **drawn})
    task = {"data": {"image": "a.png"}, "annotations": [{"result": results}]}
    (folder / "a.json").write_text(json.dumps([task]))
    return folder / "a.json"


Write = Callable[[Path, Sequence[Numbers]], Path]
BY_CORNERS = [dota, yolo, coco_corners, labelme]
IN_RADIANS = [coco_rbbox, rolabelimg, hrsc, csv]
BY_ANGLE = [*IN_RADIANS, cvat, label_studio]


def read(tmp_path: Path, write: Write, objects: Sequence[Numbers]) -> ImageRecord:
    (tmp_path / "images").mkdir()
    Image.new("L", (WIDTH, HEIGHT)).save(tmp_path / "images/a.png")
    [record] = read_labels(LabelSource(annotations=write(tmp_path, objects))).records
    return record


def assert_ship(record: ImageRecord, row: int = 0) -> None:
    assert record.rboxes is not None
    np.testing.assert_allclose(record.rboxes[row], SHIP, atol=2e-3)


@pytest.mark.parametrize("write", BY_CORNERS)
@pytest.mark.parametrize("start", range(4))
@pytest.mark.parametrize("backwards", [False, True])
def test_corners_may_begin_anywhere_and_go_either_way(
    tmp_path: Path, write: Write, start: int, backwards: bool, caplog: pytest.LogCaptureFixture
):
    corners = np.array(QUAD).reshape(4, 2)
    corners = np.roll(corners[::-1] if backwards else corners, start, axis=0)
    assert_ship(read(tmp_path, write, [corners.ravel().tolist()]))
    assert "cross" not in caplog.text


@pytest.mark.parametrize("write", BY_CORNERS)
def test_a_bow_tie_is_the_rectangle_round_it_and_told(
    tmp_path: Path, write: Write, caplog: pytest.LogCaptureFixture
):
    record = read(tmp_path, write, [QUAD, BOW_TIE, BOW_TIE])
    for row in range(3):
        assert_ship(record, row)
    assert "2 objects have corners of which two sides cross" in caplog.text
    assert any(f"{word} 2" in caplog.text for word in ("line", "object", "annotation"))


@pytest.mark.parametrize("write", BY_CORNERS)
@pytest.mark.parametrize("num", [3, 5])
def test_three_corners_or_five(
    tmp_path: Path, write: Write, num: int, caplog: pytest.LogCaptureFixture
):
    """An error; where the format has outlines too, it is told that the set's boxes are lost."""
    wrong = (QUAD * 2)[: 2 * num]
    if write in (yolo, coco_corners):
        record = read(tmp_path, write, [QUAD, QUAD, wrong])
        assert record.rboxes is None and len(record.boxes) == 3
        assert "2 of 3" in caplog.text and "there are no oriented boxes" in caplog.text
        assert "line 3" in caplog.text or "annotation 3" in caplog.text
    else:
        with pytest.raises(ValueError, match=r"a\.txt: line 3|a\.json: object 3"):
            read(tmp_path, write, [QUAD, QUAD, wrong])


@pytest.mark.parametrize("write", BY_CORNERS)
def test_corners_on_a_line_are_no_object(
    tmp_path: Path, write: Write, caplog: pytest.LogCaptureFixture
):
    flat = [10, 10, 30, 20, 50, 30, 30, 20]
    if write is coco_corners:
        with pytest.raises(ValueError, match=r"a\.json: annotation 2: its corners"):
            read(tmp_path, write, [QUAD, flat])
        return
    record = read(tmp_path, write, [QUAD, flat])
    assert len(record.boxes) == 1
    assert "1 objects have no area" in caplog.text and ": " in caplog.text
    assert "line 2" in caplog.text or "object 2" in caplog.text


@pytest.mark.parametrize("write", BY_CORNERS)
@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_corners_that_are_no_numbers_are_named(tmp_path: Path, write: Write, value: float):
    wrong = [value, *QUAD[1:]]
    with pytest.raises(ValueError, match=r"a\.txt: line 2|a\.json: has (NaN|Inf).*; line 1"):
        read(tmp_path, write, [QUAD, wrong])


@pytest.mark.parametrize("write", [*BY_CORNERS, *BY_ANGLE])
def test_what_leaves_the_picture_stays_whole_beside_a_clipped_box(tmp_path: Path, write: Write):
    out = (95.0, 25.0, 30.0, 10.0, 0.4)
    record = read(tmp_path, write, [quad_of(out) if write in BY_CORNERS else out])
    assert record.rboxes is not None
    np.testing.assert_allclose(record.rboxes[0], out, atol=2e-3)
    assert record.boxes[0, 2] <= WIDTH


@pytest.mark.parametrize("write", [*BY_CORNERS, *BY_ANGLE])
def test_what_lies_outside_is_left_out_and_named(
    tmp_path: Path, write: Write, caplog: pytest.LogCaptureFixture
):
    if write in (coco_corners, coco_rbbox, csv):
        return  # these have an upright box of their own, which decides
    gone = (150.0, 25.0, 30.0, 10.0, 0.4)
    both = [quad_of(one) if write in BY_CORNERS else one for one in (SHIP, gone)]
    assert len(read(tmp_path, write, both).boxes) == 1
    assert "1 objects have no area in their picture and are left out" in caplog.text


@pytest.mark.parametrize("write", BY_ANGLE)
@pytest.mark.parametrize("turns", [-2, -1, 0, 1, 2, 3])
def test_any_width_height_and_angle_of_a_box_read_the_same(
    tmp_path: Path, write: Write, turns: int
):
    """By quarter turns, of which each swaps the sides."""
    cx, cy, w, h, angle = SHIP
    sides = (h, w) if turns % 2 else (w, h)
    assert_ship(read(tmp_path, write, [(cx, cy, *sides, angle + turns * math.pi / 2)]))


@pytest.mark.parametrize("write", IN_RADIANS)
def test_degrees_in_place_of_radians_are_refused(tmp_path: Path, write: Write):
    degrees = (*SHIP[:4], 23.0)
    with pytest.raises(ValueError, match=r"has the angle 23; angles are in radians"):
        read(tmp_path, write, [SHIP, degrees])


@pytest.mark.parametrize("write", BY_ANGLE)
@pytest.mark.parametrize(("w", "h"), [(0, 10), (30, 0), (-30, 10)])
def test_sides_that_are_not_above_0(
    tmp_path: Path, write: Write, w: float, h: float, caplog: pytest.LogCaptureFixture
):
    objects = [SHIP, (50, 25, w, h, 0.4)]
    if w < 0 or write is coco_rbbox:
        with pytest.raises(ValueError, match=r"annotation 2|line 3|object 2"):
            read(tmp_path, write, objects)
    else:
        assert len(read(tmp_path, write, objects).boxes) == 1
        assert "1 objects have no area" in caplog.text


@pytest.mark.parametrize("write", BY_ANGLE[:4])
@pytest.mark.parametrize("value", [math.nan, math.inf, "x"])
def test_numbers_that_are_none_are_named(tmp_path: Path, write: Write, value: object):
    with pytest.raises(ValueError, match=r"annotation 2|line 3|object 2|; line 1: "):
        read(tmp_path, write, [SHIP, (*SHIP[:4], value)])


@pytest.mark.parametrize(
    ("factor", "summand", "why"),
    [
        (-1, 0, "the angles seem to turn the other way;"),
        (1, math.pi / 2, "the angles seem to be those of the other side;"),
        (-1, math.pi / 2, "the angles seem to turn the other way, and be those of the other side"),
        (1, 0.7, "they are other boxes"),
    ],
)
def test_rbbox_and_corners_that_are_not_the_same_boxes(
    tmp_path: Path, factor: float, summand: float, why: str
):
    """Of a set whose angles mean something else, the corners say what."""
    rng = np.random.default_rng(0)
    rboxes = rng.uniform([30, 20, 20, 4, -1.5], [70, 30, 30, 9, 1.5], (40, 5))
    entries = [
        {"rbbox": [*rbox[:4], rbox[4] * factor + summand], "segmentation": [quad_of(rbox)]}
        for rbox in rboxes.tolist()
    ]
    sound = [{**e, "rbbox": rbox} for e, rbox in zip(entries, rboxes.tolist(), strict=True)]
    read(tmp_path, lambda folder, _: annotated(folder, sound), [])
    (tmp_path / "again").mkdir()
    with pytest.raises(ValueError, match=rf"a\.json: annotation 1 and others: rbbox is not.*{why}"):
        read(tmp_path / "again", lambda folder, _: annotated(folder, entries), [])
