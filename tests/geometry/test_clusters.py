"""Clusters: at most one box of each tile, strongest pairs first."""

from __future__ import annotations

import torch

from smalldet.geometry.clusters import connected_components, constrained_clusters


def groups(cluster: torch.Tensor) -> list[list[int]]:
    return sorted(torch.nonzero(cluster == name).flatten().tolist() for name in cluster.unique())


def test_a_long_chain_of_different_tiles_is_one_cluster() -> None:
    num = 1000
    shuffled = torch.randperm(num, generator=torch.Generator().manual_seed(0))
    cluster = constrained_clusters(
        shuffled[:-1], shuffled[1:], torch.full((num - 1,), 0.7), torch.arange(num)
    )
    assert cluster.unique().numel() == 1


def test_a_contested_box_goes_where_the_overlap_is_greatest() -> None:
    """Boxes 0 and 1 of tile 0 both want box 2 of tile 1; box 3 of tile 2 follows box 2."""
    first, second = torch.tensor([0, 1, 2]), torch.tensor([2, 2, 3])
    tile = torch.tensor([0, 0, 1, 2])
    for strength, expected in (
        ([0.6, 0.9, 0.7], [[0], [1, 2, 3]]),
        ([0.9, 0.6, 0.7], [[0, 2, 3], [1]]),
        ([0.8, 0.8, 0.7], [[0, 2, 3], [1]]),  # ties go to the stronger box, of the lower row
    ):
        assert groups(constrained_clusters(first, second, torch.tensor(strength), tile)) == expected


def test_two_clusters_that_share_a_tile_do_not_join() -> None:
    """0-1 and 2-3 are pairs of tiles 0 and 1; a weaker link between them must not take."""
    cluster = constrained_clusters(
        torch.tensor([0, 2, 1]),
        torch.tensor([1, 3, 2]),
        torch.tensor([0.9, 0.8, 0.7]),
        torch.tensor([0, 1, 0, 1]),
    )
    assert groups(cluster) == [[0, 1], [2, 3]]


def test_components_are_named_by_their_lowest_row() -> None:
    root = connected_components(7, torch.tensor([6, 4, 2]), torch.tensor([4, 1, 5]))
    assert root.tolist() == [0, 1, 2, 3, 1, 2, 1]
    assert connected_components(2, root[:0], root[:0]).tolist() == [0, 1]
