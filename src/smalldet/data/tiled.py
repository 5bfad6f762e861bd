"""TiledDataset: training tiles cut from large pictures when they are asked for."""

from __future__ import annotations

import math
import sys
from functools import partial

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from smalldet.data.distances import magnification
from smalldet.data.index import ImageRecord, Index
from smalldet.data.options import Augmentation, Sampling
from smalldet.data.pictures import Pictures
from smalldet.data.repeating import repeat_factors
from smalldet.data.sample import Sample
from smalldet.data.transforms import combined, transformed
from smalldet.data.windows import (
    Window,
    labels_in,
    num_tiles,
    object_rows,
    window_anywhere,
    window_around,
)
from smalldet.geometry.tiles import tile_grid


class TiledDataset(Dataset[Sample]):
    """Tiles of labelled pictures, as `(image, target)`.

    For training every tile is drawn: a picture, a window around one of its objects or (with
    `empty_frac`) an emptier window anywhere, pictures without objects included, a scale, then
    the tables of `data.transforms`. What is drawn is a function of (seed, epoch, position) only.
    Otherwise the tiles are the plain grid over every picture.

    Args:
        index: labelled pictures.
        tile_px: side of the tiles.
        train: drawn tiles with changes; False for the grid without.
        sampling: how windows are drawn; its defaults if None.
        augmentation: how tiles are changed; its defaults if None.
        seed: of everything drawn.
        overlap_frac: overlap of the grid's tiles, if not `train`.

    Raises:
        ValueError: no pictures.
    """

    def __init__(
        self,
        index: Index,
        *,
        tile_px: int,
        train: bool,
        sampling: Sampling | None = None,
        augmentation: Augmentation | None = None,
        seed: int = 0,
        overlap_frac: float = 0.2,
    ) -> None:
        if not index.records:
            raise ValueError("no pictures to cut tiles from")
        self.index = index
        self.class_names = index.class_names
        self.tile_px = tile_px
        self.train = train
        self.sampling = sampling or Sampling()
        self.augmentation = augmentation or Augmentation()
        self.seed = seed
        self._pictures = Pictures(self.sampling.cache_mb)
        # In shared memory, so that workers that live through all epochs see the changes.
        self._epoch = torch.zeros(1, dtype=torch.long).share_memory_()
        self._mosaic_end = torch.full((1,), sys.maxsize).share_memory_()
        self._repeats = repeat_factors(index, self.sampling.repeat_threshold)
        self._plan(overlap_frac)

    def _plan(self, overlap_frac: float) -> None:
        """How often each picture is drawn, or the grid."""
        records = self.index.records
        sides = [self.tile_px / self.magnification(record) for record in records]
        tiles = np.array(list(map(num_tiles, records, sides)), dtype=np.int64)
        rows = [object_rows(record, self.sampling.mute_difficult) for record in records]
        repeats = [
            self._repeats[record.labels[own]].max(initial=1.0)
            for record, own in zip(records, rows, strict=True)
        ]
        self._anywhere = np.cumsum(tiles)
        # No more windows around objects than objects: a large scene with one is not drawn for it
        # as often as it has tiles.
        objects = np.array([len(own) for own in rows])
        self._around = np.cumsum(np.minimum(tiles, objects) * repeats)
        self._num_drawn = self.sampling.tiles_per_epoch or int(tiles.sum())
        self._grid: list[tuple[int, int, int]] = []
        if not self.train:
            for row, record in enumerate(records):
                grid = tile_grid(record.width, record.height, self.tile_px, overlap_frac)
                self._grid += [(row, x0, y0) for x0, y0, _, _ in grid.tolist()]

    def magnification(self, record: ImageRecord) -> float:
        """Pixels of a tile for one of the picture, before `scale_jitter`."""
        return magnification(record, self.sampling.match_gsd_m)

    def __len__(self) -> int:
        return self._num_drawn if self.train else len(self._grid)

    @property
    def epoch(self) -> int:
        return int(self._epoch)

    def set_epoch(self, epoch: int) -> None:
        """Draw other tiles; workers that already run see it too."""
        self._epoch[0] = epoch

    def end_mosaic_at(self, position: int) -> None:
        """No mosaic nor mixup from a position of the epoch on, for the end of a training."""
        self._mosaic_end[0] = position

    def __getitem__(self, position: int) -> Sample:
        """The tile: image (3, tile_px, tile_px) uint8 and its labels in pixels of the tile.

        Raises:
            ValueError: the picture's file is broken; names it.
        """
        if not 0 <= position < len(self):
            raise IndexError(f"tile {position} of {len(self)}")
        if not self.train:
            row, x0, y0 = self._grid[position]
            window = (x0, y0, x0 + self.tile_px, y0 + self.tile_px)
            tile, target = self._cut(self.index.records[row], window, (self.tile_px, self.tile_px))
            return tile.expand(3, -1, -1).contiguous(), target
        key = np.random.SeedSequence([self.seed, self.epoch, position])
        rng = np.random.Generator(np.random.PCG64(key))
        draw, size = partial(self._drawn, rng), (self.tile_px, self.tile_px)
        if position < int(self._mosaic_end):
            sample = combined(draw, size, rng, self.augmentation)
        else:
            sample = draw(size)
        image, target = transformed(sample, rng, self.augmentation)
        return image.expand(3, -1, -1).contiguous(), target

    def _drawn(self, rng: np.random.Generator, out_size: tuple[int, int]) -> Sample:
        """A drawn window of a drawn picture at a drawn scale."""
        low, high = np.log(self.sampling.scale_jitter)
        jitter = math.exp(rng.uniform(low, high))
        anywhere = rng.random() < self.sampling.empty_frac or self._around[-1] == 0
        weights = self._anywhere if anywhere else self._around
        row = int(np.searchsorted(weights, rng.random() * weights[-1], side="right"))
        record = self.index.records[row]
        scale = jitter * self.magnification(record)
        size = (max(round(out_size[0] / scale), 1), max(round(out_size[1] / scale), 1))
        if anywhere:
            window = window_anywhere(record, size, rng)
        else:
            rows = object_rows(record, self.sampling.mute_difficult)
            repeats = self._repeats[record.labels[rows]]
            chosen = int(rng.choice(rows, p=repeats / repeats.sum()))
            window = window_around(record, chosen, size, rng)
        return self._cut(record, window, out_size)

    def _cut(self, record: ImageRecord, window: Window, out_size: tuple[int, int]) -> Sample:
        pixels = self._pictures.read(record, window)
        target = labels_in(
            record,
            window,
            out_size,
            len(self.class_names),
            min_visible_frac=self.sampling.min_visible_frac,
            mute_difficult=self.sampling.mute_difficult,
        )
        return resized(pixels, out_size), target


def resized(pixels: NDArray[np.uint8], size: tuple[int, int]) -> Tensor:
    """Pixels (h, w, bands) as (bands, height, width) of another (width, height).

    Every source pixel counts when shrunk. torch's vector code gives what Pillow gives, to the bit,
    in a third of the time.
    """
    image = torch.from_numpy(pixels).permute(2, 0, 1)
    if image.shape[1:] == size[::-1]:
        return image
    return F.interpolate(image[None], size[::-1], mode="bilinear", antialias=True)[0]
