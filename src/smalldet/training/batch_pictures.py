"""Pictures of training batches: of the first ones, and of one whose loss is not finite."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from smalldet.data.drawing import draw_batch
from smalldet.data.loading import Batch
from smalldet.training.state import Progress

NUM_DRAWN_BATCHES = 2


class LossNotFiniteError(ArithmeticError):
    """Training cannot go on; the message names the batch."""


def draw_first_batches(batch: Batch, class_names: Sequence[str], step: int, out: Path) -> None:
    """Write `batch0.jpg` and on; later batches are not drawn."""
    if step < NUM_DRAWN_BATCHES:
        draw_batch(*batch, class_names).save(out / f"batch{step}.jpg", quality=85)


def not_finite(
    batch: Batch, class_names: Sequence[str], progress: Progress, out: Path, state: Path
) -> LossNotFiniteError:
    """The error of a batch, which is drawn as `bad_batch.jpg`.

    Args:
        batch: images and targets on whatever device.
        class_names: of the run.
        progress: where the run stands.
        out: run folder.
        state: file of the last saved state, for the message.
    """
    images, targets = batch
    picture = out / "bad_batch.jpg"
    draw_batch(images.cpu(), [t.to("cpu") for t in targets], class_names).save(picture)
    return LossNotFiniteError(
        f"the loss is not finite at step {progress.step}: epoch {progress.epoch}, "
        f"batch {progress.batch}, drawn in {picture}. The state of the last save is in {state}; "
        "a lower training.lr usually helps"
    )
