"""The training loop, to be read from top to bottom."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from accelerate import Accelerator
from torch import Tensor, nn

from smalldet.data.drawing import draw_batch
from smalldet.data.index import Index
from smalldet.data.loading import loader
from smalldet.data.tiled import TiledDataset
from smalldet.evaluation.evaluate import evaluate
from smalldet.evaluation.report import Report
from smalldet.hardware import choose_precision, keep_freed_memory
from smalldet.models import model_path
from smalldet.models.checkpoints.native import save_detector, transfer
from smalldet.models.detector import Detector
from smalldet.targets import Target
from smalldet.training.ema import Ema
from smalldet.training.journal import Journal
from smalldet.training.optimiser import build_optimiser, set_learning_rate
from smalldet.training.recipe import DataConfig, TrainRecipe
from smalldet.training.sources import read_sources
from smalldet.training.state import Progress, load_state, save_state

SAVE_EVERY_S = 300.0
LOG_EVERY_STEPS = 20
NUM_DRAWN_BATCHES = 2

OnProgress = Callable[[float, str], None]


class TrainingStopped(ArithmeticError):
    """The run cannot go on: the loss is not finite."""


class _Loss(nn.Module):
    """A detector whose forward is its loss: what gets wrapped for several processes."""

    def __init__(self, detector: Detector) -> None:
        super().__init__()
        self.detector = detector

    def forward(self, images: Tensor, targets: list[Target]) -> dict[str, Tensor]:
        return self.detector.loss(images, targets)


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
        TrainingStopped: the loss is not finite; the message names the batch.
    """
    if not resume and (out / "resume.safetensors").exists():
        raise FileExistsError(f"{out}: holds a run already; give --resume or another --out")
    config = recipe.training
    torch.manual_seed(config.seed)
    keep_freed_memory()
    index, val = read_indexes(recipe)
    accelerator = Accelerator(cpu=device == "cpu", mixed_precision="no")
    precision = choose_precision(config.precision, accelerator.device)
    dataset = build_dataset(index, recipe.data, config.seed)
    batches = loader(
        dataset,
        config.batch_size,
        num_workers=config.num_workers,
        seed=config.seed,
        pin_memory=accelerator.device.type == "cuda",
    )
    detector = start_detector(recipe, index.class_names)
    detector.to(accelerator.device, memory_format=torch.channels_last)
    optimiser = build_optimiser(detector, config)
    ema = Ema(detector, config.ema_decay)
    progress = Progress()
    if resume:
        progress = load_state(out / "resume.safetensors", detector, ema, optimiser)
    model = accelerator.prepare(_Loss(detector))
    journal = Journal(out, recipe, str(accelerator.device))
    report: Report | None = None
    saved_at = began = time.monotonic() - progress.elapsed_s
    total_steps = config.epochs * len(batches)

    def share_done() -> float:
        by_steps = progress.step / total_steps
        minutes = config.minutes
        by_time = (time.monotonic() - began) / 60 / minutes if minutes else 0.0
        return max(by_steps, by_time)

    done = share_done() >= 1
    while not done:
        dataset.set_epoch(progress.epoch)
        dataset.set_mosaic(share_done() < 1 - recipe.data.mosaic_off_frac)
        batches.sampler.start_at(progress.batch * config.batch_size)
        detector.train()
        for images, targets in batches:
            if progress.step < NUM_DRAWN_BATCHES:
                draw_batch(images, targets, index.class_names).save(
                    out / f"batch{progress.step}.jpg", quality=85
                )
            factor = set_learning_rate(optimiser, config, progress.step, share_done())
            images = images.to(accelerator.device, memory_format=torch.channels_last)
            targets = [target.to(accelerator.device) for target in targets]
            with torch.autocast(accelerator.device.type, precision, precision != torch.float32):
                terms = model(images, targets)
            loss = torch.stack(list(terms.values())).sum()
            if not math.isfinite(loss.item()):
                raise TrainingStopped(_where(progress, dataset, batches.sampler, config.batch_size))
            optimiser.zero_grad(set_to_none=True)
            accelerator.backward(loss)
            norm = accelerator.clip_grad_norm_(detector.parameters(), config.clip_norm)
            optimiser.step()
            ema.update(detector, progress.step)
            progress.step += 1
            progress.batch += 1
            progress.elapsed_s = time.monotonic() - began
            if progress.step % LOG_EVERY_STEPS == 0:
                values = {name: term.item() for name, term in terms.items()}
                rate = config.lr * factor
                speed = progress.step * config.batch_size / progress.elapsed_s
                journal.write(
                    "train",
                    progress.step,
                    {**values, "norm": float(norm), "lr": rate, "tiles_per_s": speed},
                )
            if on_progress:
                on_progress(share_done(), f"epoch {progress.epoch + 1}  loss {loss.item():.3f}")
            if time.monotonic() - saved_at > SAVE_EVERY_S:
                save_state(out / "resume.safetensors", detector, ema, optimiser, progress)
                saved_at = time.monotonic()
            done = share_done() >= 1
            if done:
                break
        else:
            progress.epoch += 1
            progress.batch = 0
        paused = time.monotonic()
        about = {"step": progress.step, "epoch": progress.epoch, "training": config.start}
        save_detector(out / "last.safetensors", ema.model, recipe.model, about)
        if val is not None and (done or progress.epoch % config.eval_every == 0):
            if on_progress:
                on_progress(share_done(), "evaluating")
            report = evaluate(ema.model, val, device=str(accelerator.device))
            journal.write("val", progress.step, report.headline())
            ap = report.headline()["AP"] or 0.0
            if ap > progress.best_ap:
                progress.best_ap = ap
                save_detector(out / "best.safetensors", ema.model, recipe.model, about)
        save_state(out / "resume.safetensors", detector, ema, optimiser, progress)
        saved_at = time.monotonic()
        began += saved_at - paused
    if report is not None:
        report.write(out / "metrics.json")
    journal.close()
    return report


