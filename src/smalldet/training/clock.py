"""The clock of a run: how long it has trained, and how much of it is done."""

from __future__ import annotations

import math

import torch

from smalldet.training.sections import TrainingConfig
from smalldet.training.state import Progress


class Clock:
    """Counts a run's seconds; what they make of the run is asked of it.

    Args:
        progress: where the run stands; its `elapsed_s` is counted here.
        config: epochs and minutes of the run.
        num_batches: of an epoch.
        shared_on: device over which processes share the time, None for one process alone.
    """

    def __init__(
        self,
        progress: Progress,
        config: TrainingConfig,
        num_batches: int,
        shared_on: torch.device | None = None,
    ) -> None:
        self.progress, self.config, self.num_batches = progress, config, num_batches
        self.shared_on = shared_on
        self.evaluation_s: float | None = None
        """What an evaluation takes, by the last one; None before the first."""
        self._ran_s = self._waited_s = 0.0

    def share_done(self) -> float:
        """How much of the run is done, by epochs or by minutes, whichever ends it first."""
        by_steps = self.progress.step / (self.config.epochs * self.num_batches)
        return max(by_steps, self.share_by_time())

    def seconds_left(self) -> float | None:
        """Seconds of training that are left, as fast as so far; None before the first step."""
        share = self.share_done()
        return max(self.progress.elapsed_s * (1 - share) / share, 0.0) if share else None

    def evaluations_left(self) -> int:
        """Evaluations that are still to come, the one after the last step included."""
        share, every = self.share_done(), self.config.eval_every
        if share >= 1:
            return 0
        # epochs of the whole run: fewer than it is allowed where its minutes end it
        by_pace = self.progress.step / self.num_batches / share if share else math.inf
        epochs = min(self.config.epochs, by_pace)
        return math.ceil(round(epochs / every, 6)) - self.progress.epoch // every

    def share_by_time(self) -> float:
        """How much of the run's minutes are over; 0 where it has no such end."""
        minutes = self.config.minutes
        return self.progress.elapsed_s / 60 / minutes if minutes else 0.0

    def count(self, step_s: float, waited_s: float) -> None:
        """Count a step.

        Processes go by the clock of the main one, so that all end a run of minutes at the same
        step.

        Args:
            step_s: seconds that it took in all.
            waited_s: those of them that went by until its batch was there.
        """
        self._ran_s += step_s
        self._waited_s += waited_s
        self.progress.elapsed_s += step_s
        if self.config.minutes and self.shared_on is not None:
            elapsed = torch.tensor(self.progress.elapsed_s, device=self.shared_on)
            torch.distributed.broadcast(elapsed, 0)
            self.progress.elapsed_s = float(elapsed)

    def mosaic_end(self, off_frac: float) -> int:
        """Position of the epoch under way from which tiles are no mosaics: 0 as soon as it is time.

        Args:
            off_frac: last part of the run, without mosaics.
        """
        share = 1 - off_frac
        if self.share_by_time() >= share:
            return 0
        last = math.ceil(share * self.config.epochs * self.num_batches)
        return (last - self.progress.epoch * self.num_batches) * self.config.batch_size

    def speeds(self) -> dict[str, float]:
        """Tiles a second since the run began, and the share of time spent waiting for them."""
        return {
            "tiles_per_s": self.progress.step * self.config.batch_size / self.progress.elapsed_s,
            "wait_frac": self._waited_s / self._ran_s,
        }
