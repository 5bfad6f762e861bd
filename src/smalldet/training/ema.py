"""Exponential moving average of weights."""

from __future__ import annotations

import copy

import torch

from smalldet.models.detector import Detector


class Ema:
    """A second model whose weights follow the first slowly.

    The decay ramps up, so that a short run does not end with the weights it began with.

    Args:
        model: what to follow.
        decay: of the average after many steps.
    """

    def __init__(self, model: Detector, decay: float) -> None:
        self.model = copy.deepcopy(model)
        self.model.eval().requires_grad_(False)
        self.decay = decay

    @torch.no_grad()
    def update(self, model: Detector, step: int) -> None:
        """Move towards `model`; `step` counts updates from 0."""
        decay = min(self.decay, (1 + step) / (10 + step))
        own = self.model.state_dict()
        for key, value in model.state_dict().items():
            if value.dtype.is_floating_point:
                own[key].lerp_(value.to(own[key].dtype), 1 - decay)
            else:
                own[key].copy_(value)
