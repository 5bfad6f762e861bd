"""COCO and CSV hold the boxes in pixels, and who they belong to."""

import csv
import json

import pytest

from smalldet.inference.writers.tables import write_coco, write_csv

BOXES = [[10, 20, 30, 60], [1000.5, 500, 1003, 503]]


def test_coco(tmp_path, make_result):
    names = [str(tmp_path / "runs" / name) for name in ("a/x.tif", "b/x.tif", "b/y.tif")]
    results = [make_result(BOXES[:n], name) for n, name in zip((2, 0, 1), names, strict=True)]
    write_coco(tmp_path / "a.json", results)
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
    write_csv(tmp_path / "a.csv", [flat])
    text = (tmp_path / "a.csv").read_text().splitlines()
    assert text == ["source,class,score,x1,y1,x2,y2", "flat.jpg,Car,0.9,10.0,20.0,30.0,60.0"]
    write_csv(tmp_path / "a.csv", [make_result(BOXES), flat])
    with (tmp_path / "a.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert (float(rows[0]["map_x"]), float(rows[0]["map_y"])) == (500_010, 5_399_980)
    assert rows[0]["crs"] == "EPSG:32633" and not rows[2]["crs"]
    assert rows[1]["class"] == "other-vehicle" and float(rows[1]["x1"]) == 1000.5
    write_csv(tmp_path / "a.csv", [make_result(BOXES)], "EPSG:4326")
    with (tmp_path / "a.csv").open() as file:
        row = next(csv.DictReader(file))
    assert float(row["map_x"]) == pytest.approx(15, abs=0.01) and row["crs"] == "EPSG:4326"
