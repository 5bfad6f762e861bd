"""Bottlenecks: blocks that widen their channels, look at a neighbourhood, and narrow them again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn


@dataclass(frozen=True, eq=False)
class Bottleneck:
    """A block and the layers that its hidden channels go through.

    Args:
        block: gives the outcome, with what is added around the layers.
        hidden: convolutions and norms that give hidden channels, each all of them.
        project: the 1x1 convolution that reads them.
        norm: of what `project` gives.
    """

    block: nn.Module
    hidden: Sequence[nn.Module]
    project: nn.Conv2d
    norm: nn.BatchNorm2d

    @property
    def num_hidden(self) -> int:
        return self.project.in_channels

    @torch.no_grad()
    def keep(self, channels: Tensor) -> None:
        """Leave only some of the hidden channels, (K,) int64; the layers are changed in place."""
        for layer in self.hidden:
            if isinstance(layer, nn.Conv2d):
                layer.weight = nn.Parameter(layer.weight[channels])
                layer.out_channels = len(channels)
                if layer.groups > 1:
                    layer.in_channels = layer.groups = len(channels)
            else:
                _keep_of_norm(layer, channels)
        self.project.weight = nn.Parameter(self.project.weight[:, channels])
        self.project.in_channels = len(channels)


def narrow(bottlenecks: Sequence[Bottleneck], share: float) -> None:
    """Keep a share of the hidden channels of each, those that the projections weigh most.

    Numbers are rounded to multiples of 16, which is what processors compute at a time.
    """
    for bottleneck in bottlenecks:
        num = share_of(bottleneck.num_hidden, share)
        weight = bottleneck.project.weight.detach().flatten(1).norm(dim=0)
        bottleneck.keep(weight.argsort(descending=True, stable=True)[:num].sort().values)


def share_of(num_hidden: int, share: float) -> int:
    """A share of a number of channels as a multiple of 16, at least 16."""
    return max(16, int(num_hidden * share / 16 + 0.5) * 16)


def _keep_of_norm(norm: Any, channels: Tensor) -> None:
    norm.weight = nn.Parameter(norm.weight[channels])
    norm.bias = nn.Parameter(norm.bias[channels])
    norm.running_mean = norm.running_mean[channels]
    norm.running_var = norm.running_var[channels]
    norm.num_features = len(channels)
