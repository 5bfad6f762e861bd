"""Oriented boxes of COCO files: one form whatever the file's, and no outline taken for a box."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from smalldet.data.formats import coco
from smalldet.data.formats.coco_oriented import oriented_boxes
from smalldet.geometry.oriented import enclosing_boxes, rboxes_to_quads

BOX = np.array([[10.0, 20, 30, 40]])


@given(w=st.floats(0.5, 50), h=st.floats(0.5, 50), angle=st.floats(-6.2, 6.2), cx=st.floats(-9, 9))
def test_rbbox_becomes_ordered_and_keeps_its_corners(w: float, h: float, angle: float, cx: float):
    out = oriented_boxes([{"rbbox": [cx, 3.0, w, h, angle]}], BOX, str)
    assert out is not None and out.dtype == np.float32 and out[0, 2] >= out[0, 3]
    assert -np.float32(math.pi / 2) <= out[0, 4] < np.float32(math.pi / 2)
    asked, got = (
        rboxes_to_quads(torch.tensor(rbox, dtype=torch.float64))
        for rbox in ([cx, 3.0, w, h, angle], out[0].tolist())
    )
    gaps = (asked[:, None] - got[None]).abs().amax(dim=2)
    assert float(gaps.amin(dim=1).max()) < 1e-3


def ring(rbox: list[float]) -> list[list[float]]:
    return [rboxes_to_quads(torch.tensor(rbox)).flatten().tolist()]


def test_four_corners_are_an_oriented_box_where_all_objects_have_four():
    ship = [50.0, 40, 30, 6, 0.4]
    rboxes = oriented_boxes([{"segmentation": ring(ship)}], BOX, str)
    assert rboxes is not None
    np.testing.assert_allclose(rboxes, [ship], atol=1e-4)
    outline: list[Any] = [{"segmentation": ring(ship)}, {"segmentation": [[0, 0, 9, 0, 4, 5]]}]
    for other in (outline, [{"segmentation": []}], [{"segmentation": {"counts": []}}], [{}], []):
        assert oriented_boxes(other, np.repeat(BOX, len(other), axis=0), str) is None


def test_a_crowd_without_corners_is_its_upright_box():
    ship = [50.0, 40, 30, 6, 0.4]
    entries: list[Any] = [{"segmentation": ring(ship)}, {"iscrowd": 1, "segmentation": {}}]
    rboxes = oriented_boxes(entries, np.repeat(BOX, 2, axis=0), str)
    assert rboxes is not None
    np.testing.assert_allclose(rboxes[1], [20, 30, 20, 20, 0], atol=1e-5)


def test_corners_and_rbbox_of_a_real_set_are_the_same_boxes(tmp_path: Path, shared_dir: Path):
    """The corners of its `segmentation` give the published `rbbox`, turns and all."""
    folder = shared_dir / "data/hituav"
    content = json.loads((folder / "val.json").read_text())
    content["annotations"] = [a for a in content["annotations"] if not a["iscrowd"]]
    nowhere = np.zeros((len(content["annotations"]), 4))
    told = oriented_boxes(content["annotations"], nowhere, str)
    for annotation in content["annotations"]:
        del annotation["rbbox"]
    read = oriented_boxes(content["annotations"], nowhere, str)
    assert told is not None and read is not None and len(read) > 2000
    boxes = (enclosing_boxes(torch.from_numpy(rboxes)) for rboxes in (told, read))
    torch.testing.assert_close(*boxes, rtol=0, atol=0.2)
    np.testing.assert_allclose(told[:, :4], read[:, :4], atol=0.2)


def test_real_oriented_boxes_are_enclosed_by_the_boxes(shared_dir: Path):
    index = coco.read(shared_dir / "data/dota_mini_obb/train.json")
    for record in index.records:
        assert record.rboxes is not None
        around = enclosing_boxes(torch.from_numpy(record.rboxes)).numpy()
        limits = [record.width, record.height] * 2
        # corners drawn by hand are no exact rectangles
        assert np.abs(np.clip(around, 0, limits) - record.boxes).max() < 12
        assert np.median(np.abs(around - record.boxes)) < 1


@pytest.mark.parametrize("value", [float("nan"), "1"])
def test_broken_corners_are_no_box(value: object):
    assert oriented_boxes([{"segmentation": [[value, 0, 9, 0, 9, 9, 0, 9]]}], BOX, str) is None
