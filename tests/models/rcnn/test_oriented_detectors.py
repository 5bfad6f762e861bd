"""Rotated RetinaNet and Oriented R-CNN learn the direction of what they find."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from torch import Tensor

from smalldet.geometry.boxes import clip_boxes
from smalldet.geometry.oriented import canonical, enclosing_boxes, points_in_frames
from smalldet.geometry.overlaps import iou, pairwise
from smalldet.geometry.rotated import rotated_iou_table
from smalldet.models.checkpoints import torchvision
from smalldet.models.checkpoints.native import transfer_from
from smalldet.models.detector import Detector
from smalldet.models.families import FAMILIES
from smalldet.models.rcnn.faster_rcnn import FasterRcnn
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
    for _ in range(80):
        optimiser.zero_grad()
        torch.stack(list(detector.loss(picture, [target]).values())).sum().backward()
        torch.nn.utils.clip_grad_norm_(detector.parameters(), 10.0)
        optimiser.step()
    (found,) = detector.predict(picture, conf=0.1)
    assert found.rboxes is not None and target.rboxes is not None
    alike = rotated_iou_table(target.rboxes, found.rboxes)
    alike = alike.masked_fill(target.labels[:, None] != found.labels, 0)
    assert alike.amax(1).mean() > 0.8 and alike.amax(1).amin() > 0.5


def started_from(upright: str, family: str) -> tuple[Detector, Detector]:
    """An untrained upright detector, and one of the oriented family with its weights."""
    torch.manual_seed(0)
    given = FAMILIES[upright](**VARIANTS[family]).build(("car", "ship"), SIDE).eval()
    detector = FAMILIES[family](**VARIANTS[family]).build(("car", "ship"), SIDE).eval()
    fresh = transfer_from(given, detector, "given")
    assert fresh and all("turn" in key for key in fresh), "all that is upright goes along"
    return given, detector


@pytest.mark.parametrize(
    ("family", "upright", "network"),
    [
        ("rotated_retinanet", "retinanet", "retinanet_resnet50_fpn"),
        ("oriented_rcnn", "faster_rcnn", "fasterrcnn_mobilenet_v3_large_fpn"),
    ],
)
def test_networks_of_torchvision_go_along_whole_but_not_back(
    family: str, upright: str, network: str, tmp_path: Path
) -> None:
    given = FAMILIES[upright].model_validate({"network": network}).build(("car", "ship"), SIDE)
    config = FAMILIES[family].model_validate({"network": network})
    detector = config.build(("car", "ship"), SIDE).eval()
    assert all("turn" in key for key in transfer_from(given, detector, "given"))
    with pytest.raises(ValueError, match="no oriented boxes"):
        torchvision.save(tmp_path / "turned.pth", detector, config)


def test_rotated_retinanet_starts_with_the_boxes_of_an_upright_one() -> None:
    picture, _ = drawn_scene()
    upright, oriented = started_from("retinanet", "rotated_retinanet")
    wanted, found = (part.predict(picture, 0.0, 1000)[0] for part in (upright, oriented))
    # only upright boxes end at the picture's edge
    whole = wanted.boxes[((wanted.boxes > 0) & (wanted.boxes < SIDE)).all(1)]
    assert len(whole) > 50
    assert (pairwise(iou, whole, found.boxes).amax(1) > 0.95).float().mean() > 0.9


def test_oriented_rcnn_starts_with_the_proposals_of_an_upright_one() -> None:
    """Its second stage looks at tall ones lying down, and has to learn that."""
    picture, _ = drawn_scene()
    upright, oriented = started_from("faster_rcnn", "oriented_rcnn")
    proposals = []
    for detector in (upright, oriented):
        assert isinstance(detector, FasterRcnn)
        with torch.no_grad():
            _, first = detector._stages(detector.network(picture))
        proposals.append(detector.rpn.propose(first, SIDE, SIDE)[0])
    assert len(proposals[0]) > 50
    found = clip_boxes(enclosing_boxes(proposals[1]), SIDE, SIDE)
    torch.testing.assert_close(found, proposals[0], rtol=0, atol=0.01)
