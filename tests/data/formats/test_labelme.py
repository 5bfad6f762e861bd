"""LabelMe's shapes become boxes, oriented boxes and masks, and a wrong shape is named."""

from __future__ import annotations

import base64
import io
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from smalldet.data.formats import labelme
from smalldet.data.index import MASK_PX

SQUARE = [[10, 20], [30, 20], [30, 50], [10, 50]]


def shape(kind: str | None, points: Any, label: Any = "car", **more: Any) -> dict[str, Any]:
    return {"label": label, "points": points, "shape_type": kind, **more}


def saved(tmp_path: Path, *shapes: Any, name: str = "a", **more: Any) -> Path:
    Image.new("L", (100, 80)).save(tmp_path / f"{name}.png")
    content = {"version": "5.4.1", "shapes": list(shapes), "imagePath": f"{name}.png", **more}
    (tmp_path / f"{name}.json").write_text(json.dumps(content), encoding="utf-8")
    return tmp_path


def test_each_kind_has_its_box(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    saved(
        tmp_path,
        shape("rectangle", [[30, 50], [10, 20]]),
        shape("rectangle", SQUARE, "bus"),
        shape("polygon", [[10, 20], [30, 20], [20, 50]], flags={"difficult": True}),
        shape(None, [[1, 2], [9, 2], [9, 8]]),
        shape("circle", [[50, 40], [53, 44]], flags={"crowd": True}),
        shape("point", [[5, 5]]),
        shape("line", [[5, 5], [9, 9]]),
        shape("rectangle", [[90, 70], [120, 90]]),
    )
    index = labelme.read(tmp_path)
    record = index.records[0]
    assert index.class_names == ("bus", "car") and record.rboxes is None
    expected = [
        [10, 20, 30, 50], [10, 20, 30, 50], [10, 20, 30, 50], [1, 2, 9, 8], [45, 35, 55, 45],
        [90, 70, 100, 80],
    ]  # fmt: skip
    np.testing.assert_allclose(record.boxes, expected, atol=1e-4)
    assert record.difficult.tolist() == [False, False, True, False, False, False]
    assert record.ignore.tolist() == [False, False, False, False, True, False]
    assert "1 line, 1 point" in caplog.text and "object 6 is a point" in caplog.text


def test_turned_rectangles_are_oriented_boxes(tmp_path: Path):
    turned = [[50, 30], [60, 40], [50, 50], [40, 40]]
    saved(tmp_path, shape("rotation", turned), shape("rectangle", [[10, 20], [30, 50]]))
    record = labelme.read(tmp_path).records[0]
    side = math.sqrt(200)
    assert record.rboxes is not None
    expected = [[50, 40, side, side, -math.pi / 4], [20, 35, 30, 20, -math.pi / 2]]
    np.testing.assert_allclose(record.rboxes, expected, atol=1e-4)
    np.testing.assert_allclose(record.boxes, [[40, 30, 60, 50], [10, 20, 30, 50]], atol=1e-4)


def png(pixels: np.ndarray) -> str:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return base64.b64encode(file.getvalue()).decode()


def test_masks_and_outlines(tmp_path: Path):
    pixels = np.zeros((56, 28), dtype=np.uint8)
    pixels[:28] = 255
    saved(
        tmp_path,
        shape("mask", [[10, 20], [37, 75]], mask=png(pixels)),
        shape("polygon", [[0, 0], [56, 0], [0, 56]]),
        shape("rectangle", [[0, 0], [5, 5]]),
    )
    record = labelme.read(tmp_path, with_masks=True).records[0]
    assert record.boxes[0].tolist() == [10, 20, 38, 76] and record.masks is not None
    cells = np.unpackbits(record.masks, axis=1).reshape(3, MASK_PX, MASK_PX)
    assert cells[0, :28].all() and not cells[0, 28:].any()
    assert cells[1].sum() == pytest.approx(MASK_PX**2 / 2, rel=0.05) and cells[1, 1, 1]
    assert not cells[2].any()


def test_pictures_without_shapes_are_negatives_and_without_files_are_told_of(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    saved(tmp_path, name="empty")
    saved(tmp_path, shape("rectangle", [[1, 1], [5, 5]]))
    Image.new("L", (10, 10)).save(tmp_path / "other.png")
    assert [len(record.boxes) for record in labelme.read(tmp_path).records] == [1, 0]
    assert "1 pictures have no file of labels" in caplog.text and "other.png" in caplog.text
    assert len(labelme.read(tmp_path, unlabelled=True)) == 3


def test_pictures_are_found_by_windows_paths_and_in_another_folder(tmp_path: Path):
    labels = tmp_path / "labels"
    labels.mkdir()
    saved(labels, imagePath="..\\images\\a.png")
    (tmp_path / "images").mkdir()
    (labels / "a.png").rename(tmp_path / "images" / "a.png")
    assert labelme.read(labels).records[0].path.is_file()
    assert labelme.read(labels, tmp_path / "images").records[0].path.is_file()
    (tmp_path / "images" / "a.png").unlink()
    with pytest.raises(FileNotFoundError, match=r"1 of 1 pictures do not exist(.|\n)*a\.png"):
        labelme.read(labels)


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        (5, r"object 2 is no shape"),
        (shape("rectangle", [[1, 2], [3, 4]], None), r"object 2 needs a text as 'label', not None"),
        (shape("rectangle", [[1, 2]]), r"object 2 is a rectangle of 1 points .* needs 2 or 4"),
        (shape("polygon", [[1, 2], [3, 4]]), r"object 2 is a polygon of 2 points .* 3 or more"),
        (shape("rectangle", [[1, 2], [3, "4"]]), r"object 2 has '4', which is no finite number"),
        (shape("rectangle", [[1, 2], [3, True]]), r"object 2 has True"),
        (shape("rectangle", [[1, 2], [3, 10**400]]), r"object 2 has 10{10}"),
        (shape("rectangle", [[1, 2], [3, 1e9]]), r"object 2: its numbers lie on no picture"),
        (shape("rectangle", [1, 2, 3, 4]), r"object 2 is a rectangle of 0 points"),
        (shape("circle", [[1, 2], [None, 4]]), r"object 2 has None"),
        (shape("cuboid", []), r"object 2 has the shape_type 'cuboid'; read are"),
        (shape(["x"], []), r"object 2 has the shape_type"),
        (shape("mask", [[9, 9], [1, 1]], mask=""), r"object 2: its mask ends at"),
        (shape("mask", [[1, 1], [9, 9]], mask="!"), r"object 2: its mask is no PNG in base64"),
        (shape("mask", [[1, 1], [9, 9]], mask="aaaa"), r"object 2: its mask is no PNG that can"),
        (
            shape("mask", [[1, 1], [9, 9]], mask=png(np.zeros((5, 4), np.uint8))),
            r"object 2: its mask is 4x5, and should be 9x9",
        ),
        (shape("rectangle", [[1, 2], [3, 4]], flags={"ignore": 3}), r"object 2 has ignore 3"),
    ],
)
def test_a_wrong_shape_is_named(tmp_path: Path, wrong: Any, named: str):
    folder = saved(tmp_path, shape("rectangle", [[1, 2], [3, 4]]), wrong)
    with pytest.raises(ValueError, match=named) as caught:
        labelme.read(folder, with_masks=True)
    assert "a.json" in str(caught.value)


def test_other_json_is_not_recognised(tmp_path: Path):
    assert not labelme.recognises(tmp_path)
    (tmp_path / "a.json").write_text('{"images": [], "annotations": []}')
    assert not labelme.recognises(tmp_path) and not labelme.recognises(tmp_path / "a.json")
    (tmp_path / "a.json").write_bytes(b"\xff\0")
    assert not labelme.recognises(tmp_path) and not labelme.recognises(Path("\0"))
