"""Optimiser and learning rate."""

from __future__ import annotations

import math

import torch
from torch import nn

from smalldet.training.sections import TrainingConfig

MOST_WARMUP_FRAC = 0.1


def build_optimiser(model: nn.Module, config: TrainingConfig) -> torch.optim.AdamW:
    """AdamW: the backbone slower than the rest, no decay on norms and biases."""
    groups: dict[tuple[bool, bool], list[nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            key = (name.startswith("backbone."), parameter.ndim > 1)
            groups.setdefault(key, []).append(parameter)
    return torch.optim.AdamW(
        [
            {
                "params": parameters,
                "base_lr": config.lr * (config.backbone_lr_factor if in_backbone else 1.0),
                "weight_decay": config.weight_decay if decays else 0.0,
            }
            for (in_backbone, decays), parameters in groups.items()
        ],
        lr=config.lr,
    )


def set_learning_rate(
    optimiser: torch.optim.Optimizer, config: TrainingConfig, step: int, progress: float
) -> float:
    """Linear warm-up, then cosine by `progress` (0..1 of the run); returns the factor.

    The warm-up ends after `warmup_steps`, or a tenth of a run that is shorter than ten times that.
    """
    cosine = (1 + math.cos(math.pi * min(progress, 1.0))) / 2
    factor = config.final_lr_frac + (1 - config.final_lr_frac) * cosine
    warm = max((step + 1) / (config.warmup_steps + 1), progress / MOST_WARMUP_FRAC)
    factor *= min(1.0, warm)
    for group in optimiser.param_groups:
        group["lr"] = group["base_lr"] * factor
    return factor
