"""What annotation tools write is recognised and read: one box and one empty picture of each."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from smalldet.data.formats.read_labels import read_labels
from smalldet.data.formats.recognising import recognised_format

BOX = [10.0, 20.0, 30.0, 50.0]  # in a picture of 100 x 80 px


def labelme(folder: Path) -> Path:
    for name, points in (("a", [[10, 20], [30, 50]]), ("b", None)):
        shape = {"label": "car", "points": points, "shape_type": "rectangle", "flags": {}}
        content = {
            "version": "5.4.1",
            "flags": {},
            "shapes": [shape] if points else [],
            "imagePath": f"{name}.png",
            "imageData": None,
            "imageHeight": 80,
            "imageWidth": 100,
        }
        (folder / f"{name}.json").write_text(json.dumps(content), encoding="utf-8")
    return folder


def cvat(folder: Path) -> Path:
    text = """<?xml version="1.0" encoding="utf-8"?><annotations><version>1.1</version>
      <meta><task><labels><label><name>car</name></label></labels></task></meta>
      <image id="0" name="a.png" width="100" height="80">
        <box label="car" occluded="0" xtl="10" ytl="20" xbr="30" ybr="50" z_order="0"></box>
      </image><image id="1" name="b.png" width="100" height="80"></image></annotations>"""
    (folder / "annotations.xml").write_text(text, encoding="utf-8")
    return folder / "annotations.xml"


def label_studio(folder: Path) -> Path:
    value = {"x": 10.0, "y": 25.0, "width": 20.0, "height": 37.5, "rotation": 0}
    result = {
        "type": "rectanglelabels",
        "value": {**value, "rectanglelabels": ["car"]},
        "original_width": 100,
        "original_height": 80,
        "from_name": "label",
        "to_name": "image",
    }
    tasks = [
        {"id": i, "data": {"image": f"{name}.png"}, "annotations": [{"id": i, "result": results}]}
        for i, (name, results) in enumerate((("a", [result]), ("b", [])), 1)
    ]
    (folder / "export.json").write_text(json.dumps(tasks), encoding="utf-8")
    return folder / "export.json"


def xview(folder: Path) -> Path:
    properties = {"image_id": "a.png", "bounds_imcoords": "10,20,30,50", "type_id": 18}
    feature = {"type": "Feature", "properties": properties, "geometry": None}
    content = {"type": "FeatureCollection", "features": [feature]}
    (folder / "xView_train.geojson").write_text(json.dumps(content), encoding="utf-8")
    return folder / "xView_train.geojson"


def fiftyone(folder: Path) -> Path:
    detections = [{"label": "car", "bounding_box": [0.1, 0.25, 0.2, 0.375]}]
    content = {"classes": ["car"], "labels": {"a": detections, "b": []}}
    (folder / "labels.json").write_text(json.dumps(content), encoding="utf-8")
    (folder / "data").mkdir()
    for name in "ab":
        (folder / f"{name}.png").rename(folder / "data" / f"{name}.png")
    return folder


@pytest.mark.parametrize("make", [labelme, cvat, label_studio, xview, fiftyone])
def test_what_a_tool_writes_is_read(make: Callable[[Path], Path], tmp_path: Path) -> None:
    for name in "ab":
        Image.new("RGB", (100, 80)).save(tmp_path / f"{name}.png")
    path = make(tmp_path)
    assert make.__name__ in recognised_format(path).name.lower().replace(" ", "_")
    images = None if make is fiftyone else tmp_path
    index = read_labels(path, images)
    records = {record.path.name: record for record in index.records}
    np.testing.assert_allclose(records["a.png"].boxes, [BOX], atol=1e-4)
    assert len(records["a.png"].labels) == 1
    if make is not xview:  # which lists boxes alone
        assert index.class_names == ("car",)
        assert len(records["b.png"].boxes) == 0
