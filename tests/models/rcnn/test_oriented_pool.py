"""Pooling of oriented boxes: torchvision's at angle 0, and turned with the picture."""

from __future__ import annotations

import math

import pytest
import torch
from torchvision.ops import MultiScaleRoIAlign, roi_align

from smalldet.geometry.boxes import xyxy_to_cxcywh
from smalldet.models.rcnn.oriented_pool import OrientedPool
from smalldet.models.rcnn.regions import RegionPool

STRIDES = (4, 8, 16)


def features(num: int = 2) -> list[torch.Tensor]:
    torch.manual_seed(0)
    return [torch.rand(num, 4, 64 // n, 80 // n) for n in (1, 2, 4)]


def upright_boxes(num: int = 60) -> torch.Tensor:
    """Of every level, some of them reaching out of the picture of 320 x 256 px."""
    corners = torch.rand(num, 2) * torch.tensor([320.0, 256.0]) - 20
    return torch.cat([corners, corners + 4 + torch.rand(num, 2) ** 2 * 250], 1)


def turned(boxes: torch.Tensor, angle: float = 0.0) -> torch.Tensor:
    return torch.cat([xyxy_to_cxcywh(boxes), boxes.new_full((len(boxes), 1), angle)], 1)


@pytest.mark.parametrize("aligned", [True, False])
@pytest.mark.parametrize("samples", [1, 2, 3])
def test_upright_boxes_are_pooled_as_torchvision_pools_them(aligned: bool, samples: int) -> None:
    maps, boxes = features(), [upright_boxes(), upright_boxes(7)]
    wanted = RegionPool(7, STRIDES, samples, aligned)(maps, boxes)
    found = OrientedPool(7, STRIDES, samples, aligned)(maps, [turned(part) for part in boxes])
    torch.testing.assert_close(found, wanted, rtol=0, atol=1e-5)


def test_levels_are_those_of_torchvisions_pooling_of_several() -> None:
    maps, boxes = features(1), upright_boxes()
    theirs = MultiScaleRoIAlign(["0", "1", "2"], 7, 2)(
        {str(i): level for i, level in enumerate(maps)}, [boxes], [(256, 320)]
    )
    ours = OrientedPool(7, STRIDES)(maps, [turned(boxes)])
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-5)


@pytest.mark.parametrize("quarters", [1, 2, 3])
def test_a_box_turned_with_the_picture_is_pooled_alike(quarters: int) -> None:
    """Quarter turns move places onto places, so that both are equal, at the picture's edge too."""
    level = torch.rand(1, 3, 16, 16)
    rboxes = torch.rand(40, 5) * torch.tensor([64.0, 64, 40, 30, 3])
    pool = OrientedPool(5, (4,), aligned=True)
    # clockwise on the screen; a point (x, y) of the picture goes to (64 - y, x)
    turned_level = torch.rot90(level, -quarters, (2, 3))
    moved = rboxes.clone()
    for _ in range(quarters):
        x, y = moved[:, 0].clone(), moved[:, 1].clone()
        moved[:, 0], moved[:, 1] = 64 - y, x
        moved[:, 4] += math.pi / 2
    torch.testing.assert_close(
        pool([turned_level], [moved]), pool([level], [rboxes]), rtol=0, atol=1e-4
    )


@pytest.mark.parametrize("angle", [0.3, -1.2, 2.5])
def test_columns_run_along_w_and_rows_along_h(angle: float) -> None:
    """On a slope, of which samples are exact, in whatever direction it rises."""
    y, x = torch.meshgrid(torch.arange(32.0) + 0.5, torch.arange(32.0) + 0.5, indexing="ij")
    cos, sin = math.cos(angle), math.sin(angle)
    along, across = (x - 16) * cos + (y - 16) * sin, (y - 16) * cos - (x - 16) * sin
    rbox = torch.tensor([[16.0, 16, 12, 8, angle]])
    (pooled,) = OrientedPool(4, (1,), aligned=True)([torch.stack((along, across))[None]], [rbox])
    centres = (torch.arange(4) + 0.5) / 4 - 0.5
    torch.testing.assert_close(pooled[0], (12 * centres).expand(4, 4), rtol=0, atol=1e-4)
    torch.testing.assert_close(pooled[1].T, (8 * centres).expand(4, 4), rtol=0, atol=1e-4)


def test_no_boxes_are_pooled_to_nothing() -> None:
    nothing = [torch.zeros(0, 5), torch.zeros(0, 5)]
    assert OrientedPool(7, STRIDES)(features(), nothing).shape == (0, 4, 7, 7)


def test_maps_in_half_precision_are_sampled_in_full() -> None:
    """Places of large maps are no numbers of bfloat16."""
    maps, boxes = features(), [turned(upright_boxes(), 0.5)] * 2
    rounded = [level.bfloat16() for level in maps]
    found = OrientedPool(7, STRIDES)(rounded, boxes)
    wanted = OrientedPool(7, STRIDES)([level.float() for level in rounded], boxes)
    torch.testing.assert_close(found, wanted.bfloat16())


def test_gradients_are_those_of_torchvisions_pooling() -> None:
    level, boxes = torch.rand(1, 2, 24, 24), upright_boxes(20) / 12
    weights = torch.rand(20, 2, 7, 7)
    one, other = level.clone().requires_grad_(), level.clone().requires_grad_()
    rois = torch.cat([torch.zeros(20, 1), boxes], 1)
    (roi_align(one, rois, 7, 1.0, 2, aligned=True) * weights).sum().backward()
    pooled = OrientedPool(7, (1,), aligned=True)([other], [turned(boxes)])
    (pooled * weights).sum().backward()
    assert one.grad is not None and other.grad is not None
    torch.testing.assert_close(other.grad, one.grad, rtol=0, atol=1e-4)
