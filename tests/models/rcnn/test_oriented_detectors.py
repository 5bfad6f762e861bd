"""Rotated RetinaNet and Oriented R-CNN learn the direction of what they find."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from smalldet.geometry.oriented import canonical, enclosing_boxes, points_in_frames
from smalldet.geometry.rotated import rotated_iou_table
from smalldet.models.checkpoints.native import transfer_from
from smalldet.models.families import FAMILIES
from smalldet.targets import Target

SIDE = 96
KEYS = {"backbone": "test_efficientnet", "strides": (4, 8), "width": 32}
REGIONS = {"hidden_width": 64, "num_proposals": 200, "num_sampled_regions": 64}
VARIANTS = {"rotated_retinanet": KEYS, "oriented_rcnn": {**KEYS, **REGIONS}}


def drawn_scene() -> tuple[Tensor, Target]:
    """Bright bars of 24 x 8 px in nine directions, a dark one of them of another class."""
    places = torch.tensor([16.0, 48, 80])
    centres = torch.cartesian_prod(places, places)
    angles = torch.linspace(-math.pi / 2, math.pi / 2, 10)[:-1] + 0.05
    sides = torch.tensor([24.0, 8.0]).expand(9, 2)
    rboxes = canonical(torch.cat((centres, sides, angles[:, None]), 1))
    grid = torch.arange(SIDE) + 0.5
    points = torch.stack(torch.meshgrid(grid, grid, indexing="xy"), -1).view(1, -1, 2)
    local = points_in_frames(points.expand(9, -1, -1), rboxes)
    inside = (local.abs() <= rboxes[:, None, 2:4] / 2).all(-1).view(9, SIDE, SIDE)
    labels = torch.zeros(9, dtype=torch.long)
    labels[4] = 1
    shades = torch.where(labels == 0, 1.0, 0.0)[:, None, None]
    picture = torch.where(inside.any(0), (inside * shades).sum(0), 0.5)
    target = Target(
        enclosing_boxes(rboxes),
        labels,
        torch.zeros(0, 4),
        torch.zeros(0, 2, dtype=torch.bool),
        rboxes=rboxes,
    )
    return picture.expand(1, 3, -1, -1), target


@pytest.mark.parametrize("family", VARIANTS)
def test_bars_in_all_directions_are_learned_by_heart(family: str) -> None:
    torch.manual_seed(0)
    picture, target = drawn_scene()
    detector = FAMILIES[family](**VARIANTS[family]).build(("bright", "dark"), SIDE).train()
    optimiser = torch.optim.AdamW(detector.parameters(), lr=3e-3)
    for _ in range(120):
        optimiser.zero_grad()
        torch.stack(list(detector.loss(picture, [target]).values())).sum().backward()
        torch.nn.utils.clip_grad_norm_(detector.parameters(), 10.0)
        optimiser.step()
    (found,) = detector.predict(picture, conf=0.3)
    assert found.rboxes is not None and target.rboxes is not None
    alike = rotated_iou_table(target.rboxes, found.rboxes)
    alike = alike.masked_fill(target.labels[:, None] != found.labels, 0)
    print(alike.amax(1), len(found))
    assert (alike.amax(1) > 0.6).all()
    assert len(found) == 9


@pytest.mark.parametrize(
    ("family", "upright"), [("rotated_retinanet", "retinanet"), ("oriented_rcnn", "faster_rcnn")]
)
def test_all_but_the_last_layers_of_boxes_come_from_the_upright_family(
    family: str, upright: str
) -> None:
    given = FAMILIES[upright](**VARIANTS[family]).build(("car", "ship"), SIDE)
    detector = FAMILIES[family](**VARIANTS[family]).build(("ship", "car"), SIDE)
    fresh = transfer_from(given, detector, "given")
    assert fresh and all("bbox" in key for key in fresh)
