"""Clusters of boxes that hold at most one box of each tile."""

# torch types some methods only in part:
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from __future__ import annotations

import torch
from torch import Tensor


def constrained_clusters(first: Tensor, second: Tensor, strength: Tensor, tile: Tensor) -> Tensor:
    """Join pairs, strongest first, as long as no cluster gets two boxes of one tile.

    Where everything that is connected comes from different tiles, the constraint never bites and
    the order of joining does not matter: such components, nearly all, are clusters as they are.
    Only the pairs of the contested ones are gone through one by one.

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
    cluster = torch.where(contested[component], torch.arange(len(tile)), component)
    order = torch.argsort(second, stable=True)
    order = order[torch.argsort(first[order], stable=True)]
    order = order[torch.argsort(strength[order], descending=True, stable=True)]
    joined = _joined_one_by_one(first[order].tolist(), second[order].tolist(), tile)
    if joined:
        cluster[torch.tensor(list(joined))] = torch.tensor(list(joined.values()))
    return cluster


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


def _joined_one_by_one(first: list[int], second: list[int], tile: Tensor) -> dict[int, int]:
    """{row: row that names its cluster}, for the boxes of contested pairs in order of strength."""
    rows = sorted({*first, *second})
    name = {row: row for row in rows}
    members = {row: [row] for row in rows}
    tiles = {row: {seat} for row, seat in zip(rows, tile[rows].tolist(), strict=True)}
    for a, b in zip(first, second, strict=True):
        large, small = name[a], name[b]
        if large == small or not tiles[large].isdisjoint(tiles[small]):
            continue
        if len(members[large]) < len(members[small]):
            large, small = small, large
        for row in members[small]:
            name[row] = large
        members[large] += members.pop(small)
        tiles[large] |= tiles.pop(small)
    return name
