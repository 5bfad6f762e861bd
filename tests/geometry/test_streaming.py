"""Merging from top to bottom gives what merging everything at once gives, and holds little."""

from __future__ import annotations

import math
from functools import partial

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from smalldet.columns import cat
from smalldet.detections import Detections, TileDetections
from smalldet.geometry.merge_methods import MERGES
from smalldet.geometry.streaming import StreamedMerge, united
from smalldet.geometry.tiles import interior_cuts, tile_grid

NAMES = ("car", "van")


def crowd(
    width: int, height: int, num: int, seed: int, tile_px: int = 64, overlap_frac: float = 0.3
) -> TileDetections:
    """Random boxes of all lengths, jittered anew in each tile that sees them and cut there."""
    random = torch.Generator().manual_seed(seed)

    def uniform(*size: int) -> torch.Tensor:
        return torch.rand(size, generator=random)

    tiles = tile_grid(width, height, tile_px, overlap_frac)
    sides = 2 + 60 * uniform(num, 2) ** 3
    centres = uniform(num, 2) * torch.tensor((width, height))
    truth = torch.cat((centres - sides / 2, centres + sides / 2), dim=1)
    tile, row = torch.meshgrid(torch.arange(len(tiles)), torch.arange(num), indexing="ij")
    tile, row = tile.flatten(), row.flatten()
    boxes = truth[row] + 2 * uniform(len(row), 4)
    window = tiles[tile].float()
    boxes = torch.cat(
        (
            boxes[:, :2].clamp(window[:, :2], window[:, 2:]),
            boxes[:, 2:].clamp(window[:, :2], window[:, 2:]),
        ),
        dim=1,
    )
    seen = (boxes[:, 2:] > boxes[:, :2] + 1).all(dim=1)
    boxes, tile, row = boxes[seen], tile[seen], row[seen]
    return TileDetections(
        boxes,
        (uniform(len(boxes)) * 20).round() / 20,  # many ties
        row % 2,
        tile,
        interior_cuts(boxes, tile, tiles, width, height),
        tiles,
        NAMES,
    )


def streamed(found: TileDetections, merge: StreamedMerge, batch: int) -> Detections:
    """As a prediction does it: batches of tiles, and what is complete after each row."""
    parts = [Detections.empty(NAMES)]
    top_px = 0.0
    for first in range(0, len(found.tiles), batch):
        behind = first + batch
        merge.add(found[(found.tile >= first) & (found.tile < behind)])
        next_top_px = float(found.tiles[behind, 1]) if behind < len(found.tiles) else math.inf
        if next_top_px > top_px:
            top_px = next_top_px
            done = merge.completed(top_px)
            parts += [] if done is None else [done]
    return united(parts)


def table(found: Detections) -> list[list[float]]:
    columns = (found.boxes, found.scores[:, None], found.labels[:, None])
    return torch.cat(columns, dim=1).tolist()


@given(
    seed=st.integers(0, 2**31),
    width=st.integers(40, 260),
    height=st.integers(40, 400),
    num=st.integers(0, 60),
    batch=st.integers(1, 9),
    across_classes=st.booleans(),
)
@settings(max_examples=40, deadline=None)
def test_streamed_is_exactly_all_at_once(
    seed: int, width: int, height: int, num: int, batch: int, across_classes: bool
) -> None:
    found = crowd(width, height, num, seed)
    merge = partial(MERGES["tiles"], across_classes=across_classes)
    at_once = united([Detections.empty(NAMES), merge(found)])
    assert table(streamed(found, StreamedMerge(merge, across_classes), batch)) == table(at_once)


@pytest.mark.slow
@given(
    seed=st.integers(0, 2**31),
    width=st.integers(40, 400),
    height=st.integers(40, 900),
    num=st.integers(0, 300),
    batch=st.integers(1, 30),
    overlap_frac=st.floats(0.05, 0.6),
    across_classes=st.booleans(),
)
@settings(max_examples=1000, deadline=None)
def test_streamed_is_exactly_all_at_once_in_many_scenes(
    seed: int,
    width: int,
    height: int,
    num: int,
    batch: int,
    overlap_frac: float,
    across_classes: bool,
) -> None:
    found = crowd(width, height, num, seed, overlap_frac=overlap_frac)
    merge = partial(MERGES["tiles"], across_classes=across_classes)
    at_once = united([Detections.empty(NAMES), merge(found)])
    assert table(streamed(found, StreamedMerge(merge, across_classes), batch)) == table(at_once)


@pytest.mark.parametrize("name", [name for name in MERGES if name != "tiles"])
@pytest.mark.parametrize("seed", range(3))
def test_other_merges_can_be_streamed_too(name: str, seed: int) -> None:
    found = crowd(200, 380, 40, seed)
    at_once = united([MERGES[name](found)])
    in_rows = streamed(found, StreamedMerge(MERGES[name]), 4)
    assert len(in_rows) == len(at_once)
    assert torch.allclose(in_rows.boxes, at_once.boxes, atol=1e-4)
    assert torch.allclose(in_rows.scores, at_once.scores, atol=1e-6)


def test_memory_follows_one_row_of_tiles() -> None:
    """However high the scene, only boxes that reach into the next row of tiles wait."""
    found = crowd(200, 6000, 2000, 0)
    waiting: list[int] = []

    class Watched(StreamedMerge):
        def completed(self, next_top_px: float) -> Detections | None:
            done = super().completed(next_top_px)
            waiting.append(sum(len(one) for one in self._open))
            return done

    streamed(found, Watched(MERGES["tiles"]), 4)
    assert len(waiting) > 100 and waiting[-1] == 0
    assert max(waiting) < len(found) / 15


def test_parts_are_joined_with_their_oriented_boxes() -> None:
    found = crowd(200, 100, 10, 1)
    rboxes = torch.rand(len(found), 5) + 1
    oriented = TileDetections(
        found.boxes, found.scores, found.labels, found.tile, found.cut, found.tiles, NAMES, rboxes
    )
    halves = torch.arange(len(found)) < 3
    whole = cat([oriented[halves], oriented[~halves]])
    assert whole.rboxes is not None and torch.equal(whole.rboxes, rboxes)
    assert torch.equal(whole.boxes, found.boxes)
