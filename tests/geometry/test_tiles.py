"""The tile grid covers a scene with the asked overlap and no tile too many; what its edges cut."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from smalldet.geometry.tiles import interior_cuts, tile_grid

side = st.one_of(st.integers(1, 300), st.integers(1, 100_000))


@settings(deadline=None, max_examples=120)
@given(
    width=side,
    height=st.integers(1, 300),
    tile_px=st.one_of(st.integers(1, 64), st.integers(32, 2048)),
    overlap_frac=st.one_of(st.sampled_from([0, 0.1, 0.2, 0.25, 0.5, 0.7]), st.floats(0, 0.95)),
    turned=st.booleans(),
)
def test_the_grid_keeps_its_promises(
    width: int, height: int, tile_px: int, overlap_frac: float, turned: bool
) -> None:
    if turned:
        width, height = height, width
    asked_px = math.ceil(overlap_frac * tile_px - 1e-6)
    assume(tile_px - asked_px >= max(1, max(width, height) // 5000))
    tiles = tile_grid(width, height, tile_px, overlap_frac)
    assert tiles.dtype == torch.int64
    num_tiles = 1
    for extent, low, high in ((width, 0, 2), (height, 1, 3)):
        starts, ends = tiles[:, low].unique(), tiles[:, high].unique()
        assert len(starts) == len(ends)
        assert starts[0] == 0 and ends[-1] == extent, "it reaches both borders and stays inside"
        assert (ends - starts == min(tile_px, extent)).all()
        assert (ends[:-1] - starts[1:] >= asked_px).all(), "no gap, and the asked overlap"
        fewest = 1 + math.ceil(max(extent - tile_px, 0) / (tile_px - asked_px))
        assert len(starts) == fewest
        num_tiles *= fewest
    assert len(tiles) == num_tiles == len(tiles.unique(dim=0)), "every column meets every row once"


def test_what_is_left_over_is_spread() -> None:
    assert tile_grid(250, 90, 100, 0.2).tolist() == [
        [0, 0, 100, 90],
        [75, 0, 175, 90],
        [150, 0, 250, 90],
    ]


def test_rounding_of_the_fraction_costs_no_tile() -> None:
    """0.1 * 30 is 3.0000000000000004; an overlap of 4 would take a third tile."""
    assert len(tile_grid(57, 30, 30, 0.1)) == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((0, 10, 10, 0.1), "at least 1 px"),
        ((10, 10, 0, 0.1), "at least 1 px"),
        ((10, 10, 5, 1.0), "overlap_frac"),
        ((10, 10, 5, -0.1), "overlap_frac"),
        ((100, 100, 5, 0.9), "no whole pixel"),
    ],
)
def test_what_cannot_be_is_said(arguments: tuple[int, int, int, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        tile_grid(*arguments)


def test_only_interior_edges_cut() -> None:
    tiles = tile_grid(160, 100, 100, 0.4)  # 0..100 and 60..160
    boxes = torch.tensor(
        [
            [0.0, 0, 100, 100],  # fills the left tile: its right edge alone lies inside the scene
            [60, 0, 160, 100],  # fills the right one
            [61.5, 40, 97, 50],  # of the right tile, within the margin of its left edge
            [63, 40, 98.5, 50],  # of the left tile, within the margin of its right edge
            [63, 40, 97, 50],  # touches none
        ]
    )
    cuts = interior_cuts(boxes, torch.tensor([0, 1, 1, 0, 0]), tiles, 160, 100)
    assert cuts.tolist() == [
        [False, False, True, False],
        [True, False, False, False],
        [True, False, False, False],
        [False, False, True, False],
        [False, False, False, False],
    ]
    strict = interior_cuts(boxes, torch.tensor([0, 1, 1, 0, 0]), tiles, 160, 100, margin_px=0)
    assert strict.any(dim=1).tolist() == [True, True, False, False, False]
