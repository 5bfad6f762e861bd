"""The layers that give the numbers of boxes, and their outputs in the order of the anchors."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

START_STD = 0.01  # as torchvision starts them


def with_outputs(layer: nn.Conv2d | nn.Linear, num_outputs: int) -> nn.Conv2d | nn.Linear:
    """A fresh layer like torchvision's last one, with another number of outputs."""
    if isinstance(layer, nn.Linear):
        return nn.Linear(layer.in_features, num_outputs)
    kernel, padding = layer.kernel_size[0], int(layer.padding[0])
    made = nn.Conv2d(layer.in_channels, num_outputs, kernel, padding=padding)
    nn.init.normal_(made.weight, std=START_STD)
    if made.bias is not None:
        nn.init.zeros_(made.bias)
    return made


def beside_each_other(levels: Sequence[Tensor], num_each: int) -> Tensor:
    """Outputs (B, A * K, H, W) of each level, A anchors a place, as (B, all anchors, K)."""
    flat = [
        level.unflatten(1, (num_each, -1)).permute(0, 3, 4, 1, 2).flatten(1, 3) for level in levels
    ]
    return torch.cat(flat, 1)
