"""Losses keep a slope where small objects need one."""

from __future__ import annotations

import pytest
import torch

from smalldet.models.losses import box_loss, quality_focal_loss, small_overlap


@pytest.mark.parametrize("side", [3.0, 4, 8, 20, 64])
def test_box_loss_is_nothing_at_the_truth_and_pulls_from_afar(side: float) -> None:
    truth = torch.tensor([[50.0, 50, 50 + side, 50 + side]])
    assert float(box_loss(truth, truth)) == pytest.approx(0, abs=1e-3)
    apart = (truth + 2 * side).requires_grad_(True)
    loss = box_loss(apart, truth)
    loss.sum().backward()
    assert apart.grad is not None
    x1, y1, x2, y2 = apart.grad[0].tolist()
    assert x1 + x2 > 0, "the box must be pulled back, though nothing overlaps"
    assert y1 + y2 > 0


def test_a_four_pixel_object_is_not_starved_by_a_two_pixel_miss() -> None:
    """IoU of it is a third, too little for an assigner's usual threshold of a half."""
    truth = torch.tensor([[10.0, 10, 14, 14]])
    missed = truth + torch.tensor([2.0, 0, 2, 0])
    assert float(small_overlap(missed, truth)) > 0.4
    assert float(small_overlap(missed, truth, nwd_share=0.0)) == pytest.approx(1 / 3)


def test_large_objects_are_measured_by_iou_alone() -> None:
    truth = torch.tensor([[0.0, 0, 60, 60]])
    moved = truth + 15
    assert float(small_overlap(moved, truth)) == pytest.approx(45**2 / (2 * 3600 - 45**2))


def test_quality_focal_loss_is_least_at_its_target() -> None:
    target = torch.tensor([0.05, 0.3, 0.9])
    at = quality_focal_loss(torch.logit(target), target)
    for shift in (-1.0, 1.0):
        assert (quality_focal_loss(torch.logit(target) + shift, target) > at).all()
