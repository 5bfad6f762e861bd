"""The time left of a run counts the evaluations to come, from what those before took."""

from __future__ import annotations

import pytest

from smalldet.training.clock import Clock
from smalldet.training.duration import duration
from smalldet.training.sections import TrainingConfig
from smalldet.training.state import Progress
from smalldet.training.teller import Teller


def test_evaluations_are_counted_to_the_end_of_the_run() -> None:
    config = TrainingConfig(epochs=25, eval_every=10)
    for epoch, left in ((0, 3), (9, 3), (10, 2), (20, 1), (24, 1), (25, 0)):
        progress = Progress(epoch=epoch, step=epoch * 4, elapsed_s=1.0)
        assert Clock(progress, config, num_batches=4).evaluations_left() == left


def test_minutes_end_a_run_before_its_epochs_and_its_evaluations() -> None:
    """Ten of a hundred epochs took half of the minutes: twenty will be done, two evaluations."""
    config = TrainingConfig(epochs=100, minutes=2, eval_every=10)
    progress = Progress(epoch=5, step=20, elapsed_s=60)
    clock = Clock(progress, config, num_batches=2)
    assert clock.seconds_left() == 60
    assert clock.evaluations_left() == 2


def test_time_left_is_of_training_and_evaluations() -> None:
    config = TrainingConfig(epochs=4, eval_every=2)
    clock = Clock(Progress(epoch=1, step=10, elapsed_s=60), config, num_batches=10)
    said: list[tuple[float, str]] = []
    events: list[str] = []

    def on_progress(share: float, text: str) -> None:
        said.append((share, text))

    teller = Teller(clock, True, on_progress, lambda _, text: events.append(text))
    teller.step(1.5)
    assert said[-1] == (0.25, "epoch 2/4, loss 1.500, 3 min left without evaluation")
    teller.evaluating(1, 4, ran_s=60)
    # three quarters of this evaluation, the other one, and three minutes of training
    assert said[-1] == (0.25, "evaluating, 1 of 4 pictures, 10 min left")
    clock.evaluation_s = 120
    teller.evaluated(0.4, 0.45)
    assert events == ["25%  evaluation after epoch 2/4: AP 0.400, best 0.450, 5 min left"]
    quiet = Teller(clock, False, on_progress, None)
    quiet.step(1.5)
    assert said[-1][1] == "epoch 2/4, loss 1.500, 3 min left"


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "0 s"), (59.4, "59 s"), (59.7, "1 min"), (3599, "1 h 0 min"), (12_000, "3 h 20 min"),
     (400_000, "4 d 15 h")],
)  # fmt: skip
def test_durations_are_told_in_two_units_at_most(seconds: float, words: str) -> None:
    assert duration(seconds) == words
