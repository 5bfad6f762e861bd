"""Overlap measures: known values, bounds, finite gradients, and exactness far from the origin."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

import pytest
import torch
from torch import Tensor
from torchvision import ops

from smalldet.geometry.overlaps import (
    ciou,
    diou,
    giou,
    iou,
    normalized_wasserstein,
    pairwise,
    receptive_field_distance,
)

Measure = Callable[[Tensor, Tensor], Tensor]

MEASURES: dict[str, tuple[Measure, float]] = {  # the measure and its lowest value
    "iou": (iou, 0),
    "giou": (giou, -1),
    "diou": (diou, -1),
    "ciou": (ciou, -2),
    "nwd": (partial(normalized_wasserstein, scale_px=12.7), 0),
    "rfd": (receptive_field_distance, 0),
}
every_measure = pytest.mark.parametrize("name", MEASURES)


def drawn_boxes(num: int, seed: int, extent: float = 60) -> Tensor:
    draw = torch.Generator().manual_seed(seed)
    corner = torch.rand(num, 2, generator=draw) * extent
    # 64ths of a pixel: float32 holds them exactly up to 131,072 px.
    boxes = torch.cat((corner, corner + 1 + torch.rand(num, 2, generator=draw) * extent / 3), dim=1)
    return (boxes * 64).round() / 64


def awkward_boxes(num: int, seed: int) -> Tensor:
    """Empty, point-like, inverted, sliver, distant and ordinary boxes, many of them coincident."""
    draw = torch.Generator().manual_seed(seed)
    pool = torch.tensor([0, 0, 5, 5, 1e-30, 1e-20, 1e-7, 5 + 1e-6, 1e5, 1e5 + 1, 8, 12, -3, 5.5])
    boxes = pool[torch.randint(0, len(pool), (num, 4), generator=draw)]
    ordinary = torch.rand(num, 1, generator=draw) < 0.2
    return torch.where(ordinary, torch.rand(num, 4, generator=draw) * 100 - 50, boxes)


@every_measure
def test_values_and_gradients_are_finite_for_any_boxes(name: str) -> None:
    measure, lowest = MEASURES[name]
    a, b = awkward_boxes(50_000, seed=1), awkward_boxes(50_000, seed=2)
    b[:10_000] = a[:10_000]
    a.requires_grad_()
    b.requires_grad_()
    value = measure(a, b)
    assert ((value >= lowest - 1e-5) & (value <= 1 + 1e-5)).all()
    for grad in torch.autograd.grad(value.sum(), [a, b]):
        bad = torch.nonzero(~torch.isfinite(grad).all(dim=1)).flatten()[:3]
        assert len(bad) == 0, f"{name}({a[bad].tolist()}, {b[bad].tolist()}) has {grad[bad]}"


# Not CIoU: its alpha is held constant, so that its gradient is not that of its value.
@pytest.mark.parametrize("name", [name for name in MEASURES if name != "ciou"])
def test_gradients_agree_with_finite_differences(name: str) -> None:
    measure, _ = MEASURES[name]
    a = drawn_boxes(12, seed=3, extent=20).double().requires_grad_()
    b = drawn_boxes(12, seed=4, extent=20).double().requires_grad_()
    assert torch.autograd.gradcheck(measure, (a, b))


@every_measure
def test_far_from_the_origin_is_as_exact_as_at_the_origin(name: str) -> None:
    measure, _ = MEASURES[name]
    a = torch.tensor([[0.0, 0, 5, 5]]).repeat(50, 1)
    shift = (torch.rand(50, 4, generator=torch.Generator().manual_seed(0)) * 4 * 64).round() / 64
    b = a + shift * torch.tensor([1, 1, 2, 2])
    assert torch.allclose(measure(a + 100_000, b + 100_000), measure(a, b), atol=1e-6)


@every_measure
def test_one_where_boxes_coincide_and_less_elsewhere(name: str) -> None:
    measure, _ = MEASURES[name]
    boxes = drawn_boxes(30, seed=5)
    assert torch.allclose(measure(boxes, boxes), torch.ones(30), atol=1e-6)
    assert (measure(boxes, boxes + 1.5) < 1 - 1e-3).all()


@pytest.mark.parametrize("name", [name for name in MEASURES if name != "rfd"])
def test_symmetric(name: str) -> None:
    measure, _ = MEASURES[name]
    a, b = drawn_boxes(40, seed=6), drawn_boxes(40, seed=7)
    assert torch.equal(measure(a, b), measure(b, a))


@pytest.mark.parametrize(
    ("measure", "peer"),
    [
        (iou, ops.box_iou),
        (giou, ops.generalized_box_iou),
        (diou, ops.distance_box_iou),
        (ciou, ops.complete_box_iou),
    ],
)
def test_agrees_with_torchvision(measure: Measure, peer: Measure) -> None:
    a, b = drawn_boxes(40, seed=8), drawn_boxes(30, seed=9)
    table = pairwise(measure, a, b)
    assert table.shape == (40, 30)
    assert torch.allclose(table, peer(a, b), atol=1e-5)


def test_pairwise_passes_options_and_takes_none() -> None:
    a = drawn_boxes(3, seed=1)
    table = pairwise(normalized_wasserstein, a, a[:2], scale_px=6.0)
    assert torch.allclose(table[2, 1], normalized_wasserstein(a[2], a[1], scale_px=6.0))
    assert pairwise(iou, a, torch.zeros(0, 4)).shape == (3, 0)


def test_wasserstein_by_hand() -> None:
    a = torch.tensor([0.0, 0, 4, 4])
    b = torch.tensor([3.0, 4, 7, 12])  # centre 3 right and 6 down, 4 higher
    assert normalized_wasserstein(a, b, scale_px=10).item() == pytest.approx(math.exp(-0.7))


def test_receptive_field_distance_by_hand() -> None:
    prior = torch.tensor([0.0, 0, 16, 16])
    target = torch.tensor([8.0, 4, 16, 12])  # centre 4 right, side 8
    kl = 0.5 * (4 + 4 + 4 * 16 / 64 + 2 * math.log(64 / 256) - 2)
    assert receptive_field_distance(prior, target).item() == pytest.approx(1 / (1 + kl))


def test_alpha_of_ciou_gets_no_gradient() -> None:
    """Same centre, unlike aspect: what is left of the gradient is IoU's and alpha times v's."""
    a = torch.tensor([0.0, 4, 16, 12], requires_grad=True)
    b = torch.tensor([4.0, 0, 12, 16])
    (got,) = torch.autograd.grad(ciou(a, b), a)
    overlap = iou(a, b)
    w, h = a[2] - a[0], a[3] - a[1]
    v = 4 / math.pi**2 * (math.atan(0.5) - torch.atan(w / h)) ** 2
    alpha = (v / (1 - overlap + v)).item()
    (expected,) = torch.autograd.grad(diou(a, b) - alpha * v, a)
    assert torch.allclose(got, expected, atol=1e-6)


def test_half_precision_does_not_overflow() -> None:
    big = torch.tensor([0.0, 0, 600, 600], dtype=torch.float16)  # its area does not fit float16
    assert iou(big, big).item() == 1
    assert iou(torch.tensor([0, 0, 4, 4]), torch.tensor([0, 0, 4, 2])).item() == 0.5
