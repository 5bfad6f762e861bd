"""Which objects the real assigner gives no place to learn in."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from smalldet.data.index import Index
from smalldet.data.tiled import TiledDataset
from smalldet.geometry.boxes import box_sides
from smalldet.models.detector import Detector
from smalldet.training.sections import DataConfig

BATCH = 4


class Positives(NamedTuple):
    """Objects of drawn tiles, and how many places learn each.

    Args:
        sides: (N,) square root of the box's area, pixels of the tile.
        counts: (N,) int64.
    """

    sides: Tensor
    counts: Tensor


@torch.no_grad()
def drawn_positives(
    detector: Detector, index: Index, data: DataConfig, scale: float, num_tiles: int, oriented: bool
) -> Positives:
    """Positives of an untrained detector on training tiles at one scale.

    Args:
        detector: of the run, in eval mode.
        index: training pictures.
        data: of a fitted recipe.
        scale: pixels of the tile for one of the picture.
        num_tiles: that are drawn.
        oriented: the detector learns from oriented boxes.
    """
    assert data.tile_px is not None
    sampling = data.model_copy(update={"scale_jitter": (scale, scale), "empty_frac": 0.0})
    tiles = TiledDataset(
        index,
        tile_px=data.tile_px,
        train=True,
        sampling=sampling,
        augmentation=data,
        oriented=oriented,
    )
    tiles.end_mosaic_at(0)
    sides, counts = [], []
    for first in range(0, num_tiles, BATCH):
        drawn = [tiles[place % len(tiles)] for place in range(first, min(first + BATCH, num_tiles))]
        images = torch.stack([image for image, _ in drawn])
        targets = [target for _, target in drawn]
        outputs = detector.network(images)
        counts += detector.num_positives(outputs, (data.tile_px, data.tile_px), targets)
        sides += [box_sides(target.boxes) for target in targets]
    return Positives(torch.cat(sides), torch.cat(counts))
