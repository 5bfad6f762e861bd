"""The clock of a run: it ends by epochs or by minutes, and mosaics end with it."""

from __future__ import annotations

import pytest

from smalldet.training.clock import Clock
from smalldet.training.sections import TrainingConfig
from smalldet.training.state import Progress


def test_a_run_ends_by_epochs_or_minutes_whichever_is_first() -> None:
    progress = Progress(step=20)
    config = TrainingConfig(epochs=4, minutes=2)
    clock = Clock(progress, config, num_batches=10)
    assert clock.share_done() == 0.5
    clock.count(90.0, 0.0)
    assert clock.share_done() == clock.share_by_time() == 0.75
    no_end = Clock(progress, config.model_copy(update={"minutes": None}), num_batches=10)
    assert (no_end.share_by_time(), no_end.share_done()) == (0, 0.5)


def test_time_is_told_by_step_and_by_wait() -> None:
    progress = Progress()
    clock = Clock(progress, TrainingConfig(batch_size=8), num_batches=10)
    for _ in range(4):
        progress.step += 1
        clock.count(2.0, 0.5)
    assert progress.elapsed_s == 8
    assert clock.speeds() == {"tiles_per_s": 4.0, "wait_frac": 0.25}


@pytest.mark.parametrize(
    ("epoch", "off_frac", "elapsed_s", "position"),
    [
        (0, 0.25, 0, 8 * 30),
        (2, 0.25, 0, 8 * 10),
        (3, 0.25, 0, 0),
        (0, 0.0, 0, 8 * 40),
        (0, 1.0, 0, 0),
        (0, 0.25, 60, 8 * 30),
        (0, 0.25, 90, 0),
    ],
)
def test_mosaics_end_at_a_step_or_as_soon_as_it_is_time(
    epoch: int, off_frac: float, elapsed_s: float, position: int
) -> None:
    """Four epochs of ten batches of eight, or two minutes."""
    config = TrainingConfig(epochs=4, minutes=2, batch_size=8)
    clock = Clock(Progress(epoch=epoch, elapsed_s=elapsed_s), config, num_batches=10)
    assert clock.mosaic_end(off_frac) == position
