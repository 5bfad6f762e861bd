"""Depthwise layers learn the same whichever way their gradients are computed."""

from __future__ import annotations

import itertools

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from smalldet.training.depthwise import DepthwiseConv, fast_depthwise

BF16_ON_CPU = (torch.device("cpu"), torch.bfloat16)


def gradients(x: Tensor, weight: Tensor, stride: int, padding: int, fast: bool) -> list[Tensor]:
    """Of input and weights, where the result is asked to be like fixed noise."""
    steps = (stride, stride), (padding, padding)
    x, weight = x.clone().requires_grad_(), weight.clone().requires_grad_()
    with torch.autocast("cpu", torch.bfloat16):
        if fast:
            with fast_depthwise(*BF16_ON_CPU):
                y = F.conv2d(x, weight, None, *steps, (1, 1), len(weight))
            assert "DepthwiseConv" in type(y.grad_fn).__name__
        else:
            y = F.conv2d(x, weight, None, *steps, (1, 1), len(weight))
    noise = torch.randn(y.shape, generator=torch.Generator().manual_seed(2))
    return list(torch.autograd.grad((y.float() * noise).sum(), [x, weight]))


@pytest.mark.parametrize(
    ("kernel", "stride", "padding"),
    [case for case in itertools.product((3, 5, 7), (1, 2), (0, 2, 3)) if case[:2] != (3, 1)],
)
def test_gradients_are_those_of_the_plain_way(kernel: int, stride: int, padding: int) -> None:
    """To the rounding of bfloat16, of which a gradient is one value."""
    chance = torch.Generator().manual_seed(kernel)
    x = torch.randn(2, 32, 21, 18, generator=chance)
    weight = torch.randn(32, 1, kernel, kernel, generator=chance)
    x = x.to(memory_format=torch.channels_last)
    both = (gradients(x, weight, stride, padding, fast) for fast in (True, False))
    for fast, plain in zip(*both, strict=True):
        assert fast.dtype == plain.dtype == torch.float32
        torch.testing.assert_close(fast, plain, rtol=2**-7, atol=2**-7 * float(plain.abs().max()))


def test_a_frozen_input_or_weight_gets_no_gradient() -> None:
    x, weight = torch.randn(1, 16, 8, 8).bfloat16(), torch.randn(16, 1, 5, 5).bfloat16()
    for of_x, of_weight in ((True, False), (False, True)):
        leaf_x = x.clone().requires_grad_(of_x)
        leaf_weight = weight.clone().requires_grad_(of_weight)
        y = DepthwiseConv.apply(leaf_x, leaf_weight, (2, 2), (2, 2))
        assert isinstance(y, Tensor)
        y.sum().backward()
        assert (leaf_x.grad is not None, leaf_weight.grad is not None) == (of_x, of_weight)


def test_a_bias_is_added_and_learns() -> None:
    """Norms that are inside their convolutions give them one."""
    layer = nn.Conv2d(32, 32, 5, padding=2, groups=32)
    x = torch.randn(1, 32, 9, 9)
    with torch.autocast("cpu", torch.bfloat16):
        plain = layer(x)
        with fast_depthwise(*BF16_ON_CPU):
            fast = layer(x)
    assert fast.dtype == plain.dtype
    torch.testing.assert_close(fast, plain, rtol=2**-6, atol=2**-6)
    assert layer.bias is not None
    (of_bias,) = torch.autograd.grad(fast.float().sum(), [layer.bias])
    torch.testing.assert_close(of_bias, torch.full((32,), 81.0))


@pytest.mark.parametrize(
    "layer",
    [
        nn.Conv2d(32, 32, 3, padding=1, groups=32, bias=False),  # its plain gradients are fast
        nn.Conv2d(24, 24, 5, padding=2, groups=24, bias=False),  # not in groups of 16
        nn.Conv2d(32, 64, 5, padding=2, groups=32, bias=False),  # two outputs a channel
        nn.Conv2d(32, 32, 5, padding=4, dilation=2, groups=32, bias=False),
        nn.Conv2d(32, 32, 5, padding="same", groups=32, bias=False),
        nn.Conv2d(32, 32, 5, bias=False),
    ],
)
def test_other_layers_are_left_alone(layer: nn.Conv2d) -> None:
    x = torch.randn(1, layer.in_channels, 9, 9)
    with torch.autocast("cpu", torch.bfloat16), fast_depthwise(*BF16_ON_CPU):
        assert "DepthwiseConv" not in type(layer(x).grad_fn).__name__


def test_float32_and_other_devices_are_left_alone() -> None:
    layer = nn.Conv2d(32, 32, 5, padding=2, groups=32, bias=False)
    cpu, cuda = torch.device("cpu"), torch.device("cuda")
    for device, precision in ((cpu, torch.float32), (cuda, torch.bfloat16)):
        with fast_depthwise(device, precision):
            y = layer(torch.randn(1, 32, 9, 9))
        assert "DepthwiseConv" not in type(y.grad_fn).__name__
