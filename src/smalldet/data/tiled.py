"""TiledDataset: training tiles cut from large pictures when they are asked for."""

from __future__ import annotations

import math
import sys

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from smalldet.data.copy_paste import pasted
from smalldet.data.index import ImageRecord, Index
from smalldet.data.mixup import blended
from smalldet.data.mosaic import joined_tiles, quadrants
from smalldet.data.pictures import Pictures
from smalldet.data.repeating import repeat_factors
from smalldet.data.transforms import change_colours, flip_and_turn
from smalldet.data.windows import (
    Window,
    labels_in,
    num_tiles,
    object_rows,
    window_anywhere,
    window_around,
)
from smalldet.geometry.tiles import tile_grid
from smalldet.targets import Target


class TiledDataset(Dataset[tuple[Tensor, Target]]):
    """Tiles of labelled pictures, as `(image, target)`.

    For training every tile is drawn: a picture, a window around one of its objects or (with
    `empty_frac`) an emptier window anywhere, pictures without objects included, a scale, then
    flips, turns, colours and mosaic. What is drawn is a function of (seed, epoch, position) only.
    Otherwise the tiles are the plain grid over every picture.

    Args:
        index: labelled pictures.
        tile_px: side of the tiles.
        train: drawn tiles with changes; False for the grid without.
        seed: of everything drawn.
        num_tiles: tiles of an epoch; by default as many as cover the pictures once.
        min_visible_frac: part of an object's area that must be in the tile for it to be an object;
            with less it is a mute region.
        empty_frac: share of tiles drawn anywhere, not around an object.
        scale_jitter: smallest and largest magnification, drawn evenly in its logarithm.
        flips: mirror.
        rot90: turn by right angles.
        photometric: change colours, blur, noise.
        mosaic_prob: share of tiles made of four windows, up to `end_mosaic_at`.
        mixup_prob: share of tiles blended with another, up to `end_mosaic_at`.
        copy_paste_prob: share of tiles in which small objects are set down again.
        repeat_threshold: pictures and objects of classes that fewer than this share of the pictures
            hold are drawn oftener; see `repeat_factors`.
        mute_difficult: objects marked difficult are mute regions.
        overlap_frac: overlap of the grid's tiles, if not `train`.
        cache_mb: memory of each worker for decoded pictures, in MiB.

    Raises:
        ValueError: no pictures, or an option out of range.
    """

    def __init__(
        self,
        index: Index,
        *,
        tile_px: int,
        train: bool,
        seed: int = 0,
        num_tiles: int | None = None,
        min_visible_frac: float = 0.3,
        empty_frac: float = 0.2,
        scale_jitter: tuple[float, float] = (0.5, 2.0),
        flips: bool = True,
        rot90: bool = True,
        photometric: bool = True,
        mosaic_prob: float = 0.5,
        mixup_prob: float = 0.0,
        copy_paste_prob: float = 0.0,
        repeat_threshold: float = 0.0,
        mute_difficult: bool = False,
        overlap_frac: float = 0.2,
        cache_mb: float = 512,
    ) -> None:
        if not index.records:
            raise ValueError("no pictures to cut tiles from")
        for name, share in [
            ("min_visible_frac", min_visible_frac),
            ("empty_frac", empty_frac),
            ("mosaic_prob", mosaic_prob),
            ("mixup_prob", mixup_prob),
            ("copy_paste_prob", copy_paste_prob),
            ("repeat_threshold", repeat_threshold),
        ]:
            if not 0 <= share <= 1:
                raise ValueError(f"{name} must be from 0 to 1, not {share}")
        if not 0 < scale_jitter[0] <= scale_jitter[1]:
            raise ValueError(f"scale_jitter must be 0 < low <= high, not {scale_jitter}")
        self.index = index
        self.class_names = index.class_names
        self.tile_px = tile_px
        self.train = train
        self.seed = seed
        self.min_visible_frac = min_visible_frac
        self.empty_frac = empty_frac
        self.scale_jitter = scale_jitter
        self.flips = flips
        self.rot90 = rot90
        self.photometric = photometric
        self.mosaic_prob = mosaic_prob
        self.mixup_prob = mixup_prob
        self.copy_paste_prob = copy_paste_prob
        self.mute_difficult = mute_difficult
        self._pictures = Pictures(cache_mb)
        # In shared memory, so that workers that live through all epochs see the changes.
        self._epoch = torch.zeros(1, dtype=torch.long).share_memory_()
        self._mosaic_end = torch.full((1,), sys.maxsize).share_memory_()
        self._repeats = repeat_factors(index, repeat_threshold)
        self._plan(num_tiles, overlap_frac)

    def _plan(self, num_wanted: int | None, overlap_frac: float) -> None:
        """How often each picture is drawn, or the grid."""
        records = self.index.records
        tiles = np.array([num_tiles(record, self.tile_px) for record in records], dtype=np.int64)
        rows = [object_rows(record, self.mute_difficult) for record in records]
        repeats = [
            self._repeats[record.labels[own]].max(initial=1.0)
            for record, own in zip(records, rows, strict=True)
        ]
        self._anywhere = np.cumsum(tiles)
        # No more windows around objects than objects: a large scene with one is not drawn for it
        # as often as it has tiles.
        objects = np.array([len(own) for own in rows])
        self._around = np.cumsum(np.minimum(tiles, objects) * repeats)
        self._num_drawn = int(tiles.sum()) if num_wanted is None else num_wanted
        self._grid: list[tuple[int, int, int]] = []
        if not self.train:
            for row, record in enumerate(records):
                grid = tile_grid(record.width, record.height, self.tile_px, overlap_frac)
                self._grid += [(row, x0, y0) for x0, y0, _, _ in grid.tolist()]

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

    def __getitem__(self, position: int) -> tuple[Tensor, Target]:
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
        mosaic = position < int(self._mosaic_end)
        tile, target = self._tile(rng, mosaic)
        if mosaic and rng.random() < self.mixup_prob:
            tile, target = blended((tile, target), self._tile(rng, mosaic), rng)
        if rng.random() < self.copy_paste_prob:
            tile, target = pasted(tile, target, rng)
        image, target = flip_and_turn(tile, target, rng, flips=self.flips, rot90=self.rot90)
        if self.photometric:
            image = change_colours(image, rng)
        return image.expand(3, -1, -1).contiguous(), target

    def _tile(self, rng: np.random.Generator, mosaic: bool) -> tuple[Tensor, Target]:
        """One window, or, where they are allowed, a mosaic of four."""
        if not (mosaic and rng.random() < self.mosaic_prob):
            return self._drawn((self.tile_px, self.tile_px), rng)
        areas = quadrants(self.tile_px, rng)
        parts = [self._drawn((x1 - x0, y1 - y0), rng) for x0, y0, x1, y1 in areas]
        return joined_tiles(parts, areas, self.tile_px)

    def _drawn(self, out_size: tuple[int, int], rng: np.random.Generator) -> tuple[Tensor, Target]:
        """A drawn window of a drawn picture at a drawn scale."""
        low, high = np.log(self.scale_jitter)
        scale = math.exp(rng.uniform(low, high))
        size = (max(round(out_size[0] / scale), 1), max(round(out_size[1] / scale), 1))
        anywhere = rng.random() < self.empty_frac or self._around[-1] == 0
        weights = self._anywhere if anywhere else self._around
        row = int(np.searchsorted(weights, rng.random() * weights[-1], side="right"))
        record = self.index.records[row]
        if anywhere:
            window = window_anywhere(record, size, rng)
        else:
            rows = object_rows(record, self.mute_difficult)
            repeats = self._repeats[record.labels[rows]]
            chosen = int(rng.choice(rows, p=repeats / repeats.sum()))
            window = window_around(record, chosen, size, rng)
        return self._cut(record, window, out_size)

    def _cut(
        self, record: ImageRecord, window: Window, out_size: tuple[int, int]
    ) -> tuple[Tensor, Target]:
        pixels = self._pictures.read(record, window)
        target = labels_in(
            record,
            window,
            out_size,
            len(self.class_names),
            min_visible_frac=self.min_visible_frac,
            mute_difficult=self.mute_difficult,
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
