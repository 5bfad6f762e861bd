"""The learning rate rises, and then falls to the end of the run."""

from __future__ import annotations

import torch
from torch import nn

from smalldet.training.optimiser import build_optimiser, set_learning_rate
from smalldet.training.sections import TrainingConfig


def factors(num_steps: int, warmup_steps: int) -> list[float]:
    """Of every step of a run."""
    config = TrainingConfig(warmup_steps=warmup_steps)
    optimiser = build_optimiser(nn.Linear(1, 1), config)
    return [
        set_learning_rate(optimiser, config, step, step / num_steps) for step in range(num_steps)
    ]


def test_a_long_run_warms_up_for_the_steps_of_the_recipe() -> None:
    rates = torch.tensor(factors(5000, 100))
    assert rates.argmax() == 100
    assert rates[0] < 0.011


def test_a_short_run_is_not_all_warm_up() -> None:
    """80 steps were once over before the rate had risen to half of what the recipe asked for."""
    rates = torch.tensor(factors(80, 100))
    assert rates.argmax() == 8
    assert rates.max() > 0.97
    assert rates[-1] < 0.03


def test_no_warm_up() -> None:
    assert factors(50, 0)[0] == 1.0
