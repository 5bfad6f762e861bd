"""Label Studio's percents become pixels, turned rectangles oriented boxes; faults are named."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from smalldet.data.formats import label_studio

BOX = {"x": 10.0, "y": 25.0, "width": 20.0, "height": 50.0, "rotation": 0}


def result(value: dict[str, Any], kind: str = "rectanglelabels", **more: Any) -> dict[str, Any]:
    size = {"original_width": 100, "original_height": 80, "image_rotation": 0}
    return {"type": kind, "value": {kind: ["car"], **value}, **size, **more}


def task(*results: Any, image: str = "a.png", **more: Any) -> dict[str, Any]:
    return {"id": 1, "data": {"image": image}, "annotations": [{"result": [*results], **more}]}


def saved(tmp_path: Path, *tasks: Any) -> Path:
    (tmp_path / "images").mkdir(exist_ok=True)
    for name in ("a", "b"):
        Image.new("L", (100, 80)).save(tmp_path / "images" / f"{name}.png")
    path = tmp_path / "export.json"
    path.write_text(json.dumps(list(tasks)), encoding="utf-8")
    return path


def test_rectangles_polygons_ellipses(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    triangle = {"points": [[0, 0], [50, 0], [0, 100]], "polygonlabels": ["bus"], "closed": True}
    round_one = {"x": 50, "y": 50, "radiusX": 10, "radiusY": 25}
    path = saved(
        tmp_path,
        task(
            result(BOX),
            result(triangle, "polygonlabels"),
            result(round_one, "ellipselabels"),
            result({"x": 1, "y": 1, "width": 1}, "keypointlabels"),
            {"type": "choices", "value": {"choices": ["day"]}},
        ),
    )
    assert label_studio.recognises(path)
    index = label_studio.read(path, with_masks=True)
    record = index.records[0]
    expected = [[10, 20, 30, 60], [0, 0, 50, 80], [40, 20, 60, 60]]
    np.testing.assert_allclose(record.boxes, expected, atol=1e-4)
    assert [index.class_names[label] for label in record.labels] == ["car", "bus", "car"]
    assert record.rboxes is None and record.masks is not None
    assert [bool(mask.any()) for mask in record.masks] == [False, True, True]
    assert "1 choices, 1 keypointlabels" in caplog.text


@pytest.mark.parametrize("degrees", [30, 90, -45, 350])
def test_rectangles_turn_about_their_corner_in_pixels(tmp_path: Path, degrees: int):
    record = label_studio.read(
        saved(tmp_path, task(result({**BOX, "x": 50, "y": 50, "width": 10, "height": 5,
                                     "rotation": degrees})))
    ).records[0]  # fmt: skip
    # The corner lies at 50, 40 px; the sides are 10 and 4 px.
    angle = math.radians(degrees)
    along, across = (
        np.array([math.cos(angle), math.sin(angle)]),
        np.array([-math.sin(angle), math.cos(angle)]),
    )
    sides = np.array([0 * along, 10 * along, 10 * along + 4 * across, 4 * across])
    corners = sides + np.array([50, 40])
    assert record.rboxes is not None
    np.testing.assert_allclose(record.rboxes[0, :2], corners.mean(axis=0), atol=1e-4)
    np.testing.assert_allclose(record.rboxes[0, 2:4], [10, 4], atol=1e-4)
    turned = (record.rboxes[0, 4] - angle) / math.pi
    assert turned == pytest.approx(round(turned), abs=1e-4)
    box = [*corners.min(axis=0), *corners.max(axis=0)]
    np.testing.assert_allclose(record.boxes[0], box, atol=1e-4)


def test_which_tasks_and_annotations_count(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    twice = task(result(BOX))
    twice["annotations"].append({"result": []})
    unseen = {"data": {"image": "b.png"}, "annotations": [{"result": [], "was_cancelled": True}]}
    path = saved(tmp_path, twice, unseen)
    with pytest.raises(ValueError, match=r"task 1: has 2 annotations; say annotation='first'"):
        label_studio.read(path)
    assert [len(r.boxes) for r in label_studio.read(path, annotation="first").records] == [1]
    assert [len(r.boxes) for r in label_studio.read(path, annotation="last").records] == [0]
    assert "1 tasks without an annotation are left out" in caplog.text
    twice["annotations"][0]["ground_truth"] = True
    assert len(label_studio.read(saved(tmp_path, twice)).records[0].boxes) == 1
    empty = label_studio.read(saved(tmp_path, task(), task(result(BOX), image="b.png")))
    assert [len(record.boxes) for record in empty.records] == [0, 1]


def test_the_minimal_export_reads_the_same(tmp_path: Path):
    box = {**BOX, "rectanglelabels": ["car"], "original_width": 100, "original_height": 80}
    path = saved(tmp_path, {"image": "/data/upload/1/0123abcd-a.png", "id": 1, "label": [box]})
    assert label_studio.recognises(path)
    assert label_studio.read(path).records[0].boxes.tolist() == [[10, 20, 30, 60]]


@pytest.mark.parametrize(
    "place",
    [
        "/data/upload/3/0123abcd-a.png",
        "/data/local-files/?d=images/a.png",
        "https://host.org/some/a.png?size=1",
        "s3://bucket/a.png",
        "C:\\pictures\\a.png",
        "a%2Epng",
        "images/a.png",
        "../../images/a.png",
    ],
)
def test_pictures_are_found(tmp_path: Path, place: str):
    path = saved(tmp_path, task(image=place))
    assert label_studio.read(path).records[0].path.name == "a.png"
    assert label_studio.read(path, tmp_path / "images").records[0].path.is_file()


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        (5, r"task 2 is 5, not an object"),
        ({"data": {"text": 5}, "annotations": []}, r"task 2: its data has no 'image'"),
        ({"data": {"image": "a.png"}}, r"task 2 has no 'annotations'"),
        (task(5), r"task 2: object 1 is 5"),
        (task(result({**BOX, "x": None})), r"task 2: object 1 has None"),
        (task(result({**BOX, "width": -1})), r"object 1 has the sides -1 and 50"),
        (task(result({**BOX, "rectanglelabels": ["a", "b"]})), r"object 1 needs one class"),
        (task(result(BOX, image_rotation=90)), r"object 1 was drawn on a turned picture"),
        (task(result({"points": [[1, 2]]})), r"object 1 is a polygon that needs points"),
        (task(result(BOX, original_width=80, original_height=100)), r"were drawn on 80x100"),
        (task(result(BOX, original_width="x")), r"original size has 'x'"),
        (task(result(BOX)), r"task 2: labels .*a\.png, as does .*task 1"),
    ],
)
def test_a_wrong_task_is_named(tmp_path: Path, wrong: Any, named: str):
    with pytest.raises(ValueError, match=named) as caught:
        label_studio.read(saved(tmp_path, task(result(BOX)), wrong))
    assert "export.json" in str(caught.value)
