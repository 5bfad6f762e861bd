"""Oriented Speck: begins where an upright one ended, and learns directions all the way round."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from pydantic import ValidationError
from torch import Tensor

from smalldet.geometry.oriented import canonical, enclosing_boxes, points_in_frames
from smalldet.geometry.rotated import rotated_iou
from smalldet.models.checkpoints.native import transfer_from
from smalldet.models.detector import Detector
from smalldet.models.speck.config import SpeckConfig
from smalldet.models.speck.detector import Speck
from smalldet.models.speck.teacher import Teacher
from smalldet.targets import Target

SMALL = {"backbone": "mobilenetv3_small_050", "width": 32, "num_context": 1}
SIDE = 64


def built(**options: object) -> Speck:
    torch.manual_seed(0)
    return SpeckConfig.model_validate({**SMALL, **options}).build(("bar",), SIDE)


def bars(rboxes: Tensor) -> tuple[Tensor, list[Target]]:
    """A picture of 64 px for each oriented box (N, 5): a bright bar on grey."""
    at = torch.arange(SIDE) + 0.5
    points = torch.cartesian_prod(at, at).flip(1).expand(len(rboxes), -1, -1)
    inside = (points_in_frames(points, rboxes).abs() <= rboxes[:, None, 2:4] / 2).all(-1)
    grey = torch.where(inside, 0.9, 0.3).view(-1, 1, SIDE, SIDE)
    label = torch.zeros(1, dtype=torch.long)
    targets = [
        replace(Target.of(enclosing_boxes(one), label, 1), rboxes=canonical(one))
        for one in rboxes.split(1)
    ]
    return grey.expand(-1, 3, -1, -1), targets


def bars_at(angles: Tensor, seed: int) -> Tensor:
    """(N, 5) bars of 24 x 7 px near the middle of the picture."""
    centres = 32 + 6 * (torch.rand(len(angles), 2, generator=torch.Generator().manual_seed(seed)))
    shape = torch.tensor([[24.0, 7]]).expand(len(angles), -1)
    return torch.cat([centres, shape, angles[:, None]], 1)


@pytest.mark.parametrize("size", ["n", "t"])
def test_a_start_from_an_upright_detector_finds_the_same_boxes(size: str) -> None:
    options = {"size": size, "backbone": "tf_efficientnet_lite0", "backbone_hidden": 0.25}
    upright = built(**options).eval()
    for output in upright.head.box_outputs:
        torch.nn.init.normal_(output.weight, std=0.3)  # pyright: ignore[reportArgumentType]
    oriented = built(**options, oriented=True).eval()
    fresh = transfer_from(upright, oriented, "upright")
    assert {key.split(".")[1] for key in fresh} == {"turn_outputs"}
    images = torch.rand(1, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(1))
    codes, turned_codes = upright.network(images)[1], oriented.network(images)[1]
    boxes = upright.all_boxes(codes, (SIDE, SIDE))[0]
    rboxes = oriented.all_boxes(turned_codes, (SIDE, SIDE))[0]
    torch.testing.assert_close(enclosing_boxes(rboxes), boxes, atol=1e-3, rtol=1e-4)


def test_what_is_found_is_canonical_and_enclosed_by_its_box() -> None:
    found = built(oriented=True).eval().predict(bars(bars_at(torch.zeros(2), 0))[0], 0.0, 100)[0]
    assert found.rboxes is not None
    assert len(found) > 10
    assert torch.equal(found.rboxes, canonical(found.rboxes))
    torch.testing.assert_close(found.boxes, enclosing_boxes(found.rboxes))


def _angle_errors(detector: Detector, rboxes: Tensor) -> tuple[Tensor, Tensor]:
    """Degrees between each bar and what is found of it, and their IoU."""
    errors, overlaps = [], []
    for row, found in zip(rboxes, detector.eval().predict(bars(rboxes)[0], 0.05), strict=True):
        assert found.rboxes is not None
        apart = found.rboxes[0, 4] - row[4]
        errors.append(torch.rad2deg((apart + math.pi / 2) % math.pi - math.pi / 2))
        overlaps.append(rotated_iou(found.rboxes[0], row))
    return torch.stack(errors).abs(), torch.stack(overlaps)


@pytest.mark.slow
def test_directions_are_learned_all_the_way_round_without_a_jump() -> None:
    detector = built(oriented=True).train()
    optimiser = torch.optim.AdamW(detector.parameters(), lr=2e-3)
    num_steps = 150
    for step in range(num_steps):
        draw = torch.Generator().manual_seed(step)
        angles = (torch.rand(8, generator=draw) - 0.5) * math.pi
        loss = torch.stack(list(detector.loss(*bars(bars_at(angles, step))).values())).sum()
        optimiser.zero_grad()
        loss.backward()
        for group in optimiser.param_groups:
            group["lr"] = 2e-3 * min(1, step / 20) * (1 - step / num_steps)
        optimiser.step()
    errors, overlaps = _angle_errors(detector, bars_at(torch.deg2rad(torch.arange(0.0, 360, 5)), 7))
    assert errors.mean() < 6
    assert errors.max() < 25
    assert overlaps.mean() > 0.6


def test_a_refiner_and_a_teacher_of_upright_boxes_are_refused() -> None:
    with pytest.raises(ValidationError, match="leave refine out"):
        SpeckConfig(oriented=True, refine=True)
    with pytest.raises(ValueError, match="finds oriented boxes and the other upright"):
        Teacher(built(), built(oriented=True))


def test_a_teacher_of_oriented_boxes_has_nothing_to_say_to_its_like() -> None:
    learner = built(oriented=True).eval()
    images = torch.rand(2, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(0))
    teacher = Teacher(built(oriented=True), learner)
    assert teacher(learner.network(images), images)["teacher_box"].item() < 1e-3
