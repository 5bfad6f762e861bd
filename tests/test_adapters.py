"""Detections as objects of other libraries: what these then say of them."""

from __future__ import annotations

import math
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from affine import Affine
from pycocotools.coco import COCO as PycocoTools  # noqa: N811
from pycocotools.cocoeval import COCOeval
from rasterio.crs import CRS

from smalldet.detections import Detections, Picture
from smalldet.geometry.oriented import enclosing_boxes

NAMES = ("car", "other vehicle")
BOXES = torch.tensor([[10, 20, 30, 60], [100.5, 50, 103, 53]])
PLACED = Picture(
    "a.tif", 200, 100, CRS.from_epsg(32633), Affine(0.5, 0, 500_000, 0, -0.5, 5_400_000)
)


@pytest.fixture
def found() -> Detections:
    scores, labels = torch.tensor([0.9, 0.5]), torch.tensor([0, 1])
    return Detections(BOXES, scores, labels, NAMES, picture=PLACED)


@pytest.fixture
def turned(found: Detections) -> Detections:
    rboxes = torch.tensor([[50, 40, 40, 10, math.pi / 6], [20, 20, 8, 8, 0]])
    return replace(found, boxes=enclosing_boxes(rboxes), rboxes=rboxes)


@pytest.fixture
def masked(found: Detections) -> Detections:
    """The upper half of each box."""
    masks = torch.zeros(2, 28, 28, dtype=torch.uint8)
    masks[:, :14] = 255
    boxes = torch.tensor([[10.0, 20, 30, 60], [100, 50, 104, 54]])
    return replace(found, boxes=boxes, masks=masks)


@pytest.mark.parity
def test_pandas_has_the_columns_of_the_csv(found: Detections, turned: Detections) -> None:
    pytest.importorskip("pandas")
    frame = found.to_pandas()
    assert frame["class"].tolist() == ["car", "other vehicle"] and frame["id"].tolist() == [1, 2]
    assert frame[["x1", "y1", "x2", "y2"]].to_numpy().tolist() == BOXES.tolist()
    assert frame["score"].tolist() == [0.9, 0.5] and frame["source"].unique() == "a.tif"
    assert frame["map_x"][0] == 500_010 and frame["width_m"][0] == pytest.approx(10, rel=1e-3)
    assert frame.dtypes[["x1", "score", "map_y", "area_m2"]].unique() == np.dtype("float64")
    assert "angle_rad" not in frame and turned.to_pandas()["w"].tolist() == [40, 8]
    alone = replace(found, picture=None).to_pandas()
    assert "map_x" not in alone and alone["x2"].tolist() == [30, 103]


@pytest.mark.parity
def test_geopandas_places_them_on_the_map(found: Detections) -> None:
    pytest.importorskip("geopandas")
    frame = found.to_geopandas()
    assert frame.crs.to_epsg() == 32633
    assert frame.total_bounds.tolist() == [500_005, 5_399_970, 500_051.5, 5_399_990]
    assert frame.area.tolist() == pytest.approx([20 * 40 / 4, 2.5 * 3 / 4])
    degrees = found.to_geopandas("EPSG:4326")
    assert degrees.geometry[0].centroid.x == pytest.approx(degrees["longitude"][0], abs=1e-8)
    pixels = replace(found, picture=None).to_geopandas()
    assert pixels.crs is None and pixels.total_bounds.tolist() == [10, 20, 103, 60]
    with pytest.raises(ValueError, match="has no place on a map"):
        replace(found, picture=None).to_geopandas("EPSG:4326")


@pytest.mark.parity
def test_supervision_reads_boxes_corners_and_masks(
    found: Detections, turned: Detections, masked: Detections
) -> None:
    pytest.importorskip("supervision")
    theirs = found.to_supervision()
    assert theirs.xyxy.tolist() == BOXES.tolist() and theirs.area.tolist() == [800, 7.5]
    assert theirs["class_name"].tolist() == ["car", "other vehicle"]
    assert theirs[theirs.class_id == 1].confidence.tolist() == [0.5]
    corners = turned.to_supervision()["xyxyxyxy"]
    sides = np.linalg.norm(corners - np.roll(corners, 1, axis=1), axis=2)
    assert sorted(sides[0].tolist()) == pytest.approx([10, 10, 40, 40], abs=1e-3)
    masks = masked.to_supervision().mask
    assert masks.shape == (2, 100, 200) and masks.sum(axis=(1, 2)).tolist() == [400, 8]
    assert masks[0, 20:40, 10:30].all()
    assert len(Detections.empty(NAMES).to_supervision()) == 0


@pytest.mark.parity
def test_masks_that_leave_the_picture_are_cut(masked: Detections) -> None:
    pytest.importorskip("supervision")
    beyond = replace(masked, boxes=masked.boxes - torch.tensor([20, 40, 20, 40]))
    whole = beyond.to_supervision().mask
    assert whole.sum(axis=(1, 2)).tolist() == [0, 8]  # the first one's upper half is outside


def test_coco_results_score_as_their_truth(masked: Detections, turned: Detections) -> None:
    """What pycocotools makes of them against a truth of the same boxes and masks."""
    ids = {"car": 7, "other vehicle": 3}
    for found, kind in ((masked, "segm"), (turned, "bbox")):
        rows = found.to_coco(42, ids)
        assert [row["category_id"] for row in rows] == [7, 3]
        assert {row["image_id"] for row in rows} == {42}
        truth = PycocoTools()
        truth.dataset = {
            "images": [{"id": 42, "width": 200, "height": 100}],
            "categories": [{"id": i, "name": name} for name, i in ids.items()],
            "annotations": [
                {**row, "id": i, "iscrowd": 0, "area": row["bbox"][2] * row["bbox"][3]}
                for i, row in enumerate(rows, start=1)
            ],
        }
        truth.createIndex()
        scored = COCOeval(truth, truth.loadRes(rows), kind)
        scored.evaluate()
        scored.accumulate()
        scored.summarize()
        assert scored.stats[0] == pytest.approx(1)


def test_what_coco_lacks_is_named(found: Detections, masked: Detections) -> None:
    with pytest.raises(ValueError, match=r"category_ids has no other vehicle; it has \['car'\]"):
        found.to_coco(1, {"car": 1})
    assert found[:1].to_coco("a.tif", {"car": 5})[0] == {
        "image_id": "a.tif",
        "category_id": 5,
        "bbox": [10, 20, 20, 40],
        "score": 0.9,
    }
    with pytest.raises(ValueError, match="need the picture's size"):
        replace(masked, picture=None).to_coco()


@pytest.mark.parametrize("name", ["supervision", "pandas", "geopandas"])
def test_a_missing_package_is_named(
    found: Detections, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ImportError, match=f"needs {name}: pip install {name}"):
        getattr(found, f"to_{name}")()
