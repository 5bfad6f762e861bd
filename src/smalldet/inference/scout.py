"""Scout: a look at a scene from further away, to pass over the tiles with nothing in them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from smalldet.geometry.pairs import intersecting_pairs
from smalldet.imagery import Scene
from smalldet.inference.read_tiles import batches_ahead
from smalldet.inference.tile_runner import TileRunner
from smalldet.inference.tiling import Tiling, tile_scene

OVERLAP_FRAC = 0.1


@dataclass(frozen=True)
class Scout:
    """Finds the tiles that are worth a visit with the model itself, on a small picture.

    It sees objects too small to be told well, so the least hint counts. What it overlooks is lost:
    `benchmarks/speed/throughput.py` measures how much.

    Args:
        runner: what goes through the tiles.
        conf: least score of the detections wanted in the end.
        scale: pixels of the small picture for one of the scene; the cost follows its square.
        hint_frac: share of `conf` from which a response counts as a hint.
        reach_px: tiles within this distance of a hint, in the scene's pixels, are visited.
        flat_levels: where all values of the small picture lie within so many of its 256 levels,
            there is nothing, and the model is not asked.
    """

    runner: TileRunner
    conf: float
    scale: float = 0.25
    hint_frac: float = 0.3
    reach_px: float = 16.0
    flat_levels: int = 8

    def promising(self, scene: Scene, tiling: Tiling, scales: Sequence[float] = (1.0,)) -> Tensor:
        """(T,) bool, the tiles of a tiling in which something may be.

        Args:
            scene: the picture.
            tiling: its tiles.
            scales: at which objects look as in training; the small pictures are of these.
        """
        extent, scales = (scene.width, scene.height), [self.scale * scale for scale in scales]
        far = tile_scene(*extent, self.runner.tile_px, OVERLAP_FRAC, scales, scene.has_data)
        hints = torch.cat([torch.zeros(0, 4), *self._hints(scene, far)])
        hints[:, :2] -= self.reach_px
        hints[:, 2:] += self.reach_px
        a, b = intersecting_pairs(torch.cat((hints, tiling.windows.float())))
        near = b[(a < len(hints)) & (b >= len(hints))] - len(hints)
        worth = torch.zeros(len(tiling), dtype=torch.bool)
        worth[near] = True
        return worth

    def _hints(self, scene: Scene, far: Tiling) -> list[Tensor]:
        """Boxes (N, 4) in scene pixels where something may be, batch by batch."""
        hints = []
        for batch in batches_ahead(scene, far.tiles(), self.runner.size_for(far)):
            textured = [(tile, pixels) for tile, pixels in batch if not self._flat(pixels)]
            if textured:
                tiles, pictures = zip(*textured, strict=True)
                detections = self.runner.detect(list(pictures), self.conf * self.hint_frac)
                hints.append(self.runner.placed(list(tiles), detections, far).boxes)
        return hints

    def _flat(self, pixels: NDArray[np.uint8]) -> bool:
        low, high = pixels.min(axis=(1, 2)).astype(int), pixels.max(axis=(1, 2)).astype(int)
        return bool((high - low).max() <= self.flat_levels)
