"""Tiles a second of smalldet's training, loader and step apart, and what their time is made of.

Run by `speed/training.py` in a process of its own; its last line is JSON.
"""

from __future__ import annotations

import json
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from cyclopts import run
from torch import nn

from smalldet.data import mosaic, pictures, tiled, transforms
from smalldet.data.loading import Batch, collate
from smalldet.training.recipe import recipe_for_labels
from smalldet.training.run import Run

NUM_TAKEN_APART = 200
NO_END = 1 << 20


class Stopwatch:
    """Time spent in functions, less that of timed functions within them."""

    def __init__(self, read: Callable[[], float], device: torch.device | None = None) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self.read = read
        self.device = device
        self._within = [0.0]

    def time(self, owner: Any, name: str, label: str) -> None:
        """From now on, time `owner.name`."""
        setattr(owner, name, self.timed(getattr(owner, name), label))

    def timed(self, function: Callable[..., Any], label: str) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            begin = self.now()
            self._within.append(0.0)
            result = function(*args, **kwargs)
            taken = self.now() - begin
            self.seconds[label] += taken - self._within.pop()
            self._within[-1] += taken
            return result

        return call

    def now(self) -> float:
        if self.device is not None and self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        return self.read()

    def shares(self) -> dict[str, float]:
        whole = sum(self.seconds.values())
        return {label: seconds / whole for label, seconds in self.seconds.items()}


def main(
    folder: Path,
    *,
    batch: int,
    workers: int,
    steps: int,
    tile_batches: int,
    warm_batches: int,
    cpu_clock: bool = False,
    device: str = "auto",
) -> None:
    """Measure on `folder/train.json` and print JSON."""
    overrides = (
        f"training.batch_size={batch}", f"training.num_workers={workers}",
        f"data.tiles_per_epoch={NO_END * batch}", "data.cache_mb=4000",
    )  # fmt: skip
    read = time.process_time if cpu_clock else time.perf_counter
    with tempfile.TemporaryDirectory() as out:
        recipe = recipe_for_labels(folder, overrides)
        training = Run(recipe, Path(out), resume=False, device=device, on_progress=None)
        training.detector.train()
        batches = iter(training.batches)
        for _ in islice(batches, warm_batches):
            pass
        begin = read()
        for _ in islice(batches, tile_batches):
            pass
        said: dict[str, Any] = {"loader": batch * tile_batches / (read() - begin)}
        ready = list(islice(batches, steps + 1))
        time.sleep(3)  # workers fill their queue, and then rest
        clock = Stopwatch(read, training.device)
        said["step"] = step_speed(training, iter(ready), clock)
        said["trained"] = step_speed(training, islice(batches, steps + 1), clock)
        said["step parts"] = step_parts(training, ready, clock)
        said["tile parts"] = tile_parts(training, batch, Stopwatch(read))
        said["precision"] = str(training.precision).removeprefix("torch.")
        training.close()
    print(json.dumps(said))


def step_speed(training: Run, batches: Iterator[Batch], clock: Stopwatch) -> float:
    """Tiles a second; the first batch is not counted."""
    ends = []
    for one in batches:
        training.train_step(one)
        training.progress.step += 1
        ends.append(clock.now())
    return (len(ends) - 1) * training.config.batch_size / (ends[-1] - ends[0])


def step_parts(training: Run, batches: list[Batch], clock: Stopwatch) -> dict[str, float]:
    """Shares of a step's time."""
    detector: Any = training.detector
    clock.time(detector, "network", "forward")
    clock.time(detector, "assigner", "assigner")
    clock.time(detector, "losses", "losses")
    clock.time(training.accelerator, "backward", "backward")
    clock.time(nn.utils, "clip_grad_norm_", "clipping")
    clock.time(training.optimiser, "step", "optimiser")
    clock.time(training.ema, "update", "average")
    whole = clock.timed(training.train_step, "rest")
    for one in batches[1:]:
        whole(one)
        training.progress.step += 1
    return clock.shares()


def tile_parts(training: Run, batch: int, clock: Stopwatch) -> dict[str, float]:
    """Shares of the time that a tile takes, in one process that has decoded all pictures."""
    dataset = training.dataset
    for record in dataset.index.records:
        dataset._pictures.read(record, (0, 0, 1, 1))
    clock.time(pictures.Pictures, "read", "cut")
    clock.time(tiled, "resized", "resize")
    clock.time(tiled, "labels_in", "labels")
    clock.time(mosaic, "joined_tiles", "mosaic")
    transforms.TRANSFORMS = tuple(
        one._replace(apply=clock.timed(one.apply, one.name)) for one in transforms.TRANSFORMS
    )
    tile, stack = clock.timed(dataset.__getitem__, "rest"), clock.timed(collate, "collate")
    for start in range(0, NUM_TAKEN_APART, batch):
        stack([tile(start + i) for i in range(batch)])
    return clock.shares()


if __name__ == "__main__":
    run(main)
