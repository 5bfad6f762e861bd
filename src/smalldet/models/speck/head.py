"""Heads: features to raw class and box outputs at every location."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from smalldet.models.speck.neck import conv_norm

# exp() of it is the largest side in strides that a box can have: 2 * e^6 is about 800 strides
MAX_LOG_SIDE = 6.0


class Level(NamedTuple):
    """A grid of cells: `height` x `width` of them, `stride` pixels apart."""

    height: int
    width: int
    stride: int


class Locations(NamedTuple):
    """Where the L outputs of a head stand.

    Args:
        centres: (L, 2) x, y in pixels.
        strides: (L,) pixels.
        levels: whose cells they are, row by row, one level after another.
    """

    centres: Tensor
    strides: Tensor
    levels: tuple[Level, ...]


class DecoupledHead(nn.Module):
    """Anchor-free head: a class branch and a box branch of its own at each level.

    A box is (dx, dy, log w, log h) against its location in strides: the centre is free, so that an
    object smaller than the stride, which may contain no location at all, can still be found
    from the nearest one.
    """

    def __init__(
        self, width: int, num_classes: int, strides: Sequence[int], prior: float = 0.01
    ) -> None:
        super().__init__()
        self.strides = tuple(strides)
        self.num_classes = num_classes
        self.class_branches = nn.ModuleList(_branch(width) for _ in strides)
        self.box_branches = nn.ModuleList(_branch(width) for _ in strides)
        # every location starts out saying "nothing here" with the prior's certainty
        rare = math.log(prior / (1 - prior))
        self.class_outputs = nn.ModuleList(_output(width, num_classes, rare) for _ in strides)
        self.box_outputs = nn.ModuleList(_output(width, 4, 0.0) for _ in strides)

    def forward(self, features: Sequence[Tensor]) -> tuple[Tensor, Tensor, Locations]:
        """Class logits (B, L, C), boxes xyxy (B, L, 4) in pixels, and where they stand."""
        logits, raw = [], []
        for i, x in enumerate(features):
            logits.append(_flat(self.class_outputs[i](self.class_branches[i](x))))
            raw.append(_flat(self.box_outputs[i](self.box_branches[i](x))))
        sizes = [(x.shape[-2], x.shape[-1]) for x in features]
        locations = grid_locations(sizes, self.strides, features[0].device)
        return torch.cat(logits, 1), decode(torch.cat(raw, 1), locations), locations


def decode(raw: Tensor, locations: Locations) -> Tensor:
    """(..., L, 4) raw dx, dy, log w, log h to xyxy pixels, in float32."""
    raw = raw.float()
    stride = locations.strides[:, None]
    centre = locations.centres + raw[..., :2] * stride
    half = raw[..., 2:].clamp(-MAX_LOG_SIDE, MAX_LOG_SIDE).exp() * stride
    return torch.cat([centre - half, centre + half], -1)


def grid_locations(
    sizes: Sequence[tuple[int, int]], strides: Sequence[int], device: torch.device
) -> Locations:
    """Centres of the cells of every level, in the order in which levels are flattened.

    Args:
        sizes: (height, width) of each level in cells.
        strides: of each level, pixels.
        device: of the locations.
    """
    centres, all_strides = [], []
    for (height, width), stride in zip(sizes, strides, strict=True):
        y = (torch.arange(height, device=device, dtype=torch.float32) + 0.5) * stride
        x = (torch.arange(width, device=device, dtype=torch.float32) + 0.5) * stride
        grid_y, grid_x = torch.meshgrid(y, x, indexing="ij")
        centres.append(torch.stack([grid_x.reshape(-1), grid_y.reshape(-1)], 1))
        all_strides.append(torch.full((height * width,), float(stride), device=device))
    levels = tuple(Level(*size, stride) for size, stride in zip(sizes, strides, strict=True))
    return Locations(torch.cat(centres), torch.cat(all_strides), levels)


def _branch(width: int) -> nn.Sequential:
    return nn.Sequential(
        conv_norm(width, width, 3, groups=width), conv_norm(width, width, 1), nn.ReLU(inplace=True)
    )


def _output(width: int, num_out: int, bias: float) -> nn.Conv2d:
    layer = nn.Conv2d(width, num_out, 1)
    nn.init.normal_(layer.weight, std=0.01)
    nn.init.constant_(layer.bias, bias)  # pyright: ignore[reportArgumentType]
    return layer


def _flat(x: Tensor) -> Tensor:
    """(B, C, H, W) to (B, H*W, C)."""
    return x.flatten(2).transpose(1, 2)
