"""Mask R-CNN: what its masks learn, and where they lie in the picture."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch

from smalldet.data.index import MASK_PX, ImageRecord
from smalldet.data.parts_in_view import View
from smalldet.data.windows import labels_in
from smalldet.models.rcnn.mask_rcnn import MaskRcnnConfig, regions_of_masks
from smalldet.targets import Target

TINY = {"backbone": "mobilenetv3_small_050", "strides": (4, 8), "width": 16, "hidden_width": 16}


def target(masks: torch.Tensor | None) -> Target:
    boxes = torch.tensor([[10.0, 10, 30, 50]])
    none = torch.zeros(0, 4), torch.zeros(0, 1, dtype=torch.bool)
    return Target(boxes, torch.zeros(1, dtype=torch.long), *none, masks)


def test_a_region_beside_the_object_sees_its_part_of_the_mask() -> None:
    left = torch.zeros(1, MASK_PX, MASK_PX, dtype=torch.int8)
    left[:, :, : MASK_PX // 2] = 1
    rows, shifted = torch.zeros(1, dtype=torch.long), torch.tensor([[20.0, 10, 40, 50]])
    seen = regions_of_masks(target(left), rows, target(left).boxes, 28)
    assert seen[0, :, :13].min() > 0.99 and seen[0, :, 15:].max() < 0.01
    assert regions_of_masks(target(left), rows, shifted, 28).max() < 0.6  # its edge at most


def test_an_object_without_outline_teaches_no_mask() -> None:
    unknown = torch.full((1, MASK_PX, MASK_PX), -1, dtype=torch.int8)
    rows, boxes = torch.zeros(1, dtype=torch.long), target(None).boxes
    for masks in (None, unknown):
        assert (regions_of_masks(target(masks), rows, boxes, 28) == -1).all()
    detector = MaskRcnnConfig(**TINY).build(("a",), 64)
    pictures = torch.rand(1, 3, 64, 64)
    assert detector.loss(pictures, [target(unknown)])["mask"].item() == 0
    assert detector.loss(pictures, [target(torch.ones_like(unknown))])["mask"].item() > 0.1


def test_untrained_masks_are_undecided() -> None:
    """Else their loss outweighs all others at first, the more so the fewer classes there are."""
    for classes in (("a",), ("a", "b", "c", "d")):
        detector = MaskRcnnConfig(**TINY).build(classes, 64)
        masks = torch.ones(1, MASK_PX, MASK_PX, dtype=torch.int8)
        terms = detector.loss(torch.rand(1, 3, 64, 64), [target(masks)])
        assert terms["mask"].item() == pytest.approx(math.log(2), abs=0.01)


def test_masks_are_found_with_their_boxes() -> None:
    detector = MaskRcnnConfig(**TINY).build(("a", "b"), 64).eval()
    (found,) = detector.predict(torch.rand(1, 3, 64, 64), conf=0.0, max_detections=9)
    assert found.masks is not None and found.masks.dtype == torch.uint8
    assert found.masks.shape == (len(found), 28, 28) and len(found) > 0


def test_a_tile_that_cuts_an_object_cuts_its_mask() -> None:
    """The left half of the object is outlined; a tile that sees the right half sees nothing."""
    half = np.zeros((1, MASK_PX, MASK_PX), dtype=bool)
    half[:, :, : MASK_PX // 2] = True
    masks = np.concatenate([np.packbits(half.reshape(1, -1), axis=1)] * 2)
    masks[1] = 0  # nobody has outlined the second
    record = ImageRecord(
        path=Path(__file__),
        width=100,
        height=100,
        boxes=np.array([[20, 20, 60, 60], [25, 70, 65, 90]], dtype=np.float32),
        labels=np.zeros(2, dtype=np.int64),
        ignore=np.zeros(2, dtype=bool),
        difficult=np.zeros(2, dtype=bool),
        image_id=1,
        masks=masks,
    )
    seen = labels_in(record, View((40, 0, 140, 100), (100, 100)), 1, min_visible_frac=0.3).masks
    assert seen is not None and seen.shape == (2, MASK_PX, MASK_PX)
    assert (seen[0, :, 1:] == 0).all() and (seen[1] == -1).all()
    seen = labels_in(record, View((0, 0, 40, 100), (80, 200)), 1, min_visible_frac=0.3).masks
    assert seen is not None and (seen[0, :, :-1] == 1).all()
