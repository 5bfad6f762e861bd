"""COCO and CSV hold the boxes in pixels, and who they belong to."""

import csv
import json
import math
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from smalldet.data.formats import coco
from smalldet.inference.options import MapOptions
from smalldet.inference.writers.tables import write_coco, write_csv, write_dota

MAPS = MapOptions()

BOXES = [[10, 20, 30, 60], [1000.5, 500, 1003, 503]]


def test_coco(tmp_path, make_result):
    names = [str(tmp_path / "runs" / name) for name in ("a/x.tif", "b/x.tif", "b/y.tif")]
    results = [make_result(BOXES[:n], name) for n, name in zip((2, 0, 1), names, strict=True)]
    write_coco(tmp_path / "a.json", results, MAPS)
    coco = json.loads((tmp_path / "a.json").read_text())
    assert [image["file_name"] for image in coco["images"]] == ["a/x.tif", "b/x.tif", "b/y.tif"]
    assert coco["images"][0] | {"file_name": ""} == {
        "id": 1,
        "file_name": "",
        "width": 2000,
        "height": 1000,
    }
    assert coco["categories"] == [{"id": 1, "name": "Car"}, {"id": 2, "name": "other-vehicle"}]
    assert [a["id"] for a in coco["annotations"]] == [1, 2, 3]
    assert [a["image_id"] for a in coco["annotations"]] == [1, 1, 3]
    assert [a["category_id"] for a in coco["annotations"]] == [1, 2, 1]
    assert coco["annotations"][1]["bbox"] == [1000.5, 500, 2.5, 3]
    assert coco["annotations"][1]["area"] == 7.5
    assert coco["annotations"][0]["score"] == pytest.approx(0.9)


def test_csv(tmp_path, make_result):
    flat = make_result(BOXES[:1], "flat.jpg", crs=None, transform=None)
    write_csv(tmp_path / "a.csv", [flat], MAPS)
    text = (tmp_path / "a.csv").read_text().splitlines()
    assert text == ["id,source,class,score,x1,y1,x2,y2", "1,flat.jpg,Car,0.9,10.0,20.0,30.0,60.0"]
    write_csv(tmp_path / "a.csv", [make_result(BOXES), flat], MAPS)
    with (tmp_path / "a.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert (float(rows[0]["map_x"]), float(rows[0]["map_y"])) == (500_010, 5_399_980)
    assert rows[0]["crs"] == "EPSG:32633" and not rows[2]["crs"]
    assert rows[1]["class"] == "other-vehicle" and float(rows[1]["x1"]) == 1000.5
    write_csv(tmp_path / "a.csv", [make_result(BOXES)], MapOptions(crs="EPSG:4326"))
    with (tmp_path / "a.csv").open() as file:
        row = next(csv.DictReader(file))
    assert float(row["map_x"]) == pytest.approx(15, abs=0.01) and row["crs"] == "EPSG:4326"


SHIP = [500, 400, 40, 10, math.pi / 6]


def test_coco_of_oriented_boxes_is_read_again(tmp_path, make_oriented):
    """Keys and layout as in the data sets: corners as segmentation, rbbox, the box's own area."""
    Image.new("L", (2000, 1000)).save(tmp_path / "a.png")
    result = make_oriented([SHIP, [100, 100, 20, 20, 0]], name=str(tmp_path / "a.png"))
    write_coco(tmp_path / "a.json", [result], MAPS)
    entry = json.loads((tmp_path / "a.json").read_text())["annotations"][0]
    assert entry["rbbox"] == pytest.approx(SHIP, abs=1e-5) and entry["area"] == 400
    corners = np.array(entry["segmentation"][0]).reshape(4, 2)
    assert np.linalg.norm(np.diff(corners, axis=0), axis=1) == pytest.approx([40, 10, 40], abs=0.01)
    x, y, w, h = entry["bbox"]
    assert (corners.min(axis=0), corners.max(axis=0)) == (
        pytest.approx([x, y], abs=0.01),
        pytest.approx([x + w, y + h], abs=0.01),
    )
    [record] = coco.read(tmp_path / "a.json").records
    assert record.rboxes is not None
    assert np.abs(record.rboxes - result.detections.rboxes.numpy()).max() < 1e-3


def test_csv_of_oriented_boxes_and_of_a_picture_without_any(tmp_path, make_oriented, make_result):
    write_csv(
        tmp_path / "a.csv", [make_oriented([SHIP]), make_result(BOXES[:1], "b.tif")], MapOptions()
    )
    with (tmp_path / "a.csv").open() as file:
        first, second = csv.DictReader(file)
    assert [float(first[name]) for name in ("cx", "cy", "w", "h")] == SHIP[:4]
    assert float(first["angle_rad"]) == pytest.approx(SHIP[4], abs=1e-6)
    assert float(first["map_x"]) == 500_250 and first["crs"] == "EPSG:32633"
    assert [second["cx"], second["angle_rad"], second["x2"]] == ["", "", "30.0"]


def test_dota_text(tmp_path, make_oriented, make_result):
    ship = make_oriented([[500, 400, 40, 10, 0.5]])
    names = ("large ship", "plane")
    ship = replace(ship, detections=replace(ship.detections, class_names=names))
    write_dota(tmp_path / "a.txt", [ship], MAPS)
    *corners, name, score = (tmp_path / "a.txt").read_text().split()
    assert (name, float(score)) == ("large-ship", pytest.approx(0.9))
    assert np.array(corners, float).reshape(4, 2).mean(axis=0) == pytest.approx([500, 400])
    write_dota(tmp_path / "a.txt", [make_result(BOXES)], MAPS)
    lines = (tmp_path / "a.txt").read_text().splitlines()
    assert lines[0] == "10.00 20.00 30.00 20.00 30.00 60.00 10.00 60.00 Car 0.90000"
    assert len(lines) == 2
    with pytest.raises(ValueError, match=r"a\.txt: DOTA text holds one picture, not 2"):
        write_dota(tmp_path / "a.txt", [ship, ship], MAPS)
