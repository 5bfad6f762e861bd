"""A training run under way: its steps, its evaluations, and what it keeps of itself."""

from __future__ import annotations

import math
import time
from dataclasses import replace
from pathlib import Path

import torch
from accelerate import Accelerator, DistributedDataParallelKwargs
from torch import nn

from smalldet.atomic_write import write_text
from smalldet.data.index import Index
from smalldet.data.loading import Batch, loader
from smalldet.detections import Detections
from smalldet.evaluation.comparison import compare
from smalldet.evaluation.report import Report, judged_by
from smalldet.evaluation.resolvability import resolvable_sides
from smalldet.evaluation.scoring import report_of
from smalldet.hardware import choose_precision, keep_freed_memory
from smalldet.models.checkpoints.native import read_metadata, save_detector
from smalldet.models.detector import Detector
from smalldet.training.batch_pictures import draw_first_batches, not_finite
from smalldet.training.clock import Clock
from smalldet.training.ema import Ema
from smalldet.training.loggers import require
from smalldet.training.optimiser import build_optimiser, set_learning_rate
from smalldet.training.recipe import TrainRecipe
from smalldet.training.run_log import RunLog
from smalldet.training.run_page import keep_best, write_run_page
from smalldet.training.seen import seen_in
from smalldet.training.setup import (
    LossOf,
    build_dataset,
    fitted,
    read_indexes,
    set_training_mode,
    start_detector,
    start_teacher,
)
from smalldet.training.state import Progress, load_state, save_state
from smalldet.training.stopping import RunStoppedError, StopRequest
from smalldet.training.summary import summary
from smalldet.training.teller import OnEvent, OnProgress, Teller
from smalldet.training.validation import draw_spread, predict_shared

LOG_EVERY_STEPS = 20
LOGGED_METRICS = (
    *("AP", "AP50", "AP75", "AR", "best_F1", "best_conf"),
    *("OBB_AP", "OBB_AP50", "OBB_AP75"),
)


