"""Mosaic: one tile from four windows that meet in a random point."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from smalldet.targets import Target

CENTRE_RANGE = (0.3, 0.7)


def quadrants(tile_px: int, rng: np.random.Generator) -> list[tuple[int, int, int, int]]:
    """Four xyxy areas that fill the tile and meet near its middle."""
    x, y = (round(tile_px * share) for share in rng.uniform(*CENTRE_RANGE, size=2))
    return [(0, 0, x, y), (x, 0, tile_px, y), (0, y, x, tile_px), (x, y, tile_px, tile_px)]


def joined_tiles(
    parts: Sequence[tuple[NDArray[np.uint8], Target]],
    areas: Sequence[tuple[int, int, int, int]],
    tile_px: int,
) -> tuple[NDArray[np.uint8], Target]:
    """One tile of the parts, each already as large as its area.

    Args:
        parts: pixels (h, w, 1 or 3) and labels of each.
        areas: xyxy of each in the tile.
        tile_px: side of the tile.

    Returns:
        (tile_px, tile_px, bands) uint8 and the labels; mute regions move with their part, so that
        what is unknown in one picture stays unknown there only.
    """
    bands = max(pixels.shape[2] for pixels, _ in parts)
    tile = np.empty((tile_px, tile_px, bands), dtype=np.uint8)
    for (pixels, _), (x0, y0, x1, y1) in zip(parts, areas, strict=True):
        tile[y0:y1, x0:x1] = pixels
    shifts = [torch.tensor([x0, y0, x0, y0], dtype=torch.float32) for x0, y0, _, _ in areas]
    targets = [target for _, target in parts]
    pairs = list(zip(targets, shifts, strict=True))
    return tile, Target(
        torch.cat([target.boxes + shift for target, shift in pairs]),
        torch.cat([target.labels for target in targets]),
        torch.cat([target.mute_boxes + shift for target, shift in pairs]),
        torch.cat([target.mute_classes for target in targets]),
    )
