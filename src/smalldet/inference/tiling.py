"""Which windows of a scene the detector sees, how large, and in which order."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import torch
from torch import Tensor

from smalldet.geometry.tiles import tile_grid
from smalldet.imagery import Window


class Tile(NamedTuple):
    """One look of the detector.

    Args:
        row: of the tile in its tiling.
        window: the part of the scene, in its pixels.
        shape: (h, w) that it is scaled to, pixels.
    """

    row: int
    window: Window
    shape: tuple[int, int]


@dataclass(frozen=True, eq=False)
class Tiling:
    """Tiles of a scene from top to bottom.

    Args:
        windows: (T, 4) int64 xyxy in scene pixels, by rising top.
        shapes: (T, 2) int64, the height and width that each is scaled to.
        level: (T,) int64, which of `scales` each is of.
        scales: pixels of the detector for one of the scene.
        visited: (T,) bool; the others are passed over.
    """

    windows: Tensor
    shapes: Tensor
    level: Tensor
    scales: tuple[float, ...]
    visited: Tensor

    def __len__(self) -> int:
        return len(self.windows)

    @property
    def extent(self) -> tuple[int, int]:
        """Width and height of the scene, pixels."""
        width, height = self.windows[:, 2:].amax(dim=0).tolist()
        return width, height

    def tiles(self, first: int = 0) -> list[Tile]:
        """The tiles to visit, from a row on."""
        rows = torch.nonzero(self.visited[first:]).flatten() + first
        windows, shapes = self.windows[rows].tolist(), self.shapes[rows].tolist()
        return [
            Tile(row, (x1, y1, x2, y2), (height, width))
            for row, (x1, y1, x2, y2), (height, width) in zip(
                rows.tolist(), windows, shapes, strict=True
            )
        ]

    def next_top_px(self, row: int) -> float:
        """What no tile from `row` on reaches above; infinite behind the last one."""
        return float(self.windows[row, 1]) if row < len(self) else math.inf

    def only(self, visited: Tensor) -> Tiling:
        """The same tiles, of which those not in `visited` (T,) are passed over."""
        return replace(self, visited=self.visited & visited)


def tile_scene(
    width: int, height: int, tile_px: int, overlap_frac: float, scales: Sequence[float] = (1.0,)
) -> Tiling:
    """Cover a scene with tiles, once for each scale.

    Args:
        width: of the scene, pixels.
        height: of the scene, pixels.
        tile_px: side of a tile as the detector sees it.
        overlap_frac: least overlap of neighbours of one scale as a fraction of their side.
        scales: pixels of the detector for one of the scene.

    Raises:
        ValueError: as `geometry.tiles.tile_grid`.
    """
    passes = [_one_scale(width, height, tile_px, overlap_frac, scale) for scale in scales]
    windows = torch.cat([windows for windows, _ in passes])
    shapes = torch.cat([shapes for _, shapes in passes])
    level = torch.cat([torch.full((len(part),), i) for i, (part, _) in enumerate(passes)])
    order = torch.argsort(windows[:, 1], stable=True)
    visited = torch.ones(len(order), dtype=torch.bool)
    return Tiling(windows[order], shapes[order], level[order], tuple(scales), visited)


def _one_scale(
    width: int, height: int, tile_px: int, overlap_frac: float, scale: float
) -> tuple[Tensor, Tensor]:
    """Windows (T, 4) in scene pixels, and the shapes (T, 2) that they are scaled to."""
    size = torch.tensor((width, height))
    scaled = (size * scale).round().long().clamp(min=1)
    grid = tile_grid(int(scaled[0]), int(scaled[1]), tile_px, overlap_frac)
    shapes = (grid[:, 2:] - grid[:, :2]).flip(1)
    if scale == 1:
        return grid, shapes
    low = (grid[:, :2] * size.double() / scaled).floor().long()
    high = (grid[:, 2:] * size.double() / scaled).ceil().long()
    return torch.cat((low, torch.minimum(high, size)), dim=1), shapes
