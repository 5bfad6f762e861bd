"""Loading: tiles in batches, in an order that a stopped training can take up again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Sampler

from smalldet.data.tiled import TiledDataset
from smalldet.hardware import keep_freed_memory
from smalldet.targets import Target

Batch = tuple[Tensor, list[Target]]


class EpochSampler(Sampler[int]):
    """Positions of a TiledDataset in order: what stands at one is drawn, so there is no shuffling.

    Several processes share each batch: together they load what one would.

    Args:
        dataset: whose positions.
        batch_size: tiles a batch over all processes.
        num_processes: that share a batch.
        process: which of them this is.
    """

    def __init__(
        self,
        dataset: TiledDataset,
        *,
        batch_size: int = 1,
        num_processes: int = 1,
        process: int = 0,
    ) -> None:
        self.dataset = dataset
        self.batch_size, self.num_processes, self.process = batch_size, num_processes, process
        self._num_skipped = 0

    def start_at(self, num_samples: int) -> None:
        """Leave out the first samples of the next pass, over all processes, and of no other."""
        self._num_skipped = num_samples

    def __iter__(self) -> Iterator[int]:
        order = np.arange(self._num_skipped, len(self.dataset))
        self._num_skipped = 0
        if self.num_processes > 1:
            whole = order[: len(order) // self.batch_size * self.batch_size]
            order = whole.reshape(-1, self.num_processes, self.batch_size // self.num_processes)
            order = order[:, self.process].ravel()
        return iter(order.tolist())

    def __len__(self) -> int:
        remaining = len(self.dataset) - self._num_skipped
        if self.num_processes == 1:
            return remaining
        return remaining // self.batch_size * (self.batch_size // self.num_processes)


def collate(samples: Sequence[tuple[Tensor, Target]]) -> Batch:
    """Images (B, 3, H, W) uint8 and the target of each."""
    return torch.stack([image for image, _ in samples]), [target for _, target in samples]


def loader(
    dataset: TiledDataset,
    batch_size: int,
    *,
    num_workers: int = 0,
    num_processes: int = 1,
    process: int = 0,
    pin_memory: bool = False,
    prefetch_factor: int = 4,
) -> DataLoader[tuple[Tensor, Target]]:
    """Batches of a dataset: whole ones for training, else all.

    Call `dataset.set_epoch(epoch)` before each pass. To go on after `k` batches of an epoch, call
    `loader.sampler.start_at(k * batch_size)` before the pass as well: the batches that follow are
    the ones that would have followed.

    Args:
        dataset: tiles.
        batch_size: tiles a batch over all processes; this one loads its share.
        num_workers: processes that cut tiles, 0 for none; they live through all epochs.
        num_processes: that share each batch, for training.
        process: which of them this is.
        pin_memory: for copies to a GPU.
        prefetch_factor: batches that each worker prepares ahead.

    Raises:
        ValueError: for training, fewer tiles an epoch than one batch, or a batch that the
            processes cannot share evenly.
    """
    if batch_size % num_processes:
        raise ValueError(f"a batch of {batch_size} cannot be shared by {num_processes} processes")
    if dataset.train and len(dataset) < batch_size:
        raise ValueError(
            f"an epoch of {len(dataset)} tiles makes no batch of {batch_size}: "
            "raise tiles_per_epoch or lower the batch size"
        )
    return DataLoader(
        dataset,
        batch_size=batch_size // num_processes,
        sampler=EpochSampler(
            dataset,
            batch_size=batch_size,
            num_processes=num_processes,
            process=process,
        ),
        num_workers=num_workers,
        collate_fn=collate,
        drop_last=dataset.train,
        pin_memory=pin_memory,
        persistent_workers=num_workers > 0,
        prefetch_factor=prefetch_factor if num_workers else None,
        worker_init_fn=_settle_worker,
    )


def _settle_worker(_worker: int) -> None:
    torch.set_num_threads(1)
    keep_freed_memory()
