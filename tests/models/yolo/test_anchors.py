"""Anchors follow the objects, and keep the order of the network's outputs."""

from __future__ import annotations

import pytest
import torch

from smalldet.models.yolo.anchors import fit_anchors, shape_iou
from smalldet.models.yolo.specs import Yolo

PRESENT = ((30.0, 30.0), (60.0, 60.0), (10.0, 10.0), (20.0, 20.0))
OUTPUTS = (Yolo((0,), PRESENT, (0, 1), 1), Yolo((1,), PRESENT, (2, 3), 1))


def test_anchors_are_found_where_the_objects_are() -> None:
    """Four kinds of objects in very different numbers, with 5 % of noise."""
    kinds = torch.tensor([[4.0, 4], [8, 5], [6, 16], [30, 20]])
    counts = (400, 50, 50, 20)
    generator = torch.Generator().manual_seed(0)
    sides = torch.cat([k.repeat(n, 1) for k, n in zip(kinds, counts, strict=True)])
    sides = sides * (1 + 0.05 * torch.randn(sides.shape, generator=generator))
    found = torch.tensor(fit_anchors(sides, OUTPUTS))
    fit = shape_iou(sides, found).amax(1).mean()
    own = shape_iou(sides, torch.tensor(PRESENT)).amax(1).mean()
    assert fit > 0.8 > 2 * own
    # small anchors where the small ones stood: the last two are of the finer output
    assert found[2:].prod(1).max() <= found[:2].prod(1).min()
    assert found[2].prod() <= found[3].prod()


def test_too_few_objects_are_an_error() -> None:
    with pytest.raises(ValueError, match="7 objects are too few to fit 4 anchors"):
        fit_anchors(torch.ones(7, 2), OUTPUTS)


def test_an_anchor_that_no_output_has_is_left_alone() -> None:
    """YOLOv4-tiny has six anchors and uses five: the objects are shared among those."""
    outputs = (Yolo((0,), PRESENT, (0, 1), 1), Yolo((1,), PRESENT, (1, 3), 1))
    sides = torch.tensor([[4.0, 4], [8, 8], [16, 16]]).repeat_interleave(20, 0)
    assert fit_anchors(sides, outputs) == ((8.0, 8.0), (16.0, 16.0), (10.0, 10.0), (4.0, 4.0))
