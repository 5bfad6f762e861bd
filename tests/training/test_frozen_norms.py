"""Norms that keep their statistics learn the same inside their convolutions as beside them."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from smalldet.models.detector import Detector
from smalldet.models.families import FAMILIES
from smalldet.targets import Target
from smalldet.training.frozen_norms import NormsInConvolutions, norms_inside
from smalldet.training.setup import LossOf, set_training_mode

SMALL: dict[str, dict[str, Any]] = {
    "speck": {"backbone": "test_efficientnet", "width": 16},
    "retinanet": {"backbone": "mobilenetv3_small_050", "strides": (4, 8, 16), "width": 32},
    "yolo": {"network": "yolov5n"},
}


def built(family: str) -> Detector:
    """A detector whose norms have learned something."""
    torch.manual_seed(0)
    detector = FAMILIES[family](**SMALL[family]).build(("car", "bus"), 64)
    for module in detector.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.7, 1.3)
            nn.init.uniform_(module.bias, -0.2, 0.2)
            assert module.running_mean is not None
            assert module.running_var is not None
            module.running_mean.uniform_(-0.2, 0.2)
            module.running_var.uniform_(0.7, 1.3)
    return detector


def gradients(detector: Detector, frozen: bool, inside: bool) -> dict[str, Tensor]:
    """Of every weight, and the loss."""
    set_training_mode(detector, frozen)
    loss_of = LossOf(detector)
    if not inside:
        loss_of.norms = nullcontext()
    generator = torch.Generator().manual_seed(1)
    images = torch.randint(0, 255, (2, 3, 64, 64), dtype=torch.uint8, generator=generator)
    boxes = torch.tensor([[10.0, 10, 22, 20], [40, 30, 52, 50]])
    targets = [Target.of(boxes, torch.tensor([0, 1]), 2)] * 2
    torch.manual_seed(2)
    loss = torch.stack(list(loss_of(images, targets).values())).sum()
    detector.zero_grad()
    loss.backward()
    grads = {name: p.grad for name, p in detector.named_parameters() if p.grad is not None}
    return {"loss": loss.detach(), **{name: grad.clone() for name, grad in grads.items()}}


@pytest.mark.parametrize("family", SMALL)
def test_loss_and_gradients_are_the_same(family: str) -> None:
    beside = gradients(built(family), frozen=True, inside=False)
    inside = gradients(built(family), frozen=True, inside=True)
    assert inside.keys() == beside.keys()
    for name, grad in inside.items():
        error = (grad - beside[name]).norm() / beside[name].norm().clamp(min=1e-6)
        assert error < 1e-3, name


def test_all_norms_of_speck_are_inside() -> None:
    detector = built("speck").train()
    num = sum(isinstance(module, nn.BatchNorm2d) for module in detector.modules())
    assert len(NormsInConvolutions.of(detector)) == num
    assert all(module.training for module in detector.modules())


def test_nothing_is_watched_where_all_norms_learn() -> None:
    """It would cost a prediction at the start, and a look at every call of every step."""
    detector = built("speck")
    set_training_mode(detector, freeze_norms=False)
    assert isinstance(norms_inside(detector), nullcontext)
    set_training_mode(detector, freeze_norms=True)
    assert isinstance(norms_inside(detector), NormsInConvolutions)


def test_norms_that_learn_are_left_alone() -> None:
    """To the bit, and their statistics follow the tiles."""
    beside, inside = built("speck"), built("speck")
    plain = gradients(beside, frozen=False, inside=False)
    assert all(
        torch.equal(grad, plain[name])
        for name, grad in gradients(inside, frozen=False, inside=True).items()
    )
    fresh = built("speck").state_dict()
    changed = [name for name, value in inside.state_dict().items() if (value != fresh[name]).any()]
    assert changed and all("running" in name or "num_batches" in name for name in changed)


def test_a_convolution_with_a_bias_and_a_plain_norm() -> None:
    conv, norm = nn.Conv2d(4, 8, 3), nn.BatchNorm2d(8, affine=False).eval()
    assert norm.running_mean is not None
    norm.running_mean.uniform_(-1, 1)
    x = torch.randn(1, 4, 9, 9)
    with NormsInConvolutions([(conv, norm)]):
        inside = norm(conv(x))
    torch.testing.assert_close(inside, norm(conv(x)))


def test_buffers_that_were_replaced_are_known() -> None:
    """Several processes put others in their place; the norm was then applied twice."""
    conv, norm = nn.Conv2d(4, 8, 3, bias=False), nn.BatchNorm2d(8).eval()
    nn.init.constant_(norm.weight, 3.0)
    mode = NormsInConvolutions([(conv, norm)])
    norm.running_mean = torch.full((8,), 0.5)
    x = torch.randn(1, 4, 9, 9)
    with mode:
        inside = norm(conv(x))
    torch.testing.assert_close(inside, norm(conv(x)))
