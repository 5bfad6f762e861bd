"""Clusters of boxes that hold at most one box of each tile."""

from __future__ import annotations

import torch
from torch import Tensor

STRETCH_PER_BOX = 4
LEAST_STRETCH = 4096
"""Pairs that are joined at a time: so many for each box, and no fewer than these."""


def constrained_clusters(first: Tensor, second: Tensor, strength: Tensor, tile: Tensor) -> Tensor:
    """Join pairs, strongest first, as long as no cluster gets two boxes of one tile.

    Where everything that is connected comes from different tiles, the constraint never bites and
    the order of joining does not matter: such components, nearly all, are clusters as they are.
    Only the pairs of the contested ones are taken in their order.

    Args:
        first: (P,) int64, rows of boxes.
        second: (P,) int64; ties of strength are broken by (first, second).
        strength: (P,).
        tile: (N,) int64, the tile of each box.

    Returns:
        (N,) int64, the row of one member that names the cluster of each box.
    """
    component = connected_components(len(tile), first, second)
    seat = component * (int(tile.max()) + 1 if len(tile) else 1) + tile
    _, seat, num_sitting = torch.unique(seat, return_inverse=True, return_counts=True)
    contested = torch.zeros(len(tile), dtype=torch.bool)
    contested[component[num_sitting[seat] > 1]] = True

    open_pairs = contested[component[first]]
    first, second, strength = first[open_pairs], second[open_pairs], strength[open_pairs]
    order = torch.argsort(second, stable=True)
    order = order[torch.argsort(first[order], stable=True)]
    order = order[torch.argsort(strength[order], descending=True, stable=True)]
    rows = torch.nonzero(contested[component]).flatten()
    place = torch.zeros_like(component)
    place[rows] = torch.arange(len(rows))
    joined = _joined_in_order(place[first[order]], place[second[order]], tile[rows])
    component[rows] = rows[joined]
    return component


def connected_components(num_nodes: int, first: Tensor, second: Tensor) -> Tensor:
    """(N,) int64, the lowest row of the component of each of N nodes under the pairs as edges."""
    root = torch.arange(num_nodes)
    while len(first):
        lower = torch.minimum(root[first], root[second])
        hooked = root.scatter_reduce(0, root[first], lower, "amin")
        hooked = hooked.scatter_reduce(0, root[second], lower, "amin")
        hooked = hooked[hooked]
        if torch.equal(hooked, root):
            break
        root = hooked
    return root


def _joined_in_order(first: Tensor, second: Tensor, tile: Tensor) -> Tensor:
    """(N,) int64, a row that names the cluster of each box, for pairs in order of strength.

    Pairs are taken in stretches of their order. In a pile of boxes that all look alike, N boxes
    make N^2 pairs, and nearly all of them are settled by what the stretches before have joined:
    those are dropped when their stretch comes, so that time follows the number of pairs.
    """
    cluster = torch.arange(len(tile))
    stretch = max(STRETCH_PER_BOX * len(tile), LEAST_STRETCH)
    for begin in range(0, len(first), stretch):
        one, other = (cluster[side[begin : begin + stretch]] for side in (first, second))
        settled = one == other
        settled |= _share_a_tile(one, other, cluster, tile)
        cluster = _joined_in_rounds(one[~settled], other[~settled], cluster, tile)
    return cluster


def _joined_in_rounds(first: Tensor, second: Tensor, cluster: Tensor, tile: Tensor) -> Tensor:
    """`cluster` (N,) after joining pairs of clusters in their order.

    A pair that is the strongest left of both its clusters has its turn before all that could bear
    on it, so each round joins all such pairs at once. The outcome is that of one by one: a pair of
    clusters that share a tile is dropped as soon as they do, because they will ever after.
    """
    while len(first):
        turn = torch.arange(len(first))
        foremost = torch.full((len(tile),), len(first))
        foremost.scatter_reduce_(0, first, turn, "amin")
        foremost.scatter_reduce_(0, second, turn, "amin")
        join = (foremost[first] == turn) & (foremost[second] == turn)
        name, grown = torch.arange(len(tile)), torch.zeros(len(tile), dtype=torch.bool)
        name[second[join]] = first[join]
        grown[first[join]] = True
        cluster, first, second = name[cluster], name[first], name[second]

        dropped = first == second
        changed = torch.nonzero(~dropped & (grown[first] | grown[second])).flatten()
        dropped[changed] = _share_a_tile(first[changed], second[changed], cluster, tile)
        first, second = first[~dropped], second[~dropped]
    return cluster


def _share_a_tile(first: Tensor, second: Tensor, cluster: Tensor, tile: Tensor) -> Tensor:
    """(P,) bool, whether both clusters of a pair have a box of one tile."""
    num_tiles = int(tile.max()) + 1
    seats = torch.sort(cluster * num_tiles + tile)[0]  # by cluster, and its tiles in order
    size = torch.bincount(cluster, minlength=len(tile))
    start = size.cumsum(0) - size
    pair = torch.repeat_interleave(size[second])
    nth = torch.arange(len(pair)) - (size[second].cumsum(0) - size[second])[pair]
    wanted = first[pair] * num_tiles + seats[start[second[pair]] + nth] % num_tiles
    place = torch.searchsorted(seats, wanted).clamp(max=len(seats) - 1)
    shared = torch.zeros(len(first), dtype=torch.bool)
    shared[pair[seats[place] == wanted]] = True
    return shared
