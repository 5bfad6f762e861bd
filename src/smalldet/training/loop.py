"""The training loop, to be read from top to bottom."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from pathlib import Path

import torch
from accelerate import Accelerator
from torch import Tensor, nn

from smalldet.data.drawing import draw_batch
from smalldet.data.index import Index
from smalldet.data.loading import Batch, loader
from smalldet.evaluation.evaluate import evaluate
from smalldet.evaluation.report import Report
from smalldet.hardware import choose_precision, keep_freed_memory
from smalldet.models.checkpoints.native import save_detector
from smalldet.models.detector import Detector
from smalldet.targets import Target
from smalldet.training.ema import Ema
from smalldet.training.journal import Journal
from smalldet.training.optimiser import build_optimiser, set_learning_rate
from smalldet.training.recipe import TrainRecipe
from smalldet.training.setup import build_dataset, read_indexes, start_detector
from smalldet.training.state import Progress, load_state, save_state

SAVE_EVERY_S = 300.0
LOG_EVERY_STEPS = 20
NUM_DRAWN_BATCHES = 2
LOGGED_METRICS = ("AP", "AP50", "AP75", "AR", "best_F1", "best_conf")

OnProgress = Callable[[float, str], None]


class LossNotFiniteError(ArithmeticError):
    """Training cannot go on; the message names the batch."""


def train(
    recipe: TrainRecipe,
    out: Path,
    *,
    resume: bool = False,
    device: str = "auto",
    on_progress: OnProgress | None = None,
) -> Report | None:
    """Train a detector and write a run folder.

    Args:
        recipe: what to do.
        out: run folder: `best.safetensors`, `last.safetensors` (both usable models), `recipe.yaml`,
            `versions.json`, `log.jsonl`, `tensorboard/`, `metrics.json`, pictures of batches.
        resume: go on from `out/resume.safetensors`.
        device: `auto` or `cpu`.
        on_progress: called with the share done (0..1) and a line of text.

    Returns:
        The report of the last evaluation; None if the recipe names no validation data.

    Raises:
        FileExistsError: `out` holds a run, and `resume` is not set.
        LossNotFiniteError: the loss is not finite.
    """
    if not resume and (out / "resume.safetensors").exists():
        raise FileExistsError(f"{out}: holds a run already; give --resume or another --out")
    run = Run(recipe, out, resume=resume, device=device, on_progress=on_progress)
    report: Report | None = None
    try:
        while run.share_done() < 1:
            run.train_epoch()
            finished = run.share_done() >= 1
            if run.val is not None and (
                finished or run.progress.epoch % run.config.eval_every == 0
            ):
                report = run.evaluate(run.val)
            run.save()
    finally:
        run.journal.close()
    if report is not None:
        report.write(out / "metrics.json")
    return report


class LossOf(nn.Module):
    """A detector whose forward is its loss: what gets wrapped for several processes."""

    def __init__(self, detector: Detector) -> None:
        super().__init__()
        self.detector = detector

    def forward(self, images: Tensor, targets: list[Target]) -> dict[str, Tensor]:
        return self.detector.loss(images, targets)


class Run:
    """A training run under way: its detector, its data, and where it stands."""

    def __init__(
        self,
        recipe: TrainRecipe,
        out: Path,
        *,
        resume: bool,
        device: str,
        on_progress: OnProgress | None,
    ) -> None:
        self.recipe, self.config, self.out = recipe, recipe.training, out
        self.on_progress = on_progress or (lambda share, text: None)
        torch.manual_seed(self.config.seed)
        keep_freed_memory()
        index, self.val = read_indexes(recipe)
        self.accelerator = Accelerator(cpu=device == "cpu", mixed_precision="no")
        self.device = self.accelerator.device
        self.precision = choose_precision(self.config.precision, self.device)
        self.dataset = build_dataset(index, recipe.data, self.config.seed)
        self.batches = loader(
            self.dataset,
            self.config.batch_size,
            num_workers=self.config.num_workers,
            seed=self.config.seed,
            pin_memory=self.device.type == "cuda",
        )
        self.detector = start_detector(recipe, index.class_names)
        self.detector.to(self.device, memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
        self.optimiser = build_optimiser(self.detector, self.config)
        self.ema = Ema(self.detector, self.config.ema_decay)
        self.progress = Progress()
        if resume:
            self.progress = load_state(
                out / "resume.safetensors", self.detector, self.ema, self.optimiser
            )
        self.model = self.accelerator.prepare(LossOf(self.detector))
        self.journal = Journal(out, recipe, str(self.device))

    def share_done(self) -> float:
        """How much of the run is done, by epochs or by minutes, whichever ends it first."""
        by_steps = self.progress.step / (self.config.epochs * len(self.batches))
        minutes = self.config.minutes
        by_time = self.progress.elapsed_s / 60 / minutes if minutes else 0.0
        return max(by_steps, by_time)

    def train_epoch(self) -> None:
        """Train to the end of the epoch under way, or of the run."""
        progress, batch_size = self.progress, self.config.batch_size
        self.dataset.set_epoch(progress.epoch)
        self.dataset.set_mosaic(self.share_done() < 1 - self.recipe.data.mosaic_off_frac)
        self.batches.sampler.start_at(progress.batch * batch_size)  # pyright: ignore[reportAttributeAccessIssue]
        self.detector.train()
        saved_at = began = time.monotonic()
        for batch in self.batches:
            terms = self.train_step(batch)
            progress.step += 1
            progress.batch += 1
            progress.elapsed_s += time.monotonic() - began
            began = time.monotonic()
            self._tell(terms)
            if began - saved_at > SAVE_EVERY_S:
                save_state(self._state_path, self.detector, self.ema, self.optimiser, progress)
                saved_at = began
            if self.share_done() >= 1:
                break
        if progress.batch >= len(self.dataset) // batch_size:
            progress.epoch, progress.batch = progress.epoch + 1, 0

    def train_step(self, batch: Batch) -> dict[str, float]:
        """One step of the optimiser; returns the terms of the loss, and more to log."""
        images, targets = batch
        if self.progress.step < NUM_DRAWN_BATCHES:
            picture = draw_batch(images, targets, self.dataset.class_names)
            picture.save(self.out / f"batch{self.progress.step}.jpg", quality=85)
        factor = set_learning_rate(
            self.optimiser, self.config, self.progress.step, self.share_done()
        )
        images = images.to(self.device, memory_format=torch.channels_last)
        targets = [target.to(self.device) for target in targets]
        with torch.autocast(self.device.type, self.precision, self.precision != torch.float32):
            terms = self.model(images, targets)
        loss = torch.stack(list(terms.values())).sum()
        if not math.isfinite(loss.item()):
            raise LossNotFiniteError(self._where(images, targets))
        self.optimiser.zero_grad(set_to_none=True)
        self.accelerator.backward(loss)
        norm = nn.utils.clip_grad_norm_(self.detector.parameters(), self.config.clip_norm)
        self.optimiser.step()
        self.ema.update(self.detector, self.progress.step)
        values = {name: term.item() for name, term in terms.items()}
        return {**values, "loss": loss.item(), "norm": norm.item(), "lr": self.config.lr * factor}

    def evaluate(self, val: Index) -> Report:
        """Measure the averaged weights on `val`, and keep them if they are the best so far.

        The confidence of the best F1 there becomes the model's own.
        """
        self.on_progress(self.share_done(), "evaluating")
        report = evaluate(self.ema.model, val, device=str(self.device))
        metrics = {k: v for k, v in report.metrics.items() if k in LOGGED_METRICS}
        self.journal.write("val", self.progress.step, metrics)
        self.ema.model.conf = report.metrics["best_conf"] or Detector.conf
        ap = report.metrics["AP"] or 0.0
        if ap > self.progress.best_ap:
            self.progress.best_ap = ap
            self._save_model("best")
        return report

    def save(self) -> None:
        """Write the last model and the state to go on from."""
        self._save_model("last")
        save_state(self._state_path, self.detector, self.ema, self.optimiser, self.progress)

    @property
    def _state_path(self) -> Path:
        return self.out / "resume.safetensors"

    def _save_model(self, name: str) -> None:
        about = {
            "recipe": self.recipe.model_dump(mode="json"),
            "steps": self.progress.step,
            "minutes": round(self.progress.elapsed_s / 60, 1),
        }
        save_detector(self.out / f"{name}.safetensors", self.ema.model, self.recipe.model, about)

    def _tell(self, terms: dict[str, float]) -> None:
        progress = self.progress
        self.on_progress(self.share_done(), f"epoch {progress.epoch + 1}  loss {terms['loss']:.3f}")
        if progress.step % LOG_EVERY_STEPS == 0:
            speed = progress.step * self.config.batch_size / progress.elapsed_s
            self.journal.write("train", progress.step, {**terms, "tiles_per_s": speed})

    def _where(self, images: Tensor, targets: list[Target]) -> str:
        picture = self.out / "bad_batch.jpg"
        draw_batch(images.cpu(), [t.to("cpu") for t in targets], self.dataset.class_names).save(
            picture
        )
        return (
            f"the loss is not finite at step {self.progress.step}: epoch {self.progress.epoch}, "
            f"batch {self.progress.batch}, drawn in {picture}. The state of the last save is in "
            f"{self._state_path}; a lower training.lr usually helps"
        )
