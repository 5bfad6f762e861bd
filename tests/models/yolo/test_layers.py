"""Layers compute what Darknet computes, checked against its definitions written as plain loops."""

from __future__ import annotations

import itertools
import math
import weakref
from typing import ClassVar

import numpy as np
import pytest
import torch
from torch import nn

from smalldet.models.yolo.darknet import parse_cfg
from smalldet.models.yolo.layers import MaxPoolLayer, ReorgLayer, build_activation
from smalldet.models.yolo.net import GraphNet
from smalldet.models.yolo.specs import MaxPool


@pytest.mark.parametrize(
    ("size", "stride", "padding", "side"),
    [(2, 2, 1, 8), (2, 2, 1, 7), (2, 1, 1, 6), (3, 2, 2, 9), (5, 1, 4, 6), (3, 3, 0, 9)],
)
def test_pooling_like_darknet(size: int, stride: int, padding: int, side: int) -> None:
    x = torch.randn(1, 2, side, side, generator=torch.Generator().manual_seed(0)) - 5
    out_side = (side + padding - size) // stride + 1
    expected = torch.full((1, 2, out_side, out_side), -math.inf)
    for i, j, n, m in itertools.product(*[range(out_side)] * 2, *[range(size)] * 2):
        row, col = i * stride - padding // 2 + n, j * stride - padding // 2 + m
        if 0 <= row < side and 0 <= col < side:
            expected[:, :, i, j] = torch.maximum(expected[:, :, i, j], x[:, :, row, col])
    assert torch.equal(MaxPoolLayer(MaxPool((0,), size, stride, padding))(x), expected)


def test_reorg_like_darknet() -> None:
    channels, height, width, s = 8, 4, 6, 2
    x = np.arange(channels * height * width)
    expected = np.zeros_like(x)
    out_channels = channels // s**2
    for k, j, i in itertools.product(range(channels), range(height), range(width)):
        part, c = divmod(k, out_channels)
        row, col = j * s + part // s, i * s + part % s
        expected[i + width * (j + height * k)] = x[col + width * s * (row + height * s * c)]
    got = ReorgLayer(s)(torch.from_numpy(x).view(1, channels, height, width))
    assert got.shape == (1, channels * s**2, height // s, width // s)
    assert (got.flatten().numpy() == expected).all()


def test_activations() -> None:
    x = torch.tensor([-2.0, 0.5, 7.0])
    sigmoid = 1 / (1 + torch.exp(-x))
    expected = {
        "leaky": torch.tensor([-0.2, 0.5, 7.0]),
        "mish": x * torch.tanh(torch.log1p(torch.exp(x))),
        "swish": x * sigmoid,
        "relu": torch.tensor([0.0, 0.5, 7.0]),
        "relu6": torch.tensor([0.0, 0.5, 6.0]),
        "linear": x,
        "logistic": sigmoid,
    }
    for name, values in expected.items():
        torch.testing.assert_close(build_activation(name)(x), values)  # pyright: ignore[reportArgumentType]


def run(layers: str, x: torch.Tensor) -> torch.Tensor:
    """The last layer of a cfg for a picture."""
    net = GraphNet(parse_cfg(f"[net]\nchannels={x.shape[1]}\n" + layers)).eval()
    (out,) = net(x)
    return out


def test_route_takes_its_part_of_the_channels() -> None:
    x = torch.arange(4.0).view(1, 4, 1, 1)
    # size=1 pooling at stride 1 passes its input on: it only gives the picture a number
    out = run(
        "[maxpool]\nsize=1\n[maxpool]\nsize=1\n[route]\nlayers=0,1\ngroups=2\ngroup_id=1\n", x
    )
    assert out.flatten().tolist() == [2, 3, 2, 3]


def test_shortcut_adds_all_its_sources_then_activates() -> None:
    x = torch.tensor([-1.0, 2.0]).view(1, 2, 1, 1)
    same = "[maxpool]\nsize=1\n"
    out = run(same * 3 + "[shortcut]\nfrom=-2,-3\nactivation=leaky\n", x)
    torch.testing.assert_close(out.flatten(), torch.tensor([-0.3, 6.0]))


def test_scale_channels_multiplies_a_map_by_one_value_per_channel() -> None:
    x = torch.arange(8.0).view(1, 2, 2, 2)
    out = run("[maxpool]\nsize=1\n[avgpool]\n[scale_channels]\nfrom=0\n", x)
    assert torch.equal(out, x * x.mean((2, 3), keepdim=True))


def test_upsample_repeats_pixels() -> None:
    x = torch.arange(16.0).view(1, 1, 4, 4)
    out = run("[maxpool]\nsize=2\nstride=2\n[upsample]\nstride=2\n", x)
    expected = torch.tensor([[5.0, 7], [13, 15]]).repeat_interleave(2, 0).repeat_interleave(2, 1)
    assert torch.equal(out[0, 0], expected)


def test_dropout_passes_everything_on_outside_training() -> None:
    x = torch.ones(1, 1, 8, 8)
    assert torch.equal(run("[dropout]\nprobability=.9\n", x), x)


class Counting(nn.Module):
    """A layer that counts how many outputs of such layers are alive."""

    alive: ClassVar[weakref.WeakSet[torch.Tensor]] = weakref.WeakSet()
    most: ClassVar[int] = 0

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out = x + 1
        Counting.alive.add(out)
        Counting.most = max(Counting.most, len(Counting.alive))
        return out


def test_tensors_are_let_go_after_their_last_reader() -> None:
    """A long chain holds what a layer reads and what it gives, not every output."""
    net = GraphNet(parse_cfg("[net]\n" + "[dropout]\n" * 8))
    for number in range(8):
        net.layers[net.names[number]] = Counting()
    (out,) = net(torch.zeros(1, 3, 2, 2))
    assert (out == 8).all()
    assert Counting.most == 2
