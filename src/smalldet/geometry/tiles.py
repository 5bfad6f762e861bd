"""Tiles: windows that cover a scene, and which of their edges cut an object."""

from __future__ import annotations

import math

import torch
from torch import Tensor


def tile_grid(width: int, height: int, tile_px: int, overlap_frac: float) -> Tensor:
    """The fewest square tiles that cover a scene with the asked overlap.

    They are spread evenly: where the scene does not divide, every overlap grows a little, rather
    than the last one a lot, so that larger objects are whole in some tile. On a side where the
    scene is smaller than a tile, one tile is clipped to it.

    Args:
        width: of the scene, pixels.
        height: of the scene, pixels.
        tile_px: side of a tile.
        overlap_frac: least overlap of neighbours as a fraction of `tile_px`, in [0, 1).

    Returns:
        (T, 4) int64 xyxy, row by row from the top left.

    Raises:
        ValueError: a side is not positive, or the overlap leaves no whole pixel to step.
    """
    lefts, tops = tile_starts(width, height, tile_px, overlap_frac)
    return tiles_at(lefts, tops, width, height, tile_px)


def tile_starts(
    width: int, height: int, tile_px: int, overlap_frac: float
) -> tuple[Tensor, Tensor]:
    """The columns and rows at which the tiles of `tile_grid` begin, (C,) and (R,) int64.

    A grid of a million tiles is taken in bands of them.

    Raises:
        ValueError: as `tile_grid`.
    """
    if min(width, height, tile_px) < 1:
        raise ValueError(f"scene {width} x {height} and tile_px {tile_px} must be at least 1 px")
    if not 0 <= overlap_frac < 1:
        raise ValueError(f"overlap_frac must be in [0, 1), not {overlap_frac}")
    return _starts(width, tile_px, overlap_frac), _starts(height, tile_px, overlap_frac)


def tiles_at(lefts: Tensor, tops: Tensor, width: int, height: int, tile_px: int) -> Tensor:
    """(R * C, 4) int64 xyxy, tiles at all of (C,) `lefts` and (R,) `tops`, row by row."""
    y, x = torch.meshgrid(tops, lefts, indexing="ij")
    corner = torch.stack((x.flatten(), y.flatten()), dim=1)
    size = torch.tensor([min(tile_px, width), min(tile_px, height)])
    return torch.cat((corner, corner + size), dim=1)


def interior_cuts(
    boxes: Tensor,
    tile_rows: Tensor,
    tiles: Tensor,
    width: int,
    height: int,
    margin_px: float | Tensor = 2.0,
) -> Tensor:
    """Which edges of its tile each box touches, where the scene goes on beyond them.

    Args:
        boxes: (N, 4) xyxy in scene pixels.
        tile_rows: (N,) int64, the row of `tiles` that each box came from.
        tiles: (T, 4) int64 xyxy.
        width: of the scene, pixels.
        height: of the scene, pixels.
        margin_px: how near to an edge counts as touching it; a detector's box of a cut object
            seldom ends at the edge exactly. (N,) where tiles were seen at other resolutions.

    Returns:
        (N, 4) bool: left, top, right, bottom.
    """
    windows = tiles.to(boxes.device)[tile_rows]
    interior = torch.cat(
        (windows[:, :2] > 0, windows[:, 2:] < windows.new_tensor((width, height))), dim=1
    )
    # Differences first: exact in float32 far from the origin.
    inwards = torch.cat((boxes[:, :2] - windows[:, :2], windows[:, 2:] - boxes[:, 2:]), dim=1)
    return interior & (inwards <= torch.as_tensor(margin_px, device=boxes.device)[..., None])


def _starts(extent: int, tile_px: int, overlap_frac: float) -> Tensor:
    """(n,) int64, where tiles begin along one side of the scene."""
    if extent <= tile_px:
        return torch.zeros(1, dtype=torch.long)
    # 0.1 * 30 is a hair over 3: what rounding added is not asked for.
    step = tile_px - math.ceil(overlap_frac * tile_px - 1e-6)
    if step < 1:
        raise ValueError(
            f"overlap_frac {overlap_frac} of tile_px {tile_px} leaves no whole pixel to step; "
            "ask for less overlap or larger tiles"
        )
    last = extent - tile_px
    num_steps = math.ceil(last / step)
    return torch.arange(num_steps + 1) * last // num_steps
