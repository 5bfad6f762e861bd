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
from smalldet.data.parts_in_view import View
from smalldet.data.pictures import Pictures
from smalldet.data.repeating import repeat_factors
from smalldet.data.sample import Sample
from smalldet.data.transforms import combined, transformed
from smalldet.data.windows import (
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
        oriented: with oriented boxes.

    Raises:
        ValueError: no pictures; or oriented boxes are wanted and a picture's objects have none, or
            its outlines would have to be turned.
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
        oriented: bool = False,
    ) -> None:
        if not index.records:
            raise ValueError("no pictures to cut tiles from")
        self.oriented = oriented
        self.index = index
        self.class_names = index.class_names
        self.tile_px = tile_px
        self.train = train
        self.sampling = sampling or Sampling()
        self.augmentation = augmentation or Augmentation()
        self.seed = seed
        _refuse(index, oriented, self.augmentation)
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
            view = View(window, (self.tile_px, self.tile_px))
            tile, target = self._cut(self.index.records[row], view)
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
        turn = 0.0
        # Without the option nothing is drawn, so that a seed gives the tiles that it gave before.
        if self.augmentation.rotate_prob and rng.random() < self.augmentation.rotate_prob:
            turn = rng.uniform(-math.pi, math.pi)
        return self._cut(record, View(window, out_size, turn))

    def _cut(self, record: ImageRecord, view: View) -> Sample:
        target = labels_in(
            record,
            view,
            len(self.class_names),
            min_visible_frac=self.sampling.min_visible_frac,
            mute_difficult=self.sampling.mute_difficult,
            oriented=self.oriented,
        )
        if view.turn:
            return turned(self._pictures.read(record, view.canvas), view), target
        return resized(self._pictures.read(record, view.window), view.out_size), target


def resized(pixels: NDArray[np.uint8], size: tuple[int, int]) -> Tensor:
    """Pixels (h, w, bands) as (bands, height, width) of another (width, height).

    Every source pixel counts when shrunk. torch's vector code gives what Pillow gives, to the bit,
    in a third of the time.
    """
    image = torch.from_numpy(pixels).permute(2, 0, 1)
    if image.shape[1:] == size[::-1]:
        return image
    return F.interpolate(image[None], size[::-1], mode="bilinear", antialias=True)[0]


def turned(pixels: NDArray[np.uint8], view: View) -> Tensor:
    """Pixels (h, w, bands) of a turned view's canvas as (bands, height, width) of its tile."""
    (left, top, right, bottom), (width, height) = view.canvas, view.out_size
    scale = torch.from_numpy(view.scale[:2])
    size = [
        max(round(side * float(by)), 1)
        for side, by in zip((right - left, bottom - top), scale, strict=True)
    ]
    canvas = resized(pixels, (size[0], size[1])).float()
    y, x = torch.meshgrid(torch.arange(height) + 0.5, torch.arange(width) + 0.5, indexing="ij")
    x, y = (x - width / 2) / scale[0], (y - height / 2) / scale[1]
    cos, sin = math.cos(view.turn), math.sin(view.turn)
    middle_x, middle_y = view.middle.tolist()
    places = torch.stack(
        (
            (x * cos - y * sin + middle_x - left) * (2 / (right - left)) - 1,
            (x * sin + y * cos + middle_y - top) * (2 / (bottom - top)) - 1,
        ),
        dim=-1,
    )
    tile = F.grid_sample(canvas[None], places[None], align_corners=False)[0]
    return tile.add_(0.5).to(torch.uint8)


def _refuse(index: Index, oriented: bool, augmentation: Augmentation) -> None:
    for record in index.records:
        if oriented and record.rboxes is None and len(object_rows(record)):
            raise ValueError(
                f"{record.path}: its objects have no oriented boxes, and the model learns from "
                "such: give labels that hold them, or train without model.oriented"
            )
        if augmentation.rotate_prob and record.masks is not None:
            raise ValueError(
                f"data.rotate_prob: outlines, such as those of {record.path}, are not turned by "
                "any angle; leave it at 0"
            )
