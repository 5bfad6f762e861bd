"""Losses keep a slope where small objects need one."""

from __future__ import annotations

import math

import pytest
import torch

from smalldet.models.losses import (
    BoxLoss,
    EqualizedFocalLoss,
    OrientedBoxLoss,
    box_loss,
    mute_mask,
    mute_masks,
    oriented_box_loss,
    quality_focal_loss,
    small_overlap,
)
from smalldet.targets import Target


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


@pytest.mark.parametrize("kind", ["ciou", "giou", "diou", "nwd", "nwd_ciou"])
def test_every_box_loss_is_nothing_at_the_truth_and_grows_from_it(kind: BoxLoss) -> None:
    truth = torch.tensor([[20.0, 20, 26, 28], [5, 5, 65, 45]])
    costs = torch.stack([box_loss(truth + shift, truth, kind) for shift in (0.0, 1, 3, 100)])
    torch.testing.assert_close(costs[0], torch.zeros(2), atol=1e-3, rtol=0)
    assert (costs.diff(dim=0) > 0).all()


@pytest.mark.parametrize("kind", ["kld", "gwd", "prob_iou"])
def test_oriented_box_losses_are_nothing_at_the_truth_however_it_is_written(
    kind: OrientedBoxLoss,
) -> None:
    truth = torch.tensor([[20.0, 20, 9, 4, 1.5], [60, 40, 50, 20, -0.7]])
    same = truth[:, [0, 1, 3, 2, 4]] + torch.tensor([0, 0, 0, 0, 3.5 * math.pi])
    torch.testing.assert_close(
        oriented_box_loss(same, truth, kind), torch.zeros(2), atol=2e-3, rtol=0
    )
    for far in (torch.tensor([1.0, 0, 0, 0, 0]), torch.tensor([0, 0, 0, 0, 0.2])):
        moved = torch.stack([oriented_box_loss(truth + n * far, truth, kind) for n in (0, 1, 3, 7)])
        assert (moved.diff(dim=0) > 0).all() and moved.amax() <= 1


@pytest.mark.parametrize("kind", ["kld", "gwd", "prob_iou"])
def test_oriented_box_losses_say_the_same_at_any_scale(kind: OrientedBoxLoss) -> None:
    truth, moved = torch.tensor([[20.0, 20, 9, 4, 1.5]]), torch.tensor([[22.0, 19, 8, 5, 1.2]])
    scale = torch.tensor([7.0, 7, 7, 7, 1])
    torch.testing.assert_close(
        oriented_box_loss(moved * scale, truth * scale, kind), oriented_box_loss(moved, truth, kind)
    )


def test_box_losses_are_one_less_the_published_overlaps() -> None:
    """Worked by hand: two squares of 10 px, 5 px apart, in an enclosing box of 15 x 10 px."""
    truth = torch.tensor([[0.0, 0, 10, 10]])
    moved = torch.tensor([[5.0, 0, 15, 10]])
    assert float(box_loss(moved, truth, "giou")) == pytest.approx(1 - 1 / 3)
    assert float(box_loss(moved, truth, "diou")) == pytest.approx(1 - 1 / 3 + 25 / 325)
    assert float(box_loss(moved, truth, "ciou")) == pytest.approx(1 - 1 / 3 + 25 / 325)
    assert float(box_loss(moved, truth, "nwd")) == pytest.approx(1 - math.exp(-0.5))


def test_equalized_focal_loss_begins_as_quality_focal_loss() -> None:
    logits, quality = torch.randn(5, 7, 3), torch.rand(5, 7, 3)
    expected = quality_focal_loss(logits, quality)
    torch.testing.assert_close(EqualizedFocalLoss(3)(logits, quality), expected)


def test_equalized_focal_loss_spares_a_class_that_others_push_down() -> None:
    """Class 0 fills half the places, class 1 one of 400; only the second gets a high focus."""
    loss = EqualizedFocalLoss(2)
    quality = torch.zeros(400, 2)
    quality[:200, 0] = 0.9
    quality[0, 1] = 0.9
    for _ in range(3):
        logits = torch.full((400, 2), -1.0, requires_grad=True)
        loss(logits, quality).sum().backward()
    common, rare = loss.gamma().tolist()
    assert common == pytest.approx(2, abs=0.1)
    assert 8 < rare <= 10
    logits = torch.tensor([[-3.0, -3.0]])
    negative, positive = loss(logits, torch.zeros(1, 2))[0], loss(logits, torch.ones(1, 2))[0]
    assert negative[1] < negative[0], "easy negatives of the rare class count less"
    assert positive[1] > positive[0], "its missed objects count more"


def test_mute_mask_mutes_its_classes_inside_its_region_alone() -> None:
    centres = torch.tensor([[2.0, 2], [6, 2], [2, 6], [4, 4]])
    nothing = torch.zeros(0, 4)
    target = Target(
        nothing,
        torch.zeros(0, dtype=torch.long),
        torch.tensor([[0.0, 0, 4, 4], [5, 0, 9, 9]]),
        torch.tensor([[True, False], [True, True]]),
    )
    expected = [[True, False], [True, True], [False, False], [False, False]]
    assert mute_mask(centres, target).tolist() == expected
    labelled = Target.of(nothing, torch.zeros(0, dtype=torch.long), 2)
    together = mute_masks(centres, [labelled, target])
    assert together is not None
    assert together.tolist() == [[[False, False]] * 4, expected]
    assert mute_masks(centres, [labelled]) is None
