"""Mosaic: one tile from four windows that meet in a random point."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from smalldet.columns import cat
from smalldet.targets import Target

CENTRE_RANGE = (0.3, 0.7)


def quadrants(tile_px: int, rng: np.random.Generator) -> list[tuple[int, int, int, int]]:
    """Four xyxy areas that fill the tile and meet near its middle."""
    x, y = (round(tile_px * share) for share in rng.uniform(*CENTRE_RANGE, size=2))
    return [(0, 0, x, y), (x, 0, tile_px, y), (0, y, x, tile_px), (x, y, tile_px, tile_px)]


def joined_tiles(
    parts: Sequence[tuple[Tensor, Target]],
    areas: Sequence[tuple[int, int, int, int]],
    tile_px: int,
) -> tuple[Tensor, Target]:
    """One tile of the parts, each already as large as its area.

    Args:
        parts: pixels (1 or 3, h, w) uint8 and labels of each.
        areas: xyxy of each in the tile.
        tile_px: side of the tile.

    Returns:
        (bands, tile_px, tile_px) uint8 and the labels; mute regions move with their part, so that
        what is unknown in one picture stays unknown there only.
    """
    bands = max(len(pixels) for pixels, _ in parts)
    tile = torch.empty((bands, tile_px, tile_px), dtype=torch.uint8)
    for (pixels, _), (x0, y0, x1, y1) in zip(parts, areas, strict=True):
        tile[:, y0:y1, x0:x1] = pixels
    moved = [
        _moved(target, torch.tensor([x0, y0, x0, y0], dtype=torch.float32))
        for (_, target), (x0, y0, _, _) in zip(parts, areas, strict=True)
    ]
    return tile, cat(moved)


def _moved(target: Target, shift: Tensor) -> Target:
    return replace(target, boxes=target.boxes + shift, mute_boxes=target.mute_boxes + shift)
