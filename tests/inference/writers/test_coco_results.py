"""Lists of COCO results: the tools of the field load them against the truth that has the ids."""

from __future__ import annotations

import json
import logging
from dataclasses import replace

import hotcoco
import pytest
from pycocotools.coco import COCO as PycocoTools  # noqa: N811

from smalldet.inference.options import MapOptions
from smalldet.inference.writers import check_output, write

BOXES = [[10, 20, 30, 60], [100.5, 50, 103, 53.25]]


@pytest.fixture
def truth(tmp_path):
    """A json with ids that do not count from 1, and a name in two folders."""
    content = {
        "images": [
            {"id": 900, "file_name": "b/x.jpg", "width": 200, "height": 100},
            {"id": 17, "file_name": "a/x.jpg", "width": 200, "height": 100},
            {"id": 4, "file_name": "y.jpg", "width": 200, "height": 100},
        ],
        "categories": [{"id": 90, "name": "Other Vehicle"}, {"id": 3, "name": "car"}],
        "annotations": [],
    }
    path = tmp_path / "truth.json"
    path.write_text(json.dumps(content))
    return path


def test_ids_are_those_of_the_truth(tmp_path, make_result, truth):
    names = ["set/a/x.jpg", "set/b/x.jpg", "elsewhere/y.jpg"]
    results = [make_result(BOXES, name) for name in names]
    maps = MapOptions(format="coco-results", ids=truth)
    [file] = write(tmp_path / "results.json", results, maps)
    rows = json.loads(file.read_text())
    assert [row["image_id"] for row in rows] == [17, 17, 900, 900, 4, 4]
    assert [row["category_id"] for row in rows[:2]] == [3, 90]
    assert rows[1] == {
        "image_id": 17,
        "category_id": 90,
        "bbox": [100.5, 50, 2.5, 3.25],
        "score": 0.5,
    }
    theirs = PycocoTools(str(truth)).loadRes(str(file))
    assert len(theirs.anns) == 6 and theirs.imgToAnns[900][1]["area"] == 2.5 * 3.25
    assert len(hotcoco.COCO(str(truth)).load_res(str(file)).get_ann_ids()) == 6
    [file] = write(tmp_path / "folder", results, maps)
    assert file == tmp_path / "folder" / "detections.json" and json.loads(file.read_text()) == rows


def test_oriented_boxes_and_masks_stay(tmp_path, make_oriented, truth):
    ship = make_oriented([[50, 40, 40, 10, 0.5]], name="y.jpg")
    maps = MapOptions(format="coco-results", ids=truth)
    [file] = write(tmp_path / "results.json", [ship], maps)
    [row] = json.loads(file.read_text())
    assert row["rbbox"] == [50, 40, 40, 10, 0.5] and len(row["segmentation"][0]) == 8
    for kind in (PycocoTools(str(truth)).loadRes, hotcoco.COCO(str(truth)).load_res):
        assert kind(str(file)) is not None


def test_what_the_truth_lacks_is_counted_and_left_out(tmp_path, make_result, truth, caplog):
    results = [make_result(BOXES, name) for name in ("y.jpg", "z.jpg")]
    names = ("car", "boat")
    found = replace(results[0].detections, class_names=names)
    maps = MapOptions(format="coco-results", ids=truth)
    with caplog.at_level(logging.WARNING):
        write(tmp_path / "r.json", [replace(results[0], detections=found), results[1]], maps)
    assert caplog.messages == [
        f"{truth} lacks 1 pictures, left out: z.jpg",
        f"{truth} has no such classes, left out: 1 boat",
    ]
    assert len(json.loads((tmp_path / "r.json").read_text())) == 1
    with pytest.raises(ValueError, match=r"has no picture z\.jpg, and none of the others"):
        write(tmp_path / "r.json", results[1:], maps)
    with pytest.raises(ValueError, match=r"x\.jpg: may be b/x\.jpg or a/x\.jpg of "):
        write(tmp_path / "r.json", [make_result(BOXES, "x.jpg")], maps)


def test_mistakes_are_found_before_the_work(tmp_path, truth):
    wanted = MapOptions(format="coco-results")
    with pytest.raises(ValueError, match=r"by the ids of a labelled set: give its json by --ids"):
        check_output("a.json", 1, wanted)
    with pytest.raises(FileNotFoundError, match=r"none\.json"):
        check_output("a.json", 1, wanted.model_copy(update={"ids": tmp_path / "none.json"}))
    truth.write_text('{"images": [{"id": 1}], "categories": []}')
    with pytest.raises(ValueError, match=r"truth\.json: images need id, file_name"):
        check_output("a.json", 1, wanted.model_copy(update={"ids": truth}))
    with pytest.raises(ValueError, match="--ids goes with --format coco-results"):
        check_output("a.json", 1, MapOptions(ids=truth))
