"""The layers that give the numbers of boxes, and their outputs in the order of the anchors."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class TurnedOutputs(nn.Module):
    """A last layer that gives oriented boxes: that of upright ones, with more numbers to a box.

    The upright layer's parameters keep their names, so that trained ones fit. What is added starts
    at the numbers of an upright box, whatever the layer sees: so a detector that has learned
    upright boxes goes on from these.

    Args:
        upright: gives four numbers for each of several boxes, one box after another.
        start: what each added number is at first.
        start_std: of the added weights.
    """

    def __init__(
        self, upright: nn.Conv2d | nn.Linear, start: Sequence[float], start_std: float = 0.0
    ) -> None:
        super().__init__()
        assert upright.bias is not None
        self.num_boxes = len(upright.bias) // 4
        self.weight, self.bias = upright.weight, upright.bias
        num_more = self.num_boxes * len(start)
        self.turn_weight = nn.Parameter(
            start_std * torch.randn(num_more, *upright.weight.shape[1:])
        )
        self.turn_bias = nn.Parameter(torch.tensor(start).repeat(self.num_boxes))

    def forward(self, x: Tensor) -> Tensor:
        """As the upright layer, with four numbers and those that are added for each box."""
        weight = self._side_by_side(self.weight, self.turn_weight)
        bias = self._side_by_side(self.bias, self.turn_bias)
        if weight.ndim == 2:
            return F.linear(x.flatten(1), weight, bias)
        return F.conv2d(x, weight, bias, padding=weight.shape[-1] // 2)

    def _side_by_side(self, upright: Tensor, more: Tensor) -> Tensor:
        parts = [part.unflatten(0, (self.num_boxes, -1)) for part in (upright, more)]
        return torch.cat(parts, 1).flatten(0, 1)


def beside_each_other(levels: Sequence[Tensor], num_each: int) -> Tensor:
    """Outputs (B, A * K, H, W) of each level, A anchors a place, as (B, all anchors, K)."""
    flat = [
        level.unflatten(1, (num_each, -1)).permute(0, 3, 4, 1, 2).flatten(1, 3) for level in levels
    ]
    return torch.cat(flat, 1)
