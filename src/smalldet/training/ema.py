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
        own, followed = self.model.state_dict(), model.state_dict()
        learned = [key for key, value in followed.items() if value.dtype.is_floating_point]
        # all tensors in a few kernels: one by one they take as long on a GPU as the step
        torch._foreach_lerp_(  # pyright: ignore[reportPrivateImportUsage]
            [own[key] for key in learned],
            [followed[key].to(own[key].dtype) for key in learned],
            1 - decay,
        )
        for key in followed.keys() - set(learned):
            own[key].copy_(followed[key])
