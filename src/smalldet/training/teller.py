"""What a run says while it goes: how far it is, what it measured, and how long it takes yet."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Literal

from smalldet.training.clock import Clock
from smalldet.training.duration import duration

OnProgress = Callable[[float, str], None]
"""Called with the share done (0..1) and a line of text."""

Event = Literal["epoch", "evaluation", "end"]
OnEvent = Callable[[Event, str], None]
"""Called with what has ended, an epoch, an evaluation or the run, and a line of text."""


class Teller:
    """Tells of a run.

    Args:
        clock: of the run.
        measures: the run has pictures to measure on.
        on_progress: called at every step and at every picture of an evaluation.
        on_event: called at every epoch's and evaluation's end, and where a run ends early.
    """

    def __init__(
        self,
        clock: Clock,
        measures: bool,
        on_progress: OnProgress | None,
        on_event: OnEvent | None,
    ) -> None:
        self.clock, self.measures = clock, measures
        self.on_progress, self.on_event = on_progress, on_event
        self._loss = ""

    def step(self, loss: float) -> None:
        self._loss = f", loss {loss:.3f}"
        if self.on_progress is not None:
            left = self._left(self.clock.evaluations_left())
            self.on_progress(self._share(), f"{self._epoch()}{self._loss}{left}")

    def epoch(self) -> None:
        """An epoch has ended; it is not yet counted as done."""
        self._event("epoch", f"{self._epoch()} done{self._loss}")

    def evaluating(self, done: int, total: int, ran_s: float) -> None:
        """Some pictures of an evaluation are predicted."""
        if self.clock.evaluation_s is None:
            self.clock.evaluation_s = ran_s / done * total
        if self.on_progress is not None:
            left = self._left(self.clock.evaluations_left() - 1, ran_s / done * (total - done))
            text = f"evaluating, {done} of {total} pictures{left}"
            self.on_progress(self._share(), text)

    def evaluated(self, ap: float, best_ap: float) -> None:
        self._event(
            "evaluation", f"evaluation after {self._epoch()}: AP {ap:.3f}, best {best_ap:.3f}"
        )

    def out_of_patience(self, num_stale: int) -> None:
        self._end(f"ended early: {num_stale} evaluations without a better AP (training.patience)")

    def finished_before(self, out: Path, model: str) -> None:
        report = " and ".join(
            str(out / name) for name in ("metrics.json", "summary.txt") if (out / name).exists()
        )
        self._end(
            f"{out}: this run is finished; nothing is left to train. Model: "
            f"{out / f'{model}.safetensors'}; report: {report}"
        )

    def _event(self, event: Event, text: str) -> None:
        if self.on_event is not None:
            share = self._share()
            # the evaluation of this epoch has just been, or is the next thing to come
            num = self.clock.evaluations_left() - (event == "evaluation")
            left = self._left(num) if share < 1 else ""
            self.on_event(event, f"{share:.0%}  {text}{left}")

    def _share(self) -> float:
        """A run by minutes ends with the step that is under way, so a little late."""
        return min(self.clock.share_done(), 1.0)

    def _end(self, text: str) -> None:
        if self.on_event is not None:
            self.on_event("end", text)

    def _epoch(self) -> str:
        progress, config = self.clock.progress, self.clock.config
        return f"epoch {progress.epoch + 1}/{config.epochs}"

    def _left(self, num_evaluations: int, evaluating_s: float = 0.0) -> str:
        """`, 12 min left`: of training, the evaluation under way, and those to come."""
        seconds = self.clock.seconds_left()
        if seconds is None:
            return ""
        if not self.measures or num_evaluations <= 0:
            return f", {duration(seconds + evaluating_s)} left"
        if self.clock.evaluation_s is None:
            return f", {duration(seconds)} left without evaluation"
        each = num_evaluations * self.clock.evaluation_s
        return f", {duration(seconds + evaluating_s + each)} left"
