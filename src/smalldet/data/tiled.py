"""TiledDataset: training tiles cut from large pictures when they are asked for."""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.utils.data import Dataset

from smalldet.data.index import ImageRecord, Index
from smalldet.data.mosaic import joined_tiles, quadrants
from smalldet.data.pictures import Pictures
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
        mosaic_prob: share of tiles made of four windows, until `set_mosaic(False)`.
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
        self.mute_difficult = mute_difficult
        self._pictures = Pictures(cache_mb)
        # In shared memory, so that workers that live through all epochs see the changes.
        self._epoch = torch.zeros(1, dtype=torch.long).share_memory_()
        self._mosaic = torch.ones(1, dtype=torch.bool).share_memory_()
        self._plan(num_tiles, overlap_frac)

    def _plan(self, num_wanted: int | None, overlap_frac: float) -> None:
        """How often each picture is drawn, or the grid."""
        records = self.index.records
        tiles = np.array([num_tiles(record, self.tile_px) for record in records], dtype=np.int64)
        objects = np.array([len(object_rows(r, self.mute_difficult)) for r in records])
        self._anywhere = np.cumsum(tiles)
        # No more windows around objects than objects: a large scene with one is not drawn for it
        # as often as it has tiles.
        self._around = np.cumsum(np.minimum(tiles, objects))
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

    def set_mosaic(self, enabled: bool) -> None:
        """Switch mosaic on or off; off for the last epochs of a training."""
        self._mosaic[0] = enabled

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
            return _as_image(tile).expand(3, -1, -1).contiguous(), target
        key = np.random.SeedSequence([self.seed, self.epoch, position])
        rng = np.random.Generator(np.random.PCG64(key))
        if bool(self._mosaic) and rng.random() < self.mosaic_prob:
            areas = quadrants(self.tile_px, rng)
            parts = [self._drawn((x1 - x0, y1 - y0), rng) for x0, y0, x1, y1 in areas]
            tile, target = joined_tiles(parts, areas, self.tile_px)
        else:
            tile, target = self._drawn((self.tile_px, self.tile_px), rng)
        image, target = flip_and_turn(
            _as_image(tile), target, rng, flips=self.flips, rot90=self.rot90
        )
        if self.photometric:
            image = change_colours(image, rng)
        return image.expand(3, -1, -1).contiguous(), target

    def _drawn(
        self, out_size: tuple[int, int], rng: np.random.Generator
    ) -> tuple[NDArray[np.uint8], Target]:
        """A drawn window of a drawn picture at a drawn scale."""
        low, high = np.log(self.scale_jitter)
        scale = math.exp(rng.uniform(low, high))
        size = (max(round(out_size[0] / scale), 1), max(round(out_size[1] / scale), 1))
        anywhere = rng.random() < self.empty_frac or self._around[-1] == 0
        weights = self._anywhere if anywhere else self._around
        row = int(np.searchsorted(weights, rng.integers(weights[-1]), side="right"))
        record = self.index.records[row]
        if anywhere:
            window = window_anywhere(record, size, rng)
        else:
            chosen = int(rng.choice(object_rows(record, self.mute_difficult)))
            window = window_around(record, chosen, size, rng)
        return self._cut(record, window, out_size)

    def _cut(
        self, record: ImageRecord, window: Window, out_size: tuple[int, int]
    ) -> tuple[NDArray[np.uint8], Target]:
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


def resized(pixels: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    """Pixels (h, w, bands) at another (width, height), every source pixel counted when shrunk."""
    if (pixels.shape[1], pixels.shape[0]) == size:
        return pixels
    single = pixels.shape[2] == 1
    picture = Image.fromarray(pixels[..., 0] if single else pixels)
    out = np.asarray(picture.resize(size, Image.Resampling.BILINEAR))
    return out[..., None] if single else out


def _as_image(tile: NDArray[np.uint8]) -> Tensor:
    # A copy always: the tile may be a part of a cached picture.
    return torch.from_numpy(tile.transpose(2, 0, 1).copy())
