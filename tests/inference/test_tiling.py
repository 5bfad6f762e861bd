"""Every scale covers the scene, and the order of the tiles is from top to bottom."""

import math

import torch
from hypothesis import given
from hypothesis import strategies as st

from smalldet.geometry.tiles import tile_grid
from smalldet.inference.tiling import tile_scene


def test_full_size_is_the_grid_as_it_is():
    tiling = tile_scene(500, 430, 128, 0.2)
    assert torch.equal(tiling.windows, tile_grid(500, 430, 128, 0.2))
    assert tiling.shapes.unique(dim=0).tolist() == [[128, 128]]
    assert tiling.scales == (1.0,) and not tiling.level.any()


@given(
    st.integers(1, 900),
    st.integers(1, 900),
    st.lists(st.floats(0.05, 4), min_size=1, max_size=3),
)
def test_each_scale_covers_the_scene(width, height, scales):
    for scale in scales:
        tiling = tile_scene(width, height, 96, 0.25, [scale])
        seen = torch.zeros(height, width, dtype=torch.bool)
        for x1, y1, x2, y2 in tiling.windows.tolist():
            assert 0 <= x1 < x2 <= width and 0 <= y1 < y2 <= height
            seen[y1:y2, x1:x2] = True
        assert bool(seen.all())
        assert int(tiling.shapes.max()) <= 96
        assert tiling.extent == (width, height)


def test_tiles_of_all_scales_come_from_top_to_bottom():
    tiling = tile_scene(1000, 2000, 256, 0.2, [1.0, 0.5, 0.128])
    tops = tiling.windows[:, 1].tolist()
    assert tops == sorted(tops)
    assert tiling.next_top_px(len(tiling)) == math.inf
    assert all(tiling.next_top_px(row) == top for row, top in enumerate(tops))
    whole = torch.nonzero((tiling.windows == torch.tensor([0, 0, 1000, 2000])).all(1)).flatten()
    assert tiling.shapes[whole].tolist() == [[256, 128]]
    assert tiling.level[whole].tolist() == [2]


def test_only_some_tiles_are_visited():
    tiling = tile_scene(500, 430, 128, 0.2)
    visited = torch.zeros(len(tiling), dtype=torch.bool)
    visited[[2, 7]] = True
    assert [tile.row for tile in tiling.only(visited).tiles()] == [2, 7]
    assert [tile.row for tile in tiling.only(visited).tiles(first=3)] == [7]
