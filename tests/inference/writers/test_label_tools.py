"""What labelling tools import to be corrected: read again by the readers of their exports."""

from __future__ import annotations

import json
import logging
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from smalldet.data.formats import cvat, fiftyone, label_studio, yolo_folder
from smalldet.geometry.masks import pixels_of
from smalldet.inference.options import MapOptions
from smalldet.inference.writers import write

BOXES = [[10, 20, 30, 60], [100.5, 50, 103, 53.25]]
SHIPS = [[100, 50, 40, 10, math.pi / 6], [30, 70, 8, 8, 0]]
SIZE = {"width": 200, "height": 100, "crs": None, "transform": None}


@pytest.fixture
def pictures(tmp_path):
    """Names of two pictures, the second in a folder of its own."""
    folder = tmp_path / "my pictures"
    names = [folder / "a&b.png", folder / "über" / "c.png"]
    for name in names:
        name.parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (200, 100)).save(name)
    return [str(name) for name in names]


@pytest.fixture
def results(make_result, pictures):
    """Two objects in the first picture, none in the second."""
    made = [make_result(*what, **SIZE) for what in zip((BOXES, []), pictures, strict=True)]
    return [replace(result, picture=result.name) for result in made]


@pytest.fixture
def ships(make_oriented, pictures):
    return [replace(make_oriented(SHIPS, name=pictures[0], **SIZE), picture=pictures[0])]


def same_boxes(index, tolerance=2e-3):
    first, second = index.records
    names = [index.class_names[label] for label in first.labels]
    assert np.abs(first.boxes - BOXES).max() < tolerance
    assert names == ["Car", "other-vehicle"] and len(second.boxes) == 0
    return True


def same_ships(index):
    [record] = index.records
    assert np.abs(record.rboxes - np.array(SHIPS)).max() < 2e-3
    return True


def as_annotations(path):
    """An export of the same tasks, had a person accepted every prediction."""
    tasks = json.loads(path.read_text())
    for task in tasks:
        [prediction] = task.pop("predictions")
        task["annotations"] = [{"result": prediction["result"]}]
    path.write_text(json.dumps(tasks))
    return path


def test_label_studio(tmp_path, results, ships):
    [file] = write(tmp_path / "tasks.json", results, MapOptions(format="label-studio"))
    first, second = json.loads(file.read_text())
    assert first["data"] == {"image": "/data/local-files/?d=my%20pictures/a%26b.png"}
    [prediction] = first["predictions"]
    assert prediction["score"] == pytest.approx(0.7)
    assert [one["score"] for one in prediction["result"]] == [0.9, 0.5]
    assert prediction["result"][0] | {"value": 0} == {
        "id": "1",
        "type": "rectanglelabels",
        "from_name": "label",
        "to_name": "image",
        "original_width": 200,
        "original_height": 100,
        "image_rotation": 0,
        "score": 0.9,
        "value": 0,
    }
    assert prediction["result"][0]["value"] == {
        "x": 5,
        "y": 20,
        "width": 10,
        "height": 40,
        "rotation": 0,
        "rectanglelabels": ["Car"],
    }
    assert second["predictions"] == [{"model_version": "smalldet", "result": []}]
    assert same_boxes(label_studio.read(as_annotations(file), tmp_path))
    [file] = write(tmp_path / "ships.json", ships, MapOptions(format="label-studio"))
    assert json.loads(file.read_text())[0]["predictions"][0]["result"][0]["value"][
        "rotation"
    ] == pytest.approx(30)
    assert same_ships(label_studio.read(as_annotations(file), tmp_path))


def test_cvat(tmp_path, results, ships):
    [file] = write(tmp_path / "a.xml", results)
    text = file.read_text()
    assert '<attribute name="score">0.9</attribute>' in text and 'name="a&amp;b.png"' in text
    index = cvat.read(file, tmp_path / "my pictures")
    assert same_boxes(index) and index.class_names == ("Car", "other-vehicle")
    [file] = write(tmp_path / "ships", ships, MapOptions(format="cvat"))
    assert file.name == "annotations.xml"
    assert same_ships(cvat.read(tmp_path / "ships", tmp_path / "my pictures"))
    wrong = replace(results[0], name="\x01.png")
    with pytest.raises(ValueError, match=r"a\.xml: '\\x01\.png' cannot stand in XML"):
        write(tmp_path / "a.xml", [wrong])


