"""Boxes as Gaussians: the published formulas, without their trouble in float32."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from smalldet.geometry.gaussians import (
    covariance_wasserstein,
    gaussian_wasserstein,
    gaussians,
    kullback_leibler,
    prob_iou,
)
from smalldet.geometry.oriented import rboxes_to_quads

Measure = Callable[[Tensor, Tensor], Tensor]


def wasserstein_by_matrices(a: Tensor, b: Tensor) -> Tensor:
    (mean_a, cov_a), (mean_b, cov_b) = gaussians(a), gaussians(b)
    dets = torch.linalg.det(cov_a) * torch.linalg.det(cov_b)
    coupled = (trace(cov_a @ cov_b) + 2 * dets.sqrt()).sqrt()
    return (mean_a - mean_b).square().sum(-1) + trace(cov_a) + trace(cov_b) - 2 * coupled


def kullback_leibler_by_matrices(a: Tensor, b: Tensor) -> Tensor:
    (mean_a, cov_a), (mean_b, cov_b) = gaussians(a), gaussians(b)
    inverse, shift = torch.linalg.inv(cov_a), (mean_a - mean_b)[..., None]
    logs = torch.linalg.det(cov_a).log() - torch.linalg.det(cov_b).log()
    mahalanobis = (shift.mT @ inverse @ shift)[..., 0, 0]
    return mahalanobis / 2 + trace(inverse @ cov_b) / 2 + logs / 2 - 1


def prob_iou_by_matrices(a: Tensor, b: Tensor) -> Tensor:
    (mean_a, cov_a), (mean_b, cov_b) = gaussians(a), gaussians(b)
    cov_a, cov_b = cov_a / 3, cov_b / 3
    middle, shift = (cov_a + cov_b) / 2, (mean_a - mean_b)[..., None]
    mahalanobis = (shift.mT @ torch.linalg.inv(middle) @ shift)[..., 0, 0]
    dets = torch.linalg.det(cov_a) * torch.linalg.det(cov_b)
    distance = mahalanobis / 8 + (torch.linalg.det(middle) / dets.sqrt()).log() / 2
    return 1 - (1 - torch.exp(-distance)).sqrt()


def trace(matrices: Tensor) -> Tensor:
    return matrices.diagonal(dim1=-2, dim2=-1).sum(-1)


MEASURES: dict[str, tuple[Measure, Measure, float]] = {  # with its value for a box and itself
    "wasserstein": (gaussian_wasserstein, wasserstein_by_matrices, 0),
    "kullback_leibler": (kullback_leibler, kullback_leibler_by_matrices, 0),
    "prob_iou": (prob_iou, prob_iou_by_matrices, 1),
}
every_measure = pytest.mark.parametrize("name", MEASURES)


def bounded(distance: Tensor) -> Tensor:
    """A loss in 0..1 from a distance, as the papers of both distances train by them."""
    return 1 - 1 / (1 + torch.log1p(distance))


def drawn_rboxes(num: int, seed: int) -> Tensor:
    draw = torch.Generator().manual_seed(seed)
    low, spread = torch.tensor([0.0, 0, 2, 2, -3]), torch.tensor([20.0, 20, 40, 20, 6])
    # 64ths of a pixel: float32 holds them exactly up to 131,072 px.
    return ((low + torch.rand(num, 5, generator=draw) * spread) * 64).round() / 64


def awkward_rboxes(num: int, seed: int) -> Tensor:
    """Points, slivers, huge and ordinary boxes, near and far, many of them coincident."""
    draw = torch.Generator().manual_seed(seed)
    places = torch.tensor([0, 0, 5, 5 + 1e-6, 1e5, -3, 1e-20])
    sides = torch.tensor([0, 0, 1e-30, 1e-7, 1e-3, 5, 5 + 1e-6, 12, 1e5])
    angles = torch.tensor([0, 1e-8, math.pi / 2, -math.pi / 2, math.pi / 4, 1])
    picked = [
        pool[torch.randint(0, len(pool), (num, width), generator=draw)]
        for pool, width in ((places, 2), (sides, 2), (angles, 1))
    ]
    ordinary = torch.rand(num, 1, generator=draw) < 0.2
    return torch.where(ordinary, drawn_rboxes(num, seed + 1), torch.cat(picked, dim=1))


def test_a_gaussian_has_the_centre_and_the_axes_of_its_box() -> None:
    rboxes = drawn_rboxes(50, seed=0).double()
    mean, covariance = gaussians(rboxes)
    quads = rboxes_to_quads(rboxes)
    torch.testing.assert_close(mean, quads.mean(dim=1))
    # Corners lie at one deviation along both axes, so their own scatter is the covariance.
    from_mean = quads - mean[:, None]
    torch.testing.assert_close(covariance, from_mean.mT @ from_mean / 4)


@every_measure
def test_is_the_published_formula(name: str) -> None:
    measure, by_matrices, _ = MEASURES[name]
    a, b = drawn_rboxes(500, seed=1), drawn_rboxes(500, seed=2)
    peer = by_matrices(a.double(), b.double())
    torch.testing.assert_close(measure(a.double(), b.double()), peer, rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(measure(a, b).double(), peer, rtol=1e-4, atol=1e-4)


def test_gaussians_of_boxes_are_as_far_apart_as_the_boxes() -> None:
    a, b = drawn_rboxes(200, 5).double(), drawn_rboxes(200, 6).double()
    between = covariance_wasserstein(*gaussians(a), *gaussians(b))
    torch.testing.assert_close(between, gaussian_wasserstein(a, b), rtol=1e-9, atol=1e-6)
    to_itself = covariance_wasserstein(*gaussians(a), *gaussians(a))
    assert float(to_itself.max()) < 1e-6


@every_measure
def test_a_box_is_like_itself_in_every_form(name: str) -> None:
    measure, _, best = MEASURES[name]
    a, b = drawn_rboxes(200, seed=3).double(), drawn_rboxes(200, seed=4).double()
    swapped = b[:, [0, 1, 3, 2, 4]] + b.new_tensor([0, 0, 0, 0, math.pi / 2])
    half_turn = b + b.new_tensor([0, 0, 0, 0, math.pi])
    for form in (swapped, half_turn):
        torch.testing.assert_close(measure(a, form), measure(a, b), rtol=1e-7, atol=1e-7)
        torch.testing.assert_close(measure(form, a), measure(b, a), rtol=1e-7, atol=1e-7)
    single = a.float()
    assert (measure(single, single) - best).abs().max() < 1e-6


@every_measure
def test_values_and_gradients_are_finite_for_any_boxes(name: str) -> None:
    measure, _, best = MEASURES[name]
    a, b = awkward_rboxes(20_000, seed=5), awkward_rboxes(20_000, seed=7)
    b[:5000] = a[:5000]
    a.requires_grad_()
    b.requires_grad_()
    value = measure(a, b)
    assert (value >= 0).all() and torch.isfinite(value).all()
    assert best == 0 or (value <= 1).all()
    loss = 1 - value if best else bounded(value)
    assert ((loss >= 0) & (loss <= 1)).all()
    for what in (value, loss):
        for grad in torch.autograd.grad(what.sum(), [a, b], retain_graph=True):
            bad = torch.nonzero(~torch.isfinite(grad).all(dim=1)).flatten()[:3]
            assert len(bad) == 0, f"{name}({a[bad].tolist()}, {b[bad].tolist()}) has {grad[bad]}"


@every_measure
def test_gradients_agree_with_finite_differences(name: str) -> None:
    measure, _, _ = MEASURES[name]
    a = drawn_rboxes(8, seed=8).double().requires_grad_()
    b = drawn_rboxes(8, seed=9).double().requires_grad_()
    assert torch.autograd.gradcheck(measure, (a, b))


@every_measure
def test_far_from_the_origin_is_as_exact_as_at_the_origin(name: str) -> None:
    measure, _, _ = MEASURES[name]
    a, b = drawn_rboxes(200, seed=10), drawn_rboxes(200, seed=11)
    far = torch.tensor([100_000.0, 100_000, 0, 0, 0])
    assert torch.equal(measure(a + far, b + far), measure(a, b))


@every_measure
def test_thin_boxes_are_measured_in_float32_too(name: str) -> None:
    """In matrices their determinants would be lost: here 1e-9 of the product of two variances."""
    measure, by_matrices, _ = MEASURES[name]
    a = torch.tensor([[10.0, 10, 1000, 1, 0.7], [10.0, 10, 1000, 1, 0.7]])
    b = torch.tensor([[11.0, 11, 900, 1.5, 0.7], [11.0, 10, 1000, 2.0, 0.701]])
    peer = by_matrices(a.double(), b.double())
    torch.testing.assert_close(measure(a, b).double(), peer, rtol=1e-3, atol=1e-4)


def test_leading_dimensions_broadcast() -> None:
    a, b = drawn_rboxes(4, seed=12), drawn_rboxes(6, seed=13)
    for measure, _, _ in MEASURES.values():
        table = measure(a[:, None], b[None])
        assert table.shape == (4, 6)
        torch.testing.assert_close(table[2], measure(a[2], b))


def test_descent_on_each_loss_finds_the_box() -> None:
    target = torch.tensor([20.0, 20, 30, 8, 0.5], dtype=torch.float64)
    losses: list[Measure] = [
        lambda a, b: bounded(gaussian_wasserstein(a, b)),
        lambda a, b: bounded(kullback_leibler(a, b)),
        lambda a, b: 1 - prob_iou(a, b),
    ]
    for loss in losses:
        rbox = torch.tensor([24.0, 17, 20, 12, 0.1], dtype=torch.float64, requires_grad=True)
        optimizer = torch.optim.Adam([rbox], lr=0.2)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 200)
        for _ in range(200):
            optimizer.zero_grad()
            loss(rbox, target).backward()
            optimizer.step()
            schedule.step()
        torch.testing.assert_close(rbox.detach(), target, rtol=0, atol=0.05)
