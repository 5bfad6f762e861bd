"""The training loop, to be read from top to bottom."""

from __future__ import annotations

from pathlib import Path

from smalldet.evaluation.report import Report
from smalldet.training.recipe import TrainRecipe
from smalldet.training.run import Run
from smalldet.training.stopping import StopRequest
from smalldet.training.teller import OnEvent, OnProgress


def train(
    recipe: TrainRecipe,
    out: Path,
    *,
    resume: bool = False,
    device: str = "auto",
    on_progress: OnProgress | None = None,
    on_event: OnEvent | None = None,
) -> Report | None:
    """Train a detector and write a run folder.

    Args:
        recipe: what to do.
        out: run folder: `best.safetensors`, `last.safetensors` (both usable models), `recipe.yaml`,
            `versions.json`, `log.jsonl`, `tensorboard/`, `metrics.json`, `summary.txt`, pictures of
            batches and (in `val/`) of what is found and missed.
        resume: go on from `out/resume.safetensors`.
        device: `auto` or `cpu`.
        on_progress: called with the share done (0..1) and a line of text.
        on_event: called with `epoch`, `evaluation` or `end`, and a line of text.

    Returns:
        The report of the last evaluation; None if the recipe names no validation data, if the run
        was finished before, and in all processes but the main one. Only that one writes files.

    Raises:
        FileExistsError: `out` holds a run, and `resume` is not set.
        LossNotFiniteError: the loss is not finite; see `batch_pictures`.
        RunStoppedError: SIGINT or SIGTERM came; the state is saved. It is a KeyboardInterrupt.
    """
    if not resume and (out / "resume.safetensors").exists():
        raise FileExistsError(f"{out}: holds a run already; give --resume or another --out")
    run = Run(recipe, out, resume=resume, device=device, on_progress=on_progress, on_event=on_event)
    report: Report | None = None
    try:
        if run.was_finished():
            return None
        with StopRequest() as run.stop:
            over = False
            while not over:  # a run that was stopped amid its last evaluation has that to do yet
                run.stop_if_asked()
                run.train_epoch()
                if run.val is not None and run.evaluation_is_due():
                    report = run.evaluate(run.val)
                run.close_epoch()
                run.save()
                over = run.is_over()
            run.summarise(report)
    finally:
        run.close()
    return report
