"""What a step of training costs on this machine: time by the clock, memory by what is kept."""

from __future__ import annotations

import time
from dataclasses import dataclass

import torch
from torch import Tensor

from smalldet.data.index import Index
from smalldet.data.loading import loader
from smalldet.hardware import choose_device, choose_precision
from smalldet.models.detector import Detector
from smalldet.training.optimiser import build_optimiser
from smalldet.training.recipe import TrainRecipe
from smalldet.training.setup import LossOf, build_dataset, set_training_mode

MOST_TILES = 4
NUM_STEPS = 2
# weights, their gradients, two moments and a moving average
COPIES_OF_WEIGHTS = 5
# what a step needs beside what its layers keep for the way back, measured on Speck
WORKSPACE = 1.5


@dataclass(frozen=True)
class Cost:
    """Of training, measured in a few steps.

    Args:
        tile_s: seconds for a tile: reading, changing, and learning from it.
        read_s: the part of it that reads and changes.
        tile_bytes: memory that a tile of a batch takes.
        fixed_bytes: memory whatever the batch.
        tiles_per_epoch: of the recipe.
        device: that it was measured on.
    """

    tile_s: float
    read_s: float
    tile_bytes: float
    fixed_bytes: float
    tiles_per_epoch: int
    device: str

    @property
    def epoch_minutes(self) -> float:
        return self.tile_s * self.tiles_per_epoch / 60

    def largest_batch(self, memory_bytes: float) -> int:
        """Tiles at a time that fit, 0 if not one does."""
        return max(0, int((memory_bytes - self.fixed_bytes) / self.tile_bytes))


def measure_cost(recipe: TrainRecipe, index: Index, detector: Detector, device: str) -> Cost:
    """Take a few steps; the detector's weights are changed by them.

    Args:
        recipe: fitted.
        index: training pictures.
        detector: of the recipe, on the CPU.
        device: auto, cpu, cuda, ...
    """
    on = choose_device(device)
    batch = min(MOST_TILES, recipe.training.batch_size)
    enough = recipe.data.model_copy(update={"tiles_per_epoch": batch * (1 + NUM_STEPS)})
    tiles = build_dataset(index, recipe.model_copy(update={"data": enough}))
    batches = iter(loader(tiles, batch, num_workers=0))
    detector.to(on, memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
    set_training_mode(detector, recipe.training.freeze_norms)
    loss_of = LossOf(detector, choose_precision(recipe.training.precision, on))
    optimiser = build_optimiser(detector, recipe.training)
    kept = _Kept()
    read_s, learn_s = [], []
    for step in range(1 + NUM_STEPS):
        began = time.perf_counter()
        images, targets = next(batches)
        read = time.perf_counter()
        images = images.to(on, memory_format=torch.channels_last)
        targets = [target.to(on) for target in targets]
        with torch.autograd.graph.saved_tensors_hooks(kept.note, lambda tensor: tensor):
            loss = torch.stack(list(loss_of(images, targets).values())).sum()
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
        if on.type == "cuda":
            torch.cuda.synchronize(on)
        if step:  # the first one warms up
            read_s.append(read - began)
            learn_s.append(time.perf_counter() - read)
        kept.forget()
    weights = sum(weight.nbytes for weight in detector.parameters())
    reading, learning = min(read_s) / batch, min(learn_s) / batch
    # beside a GPU, processes read while it learns; on a CPU all share the cores
    together = max(reading, learning) if on.type == "cuda" else reading + learning
    return Cost(
        tile_s=together,
        read_s=reading,
        tile_bytes=WORKSPACE * kept.most / batch,
        fixed_bytes=COPIES_OF_WEIGHTS * weights,
        tiles_per_epoch=len(build_dataset(index, recipe)),
        device=str(on),
    )


class _Kept:
    """Counts the bytes that a step keeps for its way back, each storage once."""

    def __init__(self) -> None:
        self.most = 0
        self._seen: dict[int, int] = {}

    def note(self, tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        self._seen[storage.data_ptr()] = storage.nbytes()
        self.most = max(self.most, sum(self._seen.values()))
        return tensor

    def forget(self) -> None:
        self._seen.clear()