def read_indexes(recipe: TrainRecipe) -> tuple[Index, Index | None]:
    """Training and validation pictures under the classes of the run."""
    index = read_sources(recipe.data.train, recipe.data.classes)
    if not recipe.data.val:
        return index, None
    val = read_sources(recipe.data.val, index.class_names, declared=False)
    wanted = recipe.training.eval_pictures
    if wanted is not None and wanted < len(val):
        step = len(val) / wanted
        val = Index(val.class_names, tuple(val.records[int(i * step)] for i in range(wanted)))
    return index, val


def build_dataset(index: Index, data: DataConfig, seed: int) -> TiledDataset:
    """Training tiles of a recipe."""
    return TiledDataset(
        index,
        tile_px=data.tile_px,
        train=True,
        seed=seed,
        num_tiles=data.tiles_per_epoch,
        min_visible_frac=data.min_visible_frac,
        empty_frac=data.empty_frac,
        scale_jitter=data.scale_jitter,
        mosaic_prob=data.mosaic_prob,
    )


def start_detector(recipe: TrainRecipe, class_names: Sequence[str]) -> Detector:
    """A detector with the weights that `training.start` names."""
    detector = recipe.model.build(class_names, recipe.data.tile_px)
    start = recipe.training.start
    if start == "imagenet":
        detector.load_imagenet(recipe.training.imagenet_weights)
    elif start != "scratch":
        transfer(model_path(start), detector)
    return detector


def _where(progress: Progress, dataset: TiledDataset, sampler: object, batch_size: int) -> str:
    order = [i for _, i in zip(range((progress.batch + 1) * batch_size), sampler, strict=False)]
    tiles = order[-batch_size:]
    return (
        f"the loss is not finite at step {progress.step}: epoch {progress.epoch}, batch "
        f"{progress.batch}, tiles {tiles} of the epoch (seed {dataset.seed}). The state before it is "
        "in resume.safetensors; a lower training.lr or training.clip_norm usually helps"
    )