class Run:
    """A detector, its data, and where they stand."""

    def __init__(
        self,
        recipe: TrainRecipe,
        out: Path,
        *,
        resume: bool,
        device: str,
        on_progress: OnProgress | None = None,
        on_event: OnEvent | None = None,
    ) -> None:
        self.recipe, self.config, self.out = recipe, recipe.training, out
        self.stop = StopRequest()
        require(self.config.logger)
        torch.manual_seed(self.config.seed)
        keep_freed_memory()
        index, self.val = read_indexes(recipe)
        if self.config.patience is not None and self.val is None:
            raise ValueError("training.patience counts evaluations: name pictures in data.val")
        self.recipe = recipe = fitted(recipe, index)
        # A batch without objects leaves parts of some detectors without a gradient.
        parallel = DistributedDataParallelKwargs(find_unused_parameters=True)
        self.accelerator = Accelerator(
            cpu=device == "cpu", mixed_precision="no", kwargs_handlers=[parallel]
        )
        self.device, self.is_main = self.accelerator.device, self.accelerator.is_main_process
        self.precision = choose_precision(self.config.precision, self.device)
        self.dataset = build_dataset(index, recipe)
        self.batches = loader(
            self.dataset,
            self.config.batch_size,
            num_workers=self.config.num_workers,
            num_processes=self.accelerator.num_processes,
            process=self.accelerator.process_index,
            pin_memory=self.device.type == "cuda",
        )
        self.num_batches = len(self.batches)
        self.detector = start_detector(recipe, index.class_names, self.dataset)
        self.detector.seen = seen_in(index, recipe.data.match_gsd_m, recipe.model.needs_rboxes)
        self.detector.to(self.device, memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
        self.optimiser = build_optimiser(self.detector, self.config)
        self.ema = Ema(self.detector, self.config.ema_decay)
        self.progress = Progress()
        if resume:
            self.progress = load_state(
                out / "resume.safetensors", self.detector, self.ema, self.optimiser
            )
            self.ema.model.conf = self.progress.conf
            if (out / "last.safetensors").is_file():  # it knows what evaluations have measured
                self.ema.model.seen = read_metadata(out / "last.safetensors")["seen"]
        set_training_mode(self.detector, self.config.freeze_norms)
        teacher = start_teacher(recipe, self.detector)
        self.model = self.accelerator.prepare(LossOf(self.detector, self.precision, teacher))
        self.run_log = (
            RunLog(out, recipe, str(self.device), self.progress.step) if self.is_main else None
        )
        shared_on = self.device if self.accelerator.num_processes > 1 else None
        self.clock = Clock(self.progress, self.config, self.num_batches, shared_on)
        if self.run_log is not None:
            self.clock.evaluation_s = self.run_log.last("val", "seconds")
        self.teller = Teller(self.clock, self.val is not None, on_progress, on_event)

    def share_done(self) -> float:
        """How much of the run is done, by epochs or by minutes, whichever ends it first."""
        return self.clock.share_done()

    def is_over(self) -> bool:
        """Whether nothing is left to train: by epochs, by minutes or by patience."""
        return self.share_done() >= 1 or self._is_out_of_patience()

    def was_finished(self) -> bool:
        """Whether an earlier process brought the run to its end; if so, it is told."""
        written = self.out / "summary.txt"
        if not self._of_main(self.is_over() and written.exists()):
            if self.is_main:
                written.unlink(missing_ok=True)  # it is the mark of a finished run
            return False
        if self.is_main:
            self.teller.finished_before(self.out, "last" if self.val is None else "best")
        return True

    def stop_if_asked(self) -> None:
        """Save the state and stop where SIGINT or SIGTERM has come."""
        signum = self._of_main(self.stop.signum or 0)
        if signum:
            self._save_state()
            raise RunStoppedError(signum)

    def train_epoch(self) -> None:
        """Train to the end of the epoch under way, or of the run if that comes first."""
        progress = self.progress
        self.dataset.set_epoch(progress.epoch)
        self._end_mosaic()
        self.batches.sampler.start_at(progress.batch * self.config.batch_size)  # pyright: ignore[reportAttributeAccessIssue]
        saved_at = began = time.monotonic()
        for batch in self.batches if not self.is_over() else ():
            waited_s = time.monotonic() - began
            terms = self.train_step(batch)
            progress.step += 1
            progress.batch += 1
            self.clock.count(time.monotonic() - began, waited_s)
            began = time.monotonic()
            self._tell(terms)
            self._end_mosaic()
            if began - saved_at >= self.config.save_every_s:
                self._save_state()
                saved_at = began
            if self.share_done() >= 1:
                break
            self.stop_if_asked()
        if self.is_main and self._epoch_has_ended():
            self.teller.epoch()

    def close_epoch(self) -> None:
        """Count the epoch as done, if it is; an evaluation belongs to it until then."""
        if self._epoch_has_ended():
            self.progress.epoch, self.progress.batch = self.progress.epoch + 1, 0

    def evaluation_is_due(self) -> bool:
        """Whether it is time to measure: at the end, and at every so many epochs."""
        turn = (self.progress.epoch + 1) % self.config.eval_every == 0
        return self.is_over() or (self._epoch_has_ended() and turn)

    def train_step(self, batch: Batch) -> dict[str, float]:
        """One step of the optimiser; returns the terms of the loss, and more to log."""
        images, targets = batch
        # Detectors that draw samples of their own draw the same after a stop.
        torch.manual_seed(self.config.seed + (self.progress.step << 32))
        names = self.dataset.class_names
        if self.is_main:
            draw_first_batches(batch, names, self.progress.step, self.out)
        factor = set_learning_rate(
            self.optimiser, self.config, self.progress.step, self.share_done()
        )
        images = images.to(self.device, non_blocking=True, memory_format=torch.channels_last)
        targets = [target.to(self.device, non_blocking=True) for target in targets]
        terms = self.model(images, targets)
        loss = torch.stack(list(terms.values())).sum()
        if not math.isfinite(loss.item()):
            raise not_finite((images, targets), names, self.progress, self.out, self._state_path)
        self.optimiser.zero_grad(set_to_none=True)
        self.accelerator.backward(loss)
        norm = nn.utils.clip_grad_norm_(self.detector.parameters(), self.config.clip_norm)
        self.optimiser.step()
        self.ema.update(self.detector, self.progress.step)
        # one copy from the device, not one for each term
        told = torch.stack([*terms.values(), loss, norm]).tolist()
        values = dict(zip((*terms, "loss", "norm"), told, strict=True))
        return {**values, "lr": self.config.lr * factor}

    def evaluate(self, val: Index) -> Report | None:
        """Measure the averaged weights on `val`, and keep them if they are the best so far.

        The confidence of the best F1 there becomes the model's own. Every process predicts its
        share of the pictures; only the main one scores them and has the report.
        """
        began = time.monotonic()

        def on_picture(done: int, total: int) -> None:
            if self.is_main:
                self.teller.evaluating(done, total, time.monotonic() - began)
            if self.accelerator.num_processes == 1:  # several agree on it after their next step
                self.stop_if_asked()

        for buffer in self.ema.model.buffers() if self.accelerator.num_processes > 1 else ():
            torch.distributed.broadcast(buffer, 0)
        detections = predict_shared(self.ema.model, val, self.accelerator, on_picture)
        report = self._score(val, detections, began) if self.is_main else None
        self.progress.num_stale = self._of_main(self.progress.num_stale)
        return report

    def _score(self, val: Index, detections: list[Detections], began: float) -> Report:
        assert self.run_log is not None
        model = self.ema.model
        comparison = compare(val, detections, conf=model.conf, max_detections=1500)
        report = report_of(comparison, detections)
        report.write(self.out / "metrics.json")
        self.progress.conf = model.conf = report.metrics["best_conf"] or Detector.conf
        comparison = replace(comparison, conf=model.conf)
        sides = resolvable_sides(comparison, model.seen, model.class_names)
        model.seen = model.seen.model_copy(update={"resolvable_px": sides})
        pictures = draw_spread(val, detections, self.ema.model.conf, self.out / "val")
        self.run_log.show("val", self.progress.step, pictures)
        ap = report.metrics[judged_by(report.metrics)] or 0.0
        if ap > self.progress.best_ap:
            self.progress.best_ap, self.progress.num_stale = ap, 0
            self._save_model("best")
            keep_best(self.out, self.recipe, val, detections, self.progress.conf)
        else:
            self.progress.num_stale += 1
        metrics = {k: v for k, v in report.metrics.items() if k in LOGGED_METRICS}
        seconds = self.clock.evaluation_s = round(time.monotonic() - began, 2)
        self.run_log.write("val", self.progress.step, {**metrics, "seconds": seconds})
        self.teller.evaluated(ap, self.progress.best_ap)
        return report

    def save(self) -> None:
        """Write the last model and the state to go on from."""
        if self.is_main:
            self._save_model("last")
        self._save_state()

    def summarise(self, report: Report | None) -> None:
        """Write what a person can act on to `summary.txt`."""
        if self.run_log is not None:
            if self.share_done() < 1:
                num_stale = self.progress.num_stale
                self.run_log.write("stop", self.progress.step, {"num_stale": num_stale})
                self.teller.out_of_patience(num_stale)
            if self.val is not None:
                write_run_page(self.out, self.run_log.lines())
            lines = summary(self.run_log.lines(), self.dataset.index, report, self.recipe, self.out)
            write_text(self.out / "summary.txt", "\n".join(lines) + "\n")

    def close(self) -> None:
        if self.run_log is not None:
            self.run_log.close()

    def _is_out_of_patience(self) -> bool:
        patience = self.config.patience
        return patience is not None and self.progress.num_stale >= patience

    def _epoch_has_ended(self) -> bool:
        return self.progress.batch >= self.num_batches

    def _of_main(self, value: int) -> int:
        """What the main process says, in all of them."""
        if self.accelerator.num_processes == 1:
            return value
        shared = torch.tensor(value, device=self.device)
        torch.distributed.broadcast(shared, 0)
        return int(shared)

    def _save_state(self) -> None:
        if self.is_main:
            save_state(self._state_path, self.detector, self.ema, self.optimiser, self.progress)

    def _end_mosaic(self) -> None:
        self.dataset.end_mosaic_at(self.clock.mosaic_end(self.recipe.data.mosaic_off_frac))

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
        if self.run_log is None:
            return
        self.teller.step(terms["loss"])
        if progress.step % LOG_EVERY_STEPS == 0:
            self.run_log.write("train", progress.step, {**terms, **self.clock.speeds()})
