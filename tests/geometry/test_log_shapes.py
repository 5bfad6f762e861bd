"""Log shapes: one point for each rectangle however it is written, and no jump anywhere."""

from __future__ import annotations

import math

import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from smalldet.geometry.gaussians import gaussian_wasserstein
from smalldet.geometry.log_shapes import axes_of_log_shapes, log_shapes

side = st.floats(0.2, 500)
angle = st.floats(-7, 7)


def rbox(w: float, h: float, turn: float) -> Tensor:
    return torch.tensor([0.0, 0.0, w, h, turn], dtype=torch.double)


def from_shape(shape: Tensor) -> Tensor:
    axes = axes_of_log_shapes(shape)
    return torch.cat((torch.zeros_like(shape[..., :2]), axes[..., :2].exp(), axes[..., 2:]), -1)


@given(side, side, angle)
def test_a_rectangle_comes_back_as_itself_with_its_longer_side_first(
    w: float, h: float, turn: float
) -> None:
    given_box = rbox(w, h, turn)
    back = from_shape(log_shapes(given_box))
    assert float(gaussian_wasserstein(given_box, back)) < (1e-4 * max(w, h)) ** 2
    assert back[2] >= back[3]
    assert -math.pi / 2 <= back[4] <= math.pi / 2


@given(side, side, angle)
def test_all_forms_of_a_rectangle_are_one_point(w: float, h: float, turn: float) -> None:
    shape = log_shapes(rbox(w, h, turn))
    half = math.pi / 2
    for same in (rbox(h, w, turn + half), rbox(w, h, turn + 2 * half), rbox(h, w, turn - 5 * half)):
        torch.testing.assert_close(log_shapes(same), shape, atol=1e-9, rtol=0)


@given(side, angle, angle)
def test_a_square_is_one_point_for_all_directions(edge: float, one: float, other: float) -> None:
    shapes = log_shapes(torch.stack((rbox(edge, edge, one), rbox(edge, edge, other))))
    torch.testing.assert_close(shapes[0], shapes[1], atol=1e-9, rtol=0)
    assert axes_of_log_shapes(shapes[0])[2] == 0


@given(side, side)
def test_of_an_upright_box_they_are_the_logs_of_its_sides(w: float, h: float) -> None:
    expected = torch.tensor([math.log(w), math.log(h), 0.0], dtype=torch.double)
    torch.testing.assert_close(log_shapes(rbox(w, h, 0.0)), expected)


def test_a_small_turn_is_a_small_step_all_the_way_round() -> None:
    turns = torch.linspace(-math.pi / 2, math.pi / 2, 721, dtype=torch.double)
    boxes = torch.tensor([[0.0, 0, 40, 8, 0]], dtype=torch.double).repeat(721, 1)
    boxes[:, 4] = turns
    shapes = log_shapes(boxes)
    ring = torch.stack(((shapes[:, 0] - shapes[:, 1]) / 2, shapes[:, 2]), dim=1)
    steps = ring.diff(dim=0).norm(dim=1)
    torch.testing.assert_close(steps, steps[:1].expand(720))
    torch.testing.assert_close(shapes[-1], shapes[0])


@given(st.floats(-3, 3), st.floats(-3, 3), st.floats(-2, 2), st.sampled_from([1.0, 1e-4, 1e-9, 0]))
def test_slopes_are_finite_everywhere(a: float, b: float, t: float, near: float) -> None:
    """Also at squares, which have no direction."""
    shape = torch.tensor([a, a + near * (b - a), near * t], requires_grad=True)
    boxes = from_shape(shape)
    gaussian_wasserstein(boxes, torch.tensor([1.0, 2, 9, 3, 0.4])).backward()
    assert shape.grad is not None
    assert torch.isfinite(shape.grad).all()
    assert shape.grad.abs().max() < 1e4
