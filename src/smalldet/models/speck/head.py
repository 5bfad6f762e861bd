"""Head: features to class logits and box codes at every location."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from smalldet.geometry.log_shapes import axes_of_log_shapes
from smalldet.models.speck.neck import conv_norm

# exp() of it is the largest side in strides that a box can have: 2 * e^6 is about 800 strides
MAX_LOG_SIDE = 6.0


class DecoupledHead(nn.Module):
    """Anchor-free head: a class branch and a box branch of its own at each level.

    A box is (dx, dy, log w, log h) against its location in strides: the centre is free, so that an
    object smaller than the stride, which may contain no location at all, can still be found
    from the nearest one. An oriented box has a fifth code, `turn`: the three are then the log of
    the box's shape (see `geometry.log_shapes`), of which 0 is upright. It starts there, so that a
    head that has learned upright boxes goes on from these.

    Args:
        width: channels of the features.
        num_classes: how many.
        strides: of the levels.
        prior: the certainty that a location starts out with.
        packed: features of the finest level stand at twice its stride, and each gives the outputs
            of four locations.
        oriented: whether boxes have the fifth code.
    """

    def __init__(
        self,
        width: int,
        num_classes: int,
        strides: Sequence[int],
        prior: float = 0.01,
        packed: bool = False,
        oriented: bool = False,
    ) -> None:
        super().__init__()
        self.strides = tuple(strides)
        self.num_classes = num_classes
        self.oriented = oriented
        self.sides = [2 if packed and level == 0 else 1 for level in range(len(self.strides))]
        self.class_branches = nn.ModuleList(_branch(width) for _ in strides)
        self.box_branches = nn.ModuleList(_branch(width) for _ in strides)
        # every location starts out saying "nothing here" with the prior's certainty
        rare = math.log(prior / (1 - prior))
        self.class_outputs = nn.ModuleList(
            _output(width, num_classes * side**2, rare) for side in self.sides
        )
        self.box_outputs = nn.ModuleList(_output(width, 4 * side**2, 0.0) for side in self.sides)
        self.turn_outputs = nn.ModuleList(
            _upright_at_first(width, side**2) for side in self.sides if oriented
        )

    def forward(self, features: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """Class logits (B, L, C) and box codes (B, L, 4), or (B, L, 5), level after level."""
        logits, codes = [], []
        for i, (x, side) in enumerate(zip(features, self.sides, strict=True)):
            logits.append(_flat(self.class_outputs[i](self.class_branches[i](x)), side))
            codes.append(_flat(self._codes(i, self.box_branches[i](x)), side))
        return torch.cat(logits, 1), torch.cat(codes, 1)

    def _codes(self, level: int, x: Tensor) -> Tensor:
        boxes = self.box_outputs[level]
        if not self.oriented:
            return boxes(x)
        # as one convolution: two would read the level's features twice
        turns = self.turn_outputs[level]
        weight, bias = torch.cat([boxes.weight, turns.weight]), torch.cat([boxes.bias, turns.bias])  # pyright: ignore[reportArgumentType, reportCallIssue]
        return F.conv2d(x, weight, bias)


def decode_boxes(codes: Tensor, centres: Tensor, strides: Tensor) -> Tensor:
    """Codes dx, dy, log w, log h to boxes xyxy in pixels, in float32.

    Args:
        codes: (..., L, 4).
        centres: (L, 2) of their locations, pixels.
        strides: (L,) of their locations, pixels.
    """
    codes = codes.float()
    stride = strides[:, None]
    centre = centres + codes[..., :2] * stride
    half = codes[..., 2:].clamp(-MAX_LOG_SIDE, MAX_LOG_SIDE).exp() * stride
    return torch.cat([centre - half, centre + half], -1)


def decode_rboxes(codes: Tensor, centres: Tensor, strides: Tensor) -> Tensor:
    """Codes dx, dy, a, b, turn to oriented boxes in pixels, w >= h, in float32.

    Those with a turn of 0 are the boxes of `decode_boxes`.

    Args:
        codes: (..., L, 5).
        centres: (L, 2) of their locations, pixels.
        strides: (L,) of their locations, pixels.
    """
    codes = codes.float()
    stride = strides[:, None]
    axes = axes_of_log_shapes(codes[..., 2:])
    sides = axes[..., :2].clamp(-MAX_LOG_SIDE, MAX_LOG_SIDE).exp() * (2 * stride)
    return torch.cat([centres + codes[..., :2] * stride, sides, axes[..., 2:]], -1)


def _branch(width: int) -> nn.Sequential:
    return nn.Sequential(
        conv_norm(width, width, 3, groups=width), conv_norm(width, width, 1), nn.ReLU(inplace=True)
    )


def _output(width: int, num_out: int, bias: float) -> nn.Conv2d:
    layer = nn.Conv2d(width, num_out, 1)
    nn.init.normal_(layer.weight, std=0.01)
    nn.init.constant_(layer.bias, bias)  # pyright: ignore[reportArgumentType]
    return layer


def _upright_at_first(width: int, num_out: int) -> nn.Conv2d:
    layer = nn.Conv2d(width, num_out, 1)
    nn.init.zeros_(layer.weight)
    nn.init.zeros_(layer.bias)  # pyright: ignore[reportArgumentType]
    return layer


def _flat(x: Tensor, side: int) -> Tensor:
    """(B, C * side^2, H, W) to (B, H * side * W * side, C)."""
    unpacked = F.pixel_shuffle(x, side) if side > 1 else x
    return unpacked.flatten(2).transpose(1, 2)
