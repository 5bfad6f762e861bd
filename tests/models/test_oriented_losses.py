"""Losses of oriented boxes: nothing at the truth, a slope from afar, and no jump in between."""

from __future__ import annotations

import math
from typing import get_args

import pytest
import torch
from torch import Tensor

from smalldet.geometry.boxes import cxcywh_to_xyxy
from smalldet.geometry.overlaps import normalized_wasserstein
from smalldet.models.losses import OrientedBoxLoss
from smalldet.models.oriented_losses import (
    small_oriented_loss,
    small_oriented_overlap,
    turn_loss,
)

KINDS = get_args(OrientedBoxLoss)


def turned(w: float, h: float, angles: Tensor) -> Tensor:
    boxes = torch.tensor([[50.0, 50, w, h, 0]]).repeat(len(angles), 1)
    boxes[:, 4] = angles
    return boxes


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("side", [3.0, 8, 20, 64])
def test_a_loss_is_nothing_at_the_truth_and_pulls_from_afar(
    side: float, kind: OrientedBoxLoss
) -> None:
    truth = torch.tensor([[50.0, 50, 2 * side, side, 0.7]])
    assert float(small_oriented_loss(truth, truth, kind)) == pytest.approx(0, abs=1e-3)
    apart = truth + torch.tensor([[3 * side, 3 * side, 0, 0, 0]])
    apart.requires_grad_(True)
    small_oriented_loss(apart, truth, kind).sum().backward()
    assert apart.grad is not None
    assert (apart.grad[0, :2] > 0).all(), "it must be pulled back, though nothing overlaps"


@pytest.mark.parametrize("kind", KINDS)
def test_losses_grow_with_the_turn_and_do_not_jump(kind: OrientedBoxLoss) -> None:
    truth = turned(24, 6, torch.tensor([1.5]))
    predicted = turned(24, 6, 1.5 + torch.linspace(0, math.pi, 361))
    for loss in (small_oriented_loss(predicted, truth, kind), turn_loss(predicted, truth)):
        assert (loss[:181].diff() > 0).all()
        torch.testing.assert_close(loss.flip(0), loss, atol=1e-4, rtol=0)
        assert loss.diff().abs().max() < 0.1


def test_direction_counts_as_much_as_an_object_is_long() -> None:
    off = torch.tensor([0.3])
    costs = [
        float(turn_loss(turned(w, 10, off), turned(w, 10, 0 * off))) for w in (10.0, 11, 20, 80)
    ]
    assert costs[0] == 0
    assert costs == sorted(costs)
    expected = math.log(8) * math.sin(0.3)  # the chord of twice the angle on a ring
    assert costs[-1] == pytest.approx(expected, rel=1e-4)


def test_tiny_objects_are_measured_by_half_as_upright_ones_are() -> None:
    """Half of the overlap is NWD, in units of the object's own side."""
    boxes = torch.tensor([[10.0, 10, 7, 5], [11.5, 9, 6, 6]])
    rboxes = torch.cat((boxes, torch.zeros(2, 1)), 1)
    xyxy = cxcywh_to_xyxy(boxes)
    nwd = normalized_wasserstein(xyxy[1], xyxy[0], math.sqrt(35))
    mixed = small_oriented_overlap(rboxes[1], rboxes[0])
    alone = small_oriented_overlap(rboxes[1], rboxes[0], nwd_share=0.0)
    assert float(mixed) == pytest.approx(float((nwd + alone) / 2), rel=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_slopes_are_finite_at_odd_boxes(kind: OrientedBoxLoss) -> None:
    truth = torch.tensor([[5.0, 5, 4, 4, 0], [5, 5, 0.3, 0.1, 1], [5, 5, 300, 0.5, -1.5]])
    predicted = truth.clone().requires_grad_(True)
    (small_oriented_loss(predicted, truth, kind) + turn_loss(predicted, truth)).sum().backward()
    assert predicted.grad is not None
    assert torch.isfinite(predicted.grad).all()
