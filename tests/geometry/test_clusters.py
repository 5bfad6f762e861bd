"""Clusters: at most one box of each tile, strongest pairs first."""

from __future__ import annotations

from unittest.mock import patch

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from smalldet.geometry import clusters
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


def joined_one_by_one(
    pairs: list[tuple[int, int]], strength: list[float], tile: list[int]
) -> list[list[int]]:
    """The definition: sets of rows, pair after pair."""
    cluster = [{row} for row in range(len(tile))]
    for place in sorted(range(len(pairs)), key=lambda k: (-strength[k], pairs[k])):
        a, b = (cluster[row] for row in pairs[place])
        if {tile[row] for row in a}.isdisjoint(tile[row] for row in b):
            for row in (both := a | b):
                cluster[row] = both
    return sorted(sorted(group) for group in {frozenset(group) for group in cluster})


@settings(deadline=None, max_examples=80)
@given(
    tile=st.lists(st.integers(0, 4), min_size=1, max_size=14),
    seed=st.integers(0, 9999),
    steps=st.sampled_from([3, 1000]),
    stretch=st.sampled_from([1, 5, 4096]),
)
def test_joining_at_once_is_joining_one_by_one(
    tile: list[int], seed: int, steps: int, stretch: int
) -> None:
    """Crowds in which nearly every pair contests another one, with ties of strength and without."""
    draw = torch.Generator().manual_seed(seed)
    num = len(tile)
    wanted = torch.rand(num, num, generator=draw) < 0.6
    pairs = [(a, b) for a, b in torch.nonzero(wanted.triu(1)).tolist() if tile[a] != tile[b]]
    strength = (torch.rand(len(pairs), generator=draw) * steps).floor()
    first, second = torch.tensor(pairs, dtype=torch.long).reshape(-1, 2).unbind(1)
    with patch.multiple(clusters, LEAST_STRETCH=stretch, STRETCH_PER_BOX=0):
        joined = groups(constrained_clusters(first, second, strength, torch.tensor(tile)))
    assert joined == joined_one_by_one(pairs, strength.tolist(), tile)


def test_a_pile_of_equal_boxes_comes_to_an_end() -> None:
    """Each of 1,500 boxes pairs with 1,500: round by round over all pairs it would take hours."""
    num = 1500
    first = torch.arange(num).repeat_interleave(num)
    second = num + torch.arange(num).repeat(num)
    tile = torch.arange(2).repeat_interleave(num)
    joined = constrained_clusters(first, second, torch.ones(len(first)), tile)
    assert torch.equal(joined[:num], joined[num:]) and joined.unique().numel() == num


@pytest.mark.parametrize("rising", [False, True])
def test_a_contested_chain_is_gone_through_to_its_end(rising: bool) -> None:
    """Each pair decides the next one, for a thousand pairs in turn."""
    num = 1001
    strength = torch.arange(num - 1).float()
    tile = torch.arange(num) % 2
    found = constrained_clusters(
        torch.arange(num - 1), torch.arange(1, num), strength if rising else -strength, tile
    )
    _, sizes = found.unique(return_counts=True)
    assert sorted(sizes.tolist()) == [1] + [2] * 500