@pytest.mark.parametrize("shift", [0, -12, 180])
def test_cvat_keeps_masks_pixel_by_pixel(tmp_path, results, shift):
    """Also of an object that the picture's edge cuts, and of one that is wholly outside."""
    found = results[0].detections
    boxes = found.boxes + torch.tensor([shift, 0, shift, 0])
    masks = torch.zeros(2, 28, 28, dtype=torch.uint8)
    masks[:, 7:, 7:21] = 255
    found = replace(found, boxes=boxes, masks=masks)
    [file] = write(tmp_path / "a.xml", [replace(results[0], detections=found)])
    parsed = cvat.parse_cvat(file, None, False, True)
    drawn = np.zeros((100, 200), dtype=bool)
    for bitmap in parsed.objects.bitmaps.values():
        left, top, right, bottom = map(int, bitmap.place)
        pixels = np.unpackbits(bitmap.bits, count=math.prod(bitmap.shape)).reshape(bitmap.shape)
        drawn[top:bottom, left:right] |= pixels > 0
    wanted = np.zeros((140, 600), dtype=bool)
    for mask, box in zip(masks, boxes, strict=True):
        x, y, pixels = pixels_of(mask, box)
        height, width = pixels.shape
        wanted[y : y + height, x + 100 : x + 100 + width] |= pixels.numpy()
    assert (drawn == wanted[:100, 100:300]).all()


def test_fiftyone(tmp_path, results, caplog):
    [file] = write(tmp_path / "set", results, MapOptions(format="fiftyone"))
    content = json.loads(file.read_text())
    assert [one["confidence"] for one in content["labels"]["a&b"]] == [0.9, 0.5]
    assert content["labels"]["a&b"][0]["bounding_box"] == [0.05, 0.2, 0.1, 0.4]
    assert same_boxes(fiftyone.read(tmp_path / "set"))
    array = replace(results[0], picture=np.zeros((3, 3)), name="array")
    with pytest.raises(ValueError, match="needs pictures that are files, as array is not"):
        write(tmp_path / "other", [array], MapOptions(format="fiftyone"))


def test_yolo(tmp_path, results, ships, pictures):
    files = write(tmp_path / "set", results, MapOptions(format="yolo"))
    assert [file.name for file in files] == ["a&b.txt", "c.txt", "classes.txt"]
    number, *place, score = files[0].read_text().splitlines()[0].split()
    assert (number, score) == ("0", "0.90000")
    assert list(map(float, place)) == [0.1, 0.4, 0.1, 0.4]
    for made, name in ((results, "boxes"), (ships, "ships")):
        folder = tmp_path / name
        write(folder, made, MapOptions(format="yolo"))
        for result in made:
            label = folder / "labels" / Path(result.name).with_suffix(".txt").name
            lines = [line.rsplit(" ", 1)[0] for line in label.read_text().splitlines()]
            label.write_text("\n".join(lines))  # labels have no scores
            link = folder / "images" / label.with_suffix(".png").name
            link.parent.mkdir(exist_ok=True)
            link.symlink_to(result.name)
    assert same_boxes(yolo_folder.read(tmp_path / "boxes"))
    assert same_ships(yolo_folder.read(tmp_path / "ships"))


def test_what_a_format_cannot_keep_is_told_once(tmp_path, results, ships, caplog):
    masks = torch.full((2, 28, 28), 255, dtype=torch.uint8)
    found = replace(results[0].detections, masks=masks)
    masked = [replace(one, detections=found) for one in results]
    for made, name, told in (
        (masked, "yolo", ["yolo cannot keep 4 masks"]),
        (masked, "csv", ["csv cannot keep 4 masks"]),
        (ships, "fiftyone", ["fiftyone cannot keep 2 oriented boxes (upright ones are written)"]),
        (ships, "label-studio", []),
        (masked, None, []),
    ):
        caplog.clear()
        with caplog.at_level(logging.WARNING):
            write(tmp_path / f"{name}-out", made, MapOptions(format=name))
        assert [line.partition(": ")[2] for line in caplog.messages] == told
