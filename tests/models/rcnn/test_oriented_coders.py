"""Codes of oriented boxes lead back to the box, all the way round, and turn without a jump."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from smalldet.geometry.oriented import canonical, enclosing_boxes
from smalldet.geometry.rotated import rotated_iou
from smalldet.models.losses import oriented_box_loss
from smalldet.models.rcnn.oriented_coders import FrameCoder, MidpointCoder, ShapeCoder

CIRCLE = torch.linspace(-math.pi, math.pi, 721)


def turning(w: float, h: float, angles: Tensor = CIRCLE) -> Tensor:
    """The same rectangle at every angle, as people write it: canonical."""
    rest = torch.tensor([30.0, 40.0, w, h]).expand(len(angles), 4)
    return canonical(torch.cat((rest, angles[:, None]), 1))


coordinates = st.floats(0, 500, width=32)
sides = st.floats(2, 200, width=32)
angles = st.floats(-7, 7, width=32)


@st.composite
def rboxes(draw: st.DrawFn) -> Tensor:
    numbers = [draw(kind) for kind in (coordinates, coordinates, sides, sides, angles)]
    return torch.tensor([numbers])


def anchor_like(anchor: Tensor, truth: Tensor) -> Tensor:
    """Upright (1, 4), as an assigner has them: of about the object's own size."""
    sides = anchor[:, 2:4].clamp(truth[:, 2:4].amax() / 20, truth[:, 2:4].amin() * 20)
    return torch.cat((anchor[:, :2] - sides / 2, anchor[:, :2] + sides / 2), 1)


@given(rboxes(), rboxes())
def test_midpoints_lead_back_to_the_box(truth: Tensor, anchor: Tensor) -> None:
    coder, anchor = MidpointCoder(), anchor_like(anchor, truth)
    codes = coder.encode_single(truth, anchor)
    assert codes.shape == (1, 4 + len(coder.more))
    assert rotated_iou(coder.decode_single(codes, anchor), truth) > 0.97


@given(rboxes(), rboxes())
def test_shape_codes_lead_back_to_the_box_as_a_gaussian(truth: Tensor, anchor: Tensor) -> None:
    """As a Gaussian, because of a square they do not tell the angle."""
    coder, anchor = ShapeCoder(), anchor_like(anchor, truth)
    codes = coder.encode_single(truth, anchor)
    assert codes.shape == (1, 4 + len(coder.more))
    back = coder.decode_single(codes, anchor)
    assert oriented_box_loss(back, truth, "kld") < 0.01
    if truth[0, 2:4].amax() > 1.1 * truth[0, 2:4].amin():
        assert rotated_iou(back, truth) > 0.98


@given(rboxes(), rboxes())
def test_codes_in_oriented_proposals_lead_back_to_the_box(truth: Tensor, proposal: Tensor) -> None:
    least = truth[:, 2:4].amax() / 20
    proposal[:, 2:4] = proposal[:, 2:4].clamp(min=least)
    coder = FrameCoder()
    back = coder.decode_single(coder.encode_single(truth, proposal), proposal)
    assert rotated_iou(back, truth) > 0.99


@pytest.mark.parametrize("sides", [(20.0, 10.0), (10.0, 20.0), (40.0, 4.0), (10.5, 10.0)])
def test_shape_codes_turn_without_a_jump(sides: tuple[float, float]) -> None:
    """By half a degree a step, through the ends of the angle's range and past both axes."""
    anchors = torch.tensor([[20.0, 30, 40, 50]]).expand(len(CIRCLE), 4)
    codes = ShapeCoder().encode_single(turning(*sides), anchors)
    elongation = abs(math.log(sides[0] / sides[1])) / 2
    # half of the stretch's square stands in the turn, a quarter each in dw and dh
    step = 2 * elongation * math.radians(0.5) * math.sqrt(2)
    assert codes.diff(dim=0).norm(dim=1).amax() < 1.01 * step + 1e-5


def test_shape_codes_do_not_jump_where_sides_trade_places() -> None:
    widths = torch.linspace(9, 11, 41)
    boxes = torch.stack([turning(float(w), 10.0, torch.tensor([0.4]))[0] for w in widths])
    anchors = torch.tensor([[20.0, 30, 40, 50]]).expand(len(boxes), 4)
    codes = ShapeCoder().encode_single(boxes, anchors)
    assert codes.diff(dim=0).norm(dim=1).amax() < 0.01


def test_a_square_anchor_that_knows_nothing_learns_any_angle() -> None:
    """As an untrained layer has it: next to a square, without a turn; at 45 degrees too."""
    truth = turning(24.0, 8.0, torch.linspace(-math.pi / 2, math.pi / 2, 9)[:-1])
    anchors = torch.tensor([[22.0, 32, 38, 48]]).expand(len(truth), 4)
    torch.manual_seed(0)
    codes = F.pad(1e-3 * torch.randn(len(truth), 4), (0, 1)).requires_grad_()
    optimiser = torch.optim.Adam([codes], lr=0.05)
    coder = ShapeCoder()
    for _ in range(150):
        optimiser.zero_grad()
        oriented_box_loss(coder.decode_single(codes, anchors), truth).sum().backward()
        assert torch.isfinite(codes.grad if codes.grad is not None else codes).all()
        optimiser.step()
    assert (rotated_iou(coder.decode_single(codes.detach(), anchors), truth) > 0.9).all()


def test_a_box_turned_by_a_hair_from_upright_is_upright_to_midpoints() -> None:
    """Labels of upright boxes come with angles of -0, of -pi/2 and of whatever rounding leaves."""
    hair = torch.tensor([-1e-5, 0.0, 1e-5])
    boxes = turning(20.0, 10.0, torch.cat((hair, hair + math.pi / 2, hair + math.pi)))
    anchors = enclosing_boxes(boxes)
    codes = MidpointCoder().encode_single(boxes, anchors)
    assert (codes[:, 4:] + 1).abs().amax() < 1e-3


def test_midpoints_stay_within_the_sides() -> None:
    anchors = torch.tensor([[0.0, 0, 10, 10]]).expand(len(CIRCLE), 4)
    codes = MidpointCoder().encode_single(turning(30.0, 7.0), anchors)
    assert codes[:, 4:].abs().amax() <= 1 + 1e-6


def test_frame_codes_turn_by_an_eighth_at_most() -> None:
    proposals = torch.tensor([[30.0, 40, 20, 10, 0.3]]).expand(len(CIRCLE), 5)
    codes = FrameCoder((1.0, 1.0, 1.0, 1.0, 1.0)).encode_single(turning(20.0, 10.0), proposals)
    assert codes[:, 4].abs().amax() <= math.pi / 4 + 1e-5
