"""What boxes show on the ground that their tile shares with other tiles."""

from __future__ import annotations

import warnings
from typing import NamedTuple

import torch
from torch import Tensor

from smalldet.geometry.pairs import intersecting_pairs


class Views(NamedTuple):
    """Parts of boxes on ground that a second tile sees too; one box may have several.

    Args:
        row: (V,) int64, rising, the row of the box.
        ground: (V,) int64, a number for the ground that the box's tile and the other one share.
        window: (V, 4) float64 xyxy, that ground.
        part: (V, 4) float64 xyxy, the box clipped to it.
    """

    row: Tensor
    ground: Tensor
    window: Tensor
    part: Tensor


def shared_views(boxes: Tensor, tile: Tensor, tiles: Tensor, kept: Tensor) -> Views:
    """Every kept box (of boxes (N, 4), tile (N,)) on all ground that it shares with other tiles."""
    a, b = intersecting_pairs(tiles)
    if len(a) == 0:
        _warn_of_gaps(tiles)
    # Each tile's neighbours side by side, with the number of the ground that both see.
    own, order = torch.sort(torch.cat((a, b)), stable=True)
    other = torch.cat((b, a))[order]
    ground = torch.arange(len(a)).repeat(2)[order]
    num_neighbours = torch.bincount(own, minlength=len(tiles))
    start = num_neighbours.cumsum(0) - num_neighbours

    core = _sole_ground(tiles, own, other)
    row = torch.nonzero(kept & _reaches_out(boxes, core[tile])).flatten()
    num_views = num_neighbours[tile[row]]
    nth = torch.arange(int(num_views.sum()))
    nth -= torch.repeat_interleave(num_views.cumsum(0) - num_views, num_views)
    row = torch.repeat_interleave(row, num_views)
    link = start[tile[row]] + nth
    mine, theirs = tiles[own[link]], tiles[other[link]]
    low = torch.maximum(mine[:, :2], theirs[:, :2])
    high = torch.minimum(mine[:, 2:], theirs[:, 2:])
    part = torch.cat((boxes[row, :2].clamp(low, high), boxes[row, 2:].clamp(low, high)), dim=1)
    seen = torch.nonzero((part[:, 2:] > part[:, :2]).all(dim=1)).flatten()
    window = torch.cat((low[seen], high[seen]), dim=1)
    return Views(row[seen], ground[link[seen]], window, part[seen])


def _warn_of_gaps(tiles: Tensor) -> None:
    """Tiles that touch without sharing ground cut objects; tiles far apart do not."""
    touching = torch.cat((tiles[:, :2], tiles[:, 2:] + 1), dim=1)
    if len(intersecting_pairs(touching)[0]):
        warnings.warn(
            "tiles do not overlap: objects on their borders come out in pieces; "
            "ask for an overlap_frac above 0",
            UserWarning,
            stacklevel=4,
        )


def _sole_ground(tiles: Tensor, own: Tensor, other: Tensor) -> Tensor:
    """(T, 4) xyxy, a part of each tile that no other tile sees; may be empty.

    Args:
        tiles: (T, 4) xyxy.
        own: (P,) int64, a tile.
        other: (P,) int64, one that overlaps it.
    """
    mine, theirs = tiles[own], tiles[other]
    # One cut of each pair is enough: on the side where the other tile reaches out of this one.
    reaches_out = torch.cat((theirs[:, :2] < mine[:, :2], theirs[:, 2:] > mine[:, 2:]), dim=1)[
        :, [0, 2, 1, 3]
    ]
    side = reaches_out.to(torch.uint8).argmax(dim=1)  # left, right, top, bottom
    core = tiles.clone()
    for k, (column, edge, how) in enumerate(
        ((0, 2, "amax"), (2, 0, "amin"), (1, 3, "amax"), (3, 1, "amin"))
    ):
        cut = side == k
        core[:, column].scatter_reduce_(0, own[cut], theirs[cut, edge], how)
    return core


def _reaches_out(boxes: Tensor, cores: Tensor) -> Tensor:
    """(N,) bool, boxes that reach out of the part of their tile that no other tile sees."""
    beyond = torch.cat((boxes[:, :2] < cores[:, :2], boxes[:, 2:] > cores[:, 2:]), dim=1)
    return beyond.any(dim=1)
