"""Which windows of a scene the detector sees, how large, and in which order."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from smalldet.geometry.tiles import tile_starts, tiles_at
from smalldet.imagery import Window

HasData = Callable[[NDArray[np.int64]], NDArray[np.bool_]]
"""Of windows (T, 4) xyxy: False where a scene stores nothing at all; see `Scene.has_data`."""

TILES_AT_ONCE = 1 << 17
"""Tiles that are looked at together while a scene is covered: a million of them take 50 MB."""


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
    """Tiles of a scene from top to bottom; those of which the scene stores nothing are left out.

    Args:
        windows: (T, 4) int64 xyxy in scene pixels, by rising top.
        shapes: (T, 2) int64, the height and width that each is scaled to.
        level: (T,) int64, which of `scales` each is of.
        scales: pixels of the detector for one of the scene.
        extent: width and height of the scene, pixels.
        visited: (T,) bool; the others are passed over.
        classes: (S, C) bool, what is looked for at each of `scales`; all classes if None.
    """

    windows: Tensor
    shapes: Tensor
    level: Tensor
    scales: tuple[float, ...]
    extent: tuple[int, int]
    visited: Tensor
    classes: Tensor | None = None

    def __len__(self) -> int:
        return len(self.windows)

    def tiles(self, first: int = 0) -> Iterator[Tile]:
        """The tiles to visit, from a row on."""
        for start in range(first, len(self), TILES_AT_ONCE):
            rows = torch.nonzero(self.visited[start : start + TILES_AT_ONCE]).flatten() + start
            windows, shapes = self.windows[rows].tolist(), self.shapes[rows].tolist()
            for row, (x1, y1, x2, y2), (height, width) in zip(
                rows.tolist(), windows, shapes, strict=True
            ):
                yield Tile(row, (x1, y1, x2, y2), (height, width))

    def next_top_px(self, row: int) -> float:
        """What no tile from `row` on reaches above; infinite behind the last one."""
        return float(self.windows[row, 1]) if row < len(self) else math.inf

    def only(self, visited: Tensor) -> Tiling:
        """The same tiles, of which those not in `visited` (T,) are passed over."""
        return replace(self, visited=self.visited & visited)


def tile_scene(
    width: int,
    height: int,
    tile_px: int,
    overlap_frac: float,
    scales: Sequence[float] = (1.0,),
    has_data: HasData | None = None,
) -> Tiling:
    """Cover a scene with tiles, once for each scale.

    Args:
        width: of the scene, pixels.
        height: of the scene, pixels.
        tile_px: side of a tile as the detector sees it.
        overlap_frac: least overlap of neighbours of one scale as a fraction of their side.
        scales: pixels of the detector for one of the scene.
        has_data: tells the tiles to leave out; none if it is None. Where it would leave out all,
            the first one stays.

    Raises:
        ValueError: as `geometry.tiles.tile_grid`.
    """
    passes = [
        _one_scale((width, height), tile_px, overlap_frac, scale, has_data) for scale in scales
    ]
    windows = torch.cat([windows for windows, _ in passes])
    shapes = torch.cat([shapes for _, shapes in passes])
    level = torch.cat([torch.full((len(part),), i) for i, (part, _) in enumerate(passes)])
    if len(windows) == 0:
        return tile_scene(width, height, tile_px, overlap_frac, scales, _only_the_first)
    order = torch.argsort(windows[:, 1], stable=True)
    visited = torch.ones(len(order), dtype=torch.bool)
    return Tiling(
        windows[order], shapes[order], level[order], tuple(scales), (width, height), visited
    )


def _only_the_first(windows: NDArray[np.int64]) -> NDArray[np.bool_]:
    return (windows[:, :2] == 0).all(axis=1)


def _one_scale(
    extent: tuple[int, int],
    tile_px: int,
    overlap_frac: float,
    scale: float,
    has_data: HasData | None,
) -> tuple[Tensor, Tensor]:
    """Windows (T, 4) in scene pixels, and the shapes (T, 2) that they are scaled to."""
    size = torch.tensor(extent)
    scaled = (size * scale).round().long().clamp(min=1)
    width, height = scaled.tolist()
    lefts, tops = tile_starts(width, height, tile_px, overlap_frac)

    def in_scene(grid: Tensor) -> Tensor:
        if scale == 1:
            return grid
        low = (grid[:, :2] * size.double() / scaled).floor().long()
        high = (grid[:, 2:] * size.double() / scaled).ceil().long()
        return torch.cat((low, torch.minimum(high, size)), dim=1)

    def filled(windows: Tensor) -> Tensor:
        if has_data is None:
            return torch.ones(len(windows), dtype=torch.bool)
        return torch.from_numpy(has_data(windows.numpy()))

    rows = tiles_at(lefts[:1], tops, width, height, tile_px)
    rows[:, 2] = width
    windows, shapes = [torch.zeros(0, 4).long()], [torch.zeros(0, 2).long()]
    for band in tops[filled(in_scene(rows))].split(max(1, TILES_AT_ONCE // len(lefts))):
        grid = tiles_at(lefts, band, width, height, tile_px)
        kept = filled(in_scene(grid))
        windows.append(in_scene(grid[kept]))
        shapes.append((grid[kept, 2:] - grid[kept, :2]).flip(1))
    return torch.cat(windows), torch.cat(shapes)
