"""Locations: where the outputs of an anchor-free head stand in a picture."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor


class Level(NamedTuple):
    """A grid of cells: `height` x `width` of them, `stride` pixels apart."""

    height: int
    width: int
    stride: int


class Locations(NamedTuple):
    """Where the L outputs of a head stand.

    Args:
        centres: (L, 2) x, y in pixels.
        strides: (L,) pixels.
        levels: whose cells they are, row by row, one level after another.
    """

    centres: Tensor
    strides: Tensor
    levels: tuple[Level, ...]


def grid_locations(
    size: tuple[int, int], strides: Sequence[int], device: torch.device
) -> Locations:
    """Centres of the cells of every level, in the order in which levels are flattened.

    Args:
        size: height and width of the picture in pixels, multiples of all strides.
        strides: of each level, pixels.
        device: of the locations.
    """
    height, width = size
    levels = tuple(Level(height // stride, width // stride, stride) for stride in strides)
    centres, all_strides = [], []
    for level in levels:
        y = (torch.arange(level.height, device=device, dtype=torch.float32) + 0.5) * level.stride
        x = (torch.arange(level.width, device=device, dtype=torch.float32) + 0.5) * level.stride
        grid_y, grid_x = torch.meshgrid(y, x, indexing="ij")
        centres.append(torch.stack([grid_x.reshape(-1), grid_y.reshape(-1)], 1))
        all_strides.append(
            torch.full((level.height * level.width,), float(level.stride), device=device)
        )
    return Locations(torch.cat(centres), torch.cat(all_strides), levels)
