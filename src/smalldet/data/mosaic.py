"""Mosaic: one tile from four windows that meet in a random point."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from smalldet.columns import cat
from smalldet.data.options import Augmentation
from smalldet.data.sample import DrawTile, Sample
from smalldet.targets import Target

CENTRE_RANGE = (0.3, 0.7)


def mosaic(
    draw: DrawTile, size: tuple[int, int], rng: np.random.Generator, augmentation: Augmentation
) -> Sample:
    """One window, or, in a share of `mosaic_prob`, four of them as one tile."""
    if rng.random() >= augmentation.mosaic_prob:
        return draw(size)
    areas = quadrants(size, rng)
    parts = [draw((x1 - x0, y1 - y0)) for x0, y0, x1, y1 in areas]
    return joined_tiles(parts, areas, size)


def quadrants(size: tuple[int, int], rng: np.random.Generator) -> list[tuple[int, int, int, int]]:
    """Four xyxy areas that fill a tile of (width, height) and meet near its middle."""
    (width, height), shares = size, rng.uniform(*CENTRE_RANGE, size=2)
    x, y = round(width * shares[0]), round(height * shares[1])
    return [(0, 0, x, y), (x, 0, width, y), (0, y, x, height), (x, y, width, height)]


def joined_tiles(
    parts: Sequence[Sample],
    areas: Sequence[tuple[int, int, int, int]],
    size: tuple[int, int],
) -> Sample:
    """One tile of the parts, each already as large as its area.

    Args:
        parts: pixels (1 or 3, h, w) uint8 and labels of each.
        areas: xyxy of each in the tile.
        size: width and height of the tile.

    Returns:
        (bands, height, width) uint8 and the labels; mute regions move with their part, so that
        what is unknown in one picture stays unknown there only.
    """
    bands = max(len(pixels) for pixels, _ in parts)
    tile = torch.empty((bands, size[1], size[0]), dtype=torch.uint8)
    for (pixels, _), (x0, y0, x1, y1) in zip(parts, areas, strict=True):
        tile[:, y0:y1, x0:x1] = pixels
    moved = [
        _moved(target, torch.tensor([x0, y0], dtype=torch.float32))
        for (_, target), (x0, y0, _, _) in zip(parts, areas, strict=True)
    ]
    return tile, cat(moved)


def _moved(target: Target, shift: Tensor) -> Target:
    boxes, mute_boxes = (b + shift.repeat(2) for b in (target.boxes, target.mute_boxes))
    rboxes = target.rboxes
    if rboxes is not None:
        rboxes = torch.cat([rboxes[:, :2] + shift, rboxes[:, 2:]], dim=1)
    return replace(target, boxes=boxes, mute_boxes=mute_boxes, rboxes=rboxes)
