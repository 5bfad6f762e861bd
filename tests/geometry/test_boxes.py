"""Layouts of boxes, and their sizes."""

from __future__ import annotations

import pytest
import torch

from smalldet.geometry.boxes import (
    box_areas,
    box_sides,
    clip_boxes,
    cxcywh_to_xyxy,
    xywh_to_xyxy,
    xyxy_to_cxcywh,
    xyxy_to_xywh,
)


def test_layouts_of_one_box() -> None:
    corners = torch.tensor([10.0, 20.0, 14.0, 26.0])
    assert xyxy_to_cxcywh(corners).tolist() == [12, 23, 4, 6]
    assert xyxy_to_xywh(corners).tolist() == [10, 20, 4, 6]


@pytest.mark.parametrize("shape", [(4,), (0, 4), (7, 4), (2, 3, 4)])
def test_layouts_come_back(shape: tuple[int, ...]) -> None:
    boxes = torch.randint(0, 500, shape, generator=torch.Generator().manual_seed(1)).float()
    assert torch.equal(cxcywh_to_xyxy(xyxy_to_cxcywh(boxes)), boxes)
    assert torch.equal(xywh_to_xyxy(xyxy_to_xywh(boxes)), boxes)


def test_areas_and_sides() -> None:
    boxes = torch.tensor([[0.0, 0, 2, 8], [5, 5, 5, 9], [4, 4, 1, 1]])
    assert box_areas(boxes).tolist() == [16, 0, 0], "a box turned inside out has no area"
    assert box_sides(boxes).tolist() == [4, 0, 0]


def test_clip_keeps_boxes_inside_the_picture_and_the_input_untouched() -> None:
    boxes = torch.tensor([[-3.0, 2, 5, 40], [90, 90, 120, 95], [1, 1, 2, 2]])
    before = boxes.clone()
    clipped = clip_boxes(boxes, width=100, height=30)
    assert clipped.tolist() == [[0, 2, 5, 30], [90, 30, 100, 30], [1, 1, 2, 2]]
    assert torch.equal(boxes, before)
