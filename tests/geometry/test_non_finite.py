"""A box that is not finite is refused by every merge and suppression, wherever it stands."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from smalldet.detections import TileDetections
from smalldet.geometry.merge_methods import MERGES
from smalldet.geometry.pairs import alike_pairs, intersecting_pairs
from smalldet.geometry.rotated import rotated_nms
from smalldet.geometry.streaming import StreamedMerge
from smalldet.geometry.suppression import nms
from smalldet.geometry.voting import vote_boxes

TILES = torch.tensor([[0, 0, 100, 100], [80, 0, 180, 100]])


def in_tiles(boxes: Tensor) -> TileDetections:
    rows = torch.arange(len(boxes))
    cut = torch.zeros(len(boxes), 4, dtype=torch.bool)
    scores, labels = torch.linspace(0.9, 0.3, len(boxes)), rows % 2
    return TileDetections(boxes, scores, labels, rows % 2, cut, TILES, ("a", "b"))


def streamed(boxes: Tensor) -> object:
    merge = StreamedMerge(MERGES["tiles"])
    merge.add(in_tiles(boxes))
    return merge.completed(20.0)


def suppressed(boxes: Tensor) -> object:
    return nms(boxes, torch.ones(len(boxes)), torch.zeros(len(boxes), dtype=torch.long), 0.5)


def suppressed_turned(boxes: Tensor) -> object:
    rboxes = torch.cat((boxes, torch.zeros(len(boxes), 1)), dim=1)
    return rotated_nms(
        rboxes, torch.ones(len(boxes)), torch.zeros(len(boxes), dtype=torch.long), 0.5
    )


def voted(boxes: Tensor) -> object:
    ones, zeros = torch.ones(len(boxes)), torch.zeros(len(boxes), dtype=torch.long)
    return vote_boxes(boxes, ones, zeros, torch.tensor([0]), 0.5, 0.5)


FUNCTIONS: dict[str, Callable[[Tensor], object]] = {
    **{name: lambda boxes, merge=merge: merge(in_tiles(boxes)) for name, merge in MERGES.items()},
    "streamed": streamed,
    "nms": suppressed,
    "rotated_nms": suppressed_turned,
    "vote_boxes": voted,
    "intersecting_pairs": intersecting_pairs,
    "alike_pairs": lambda boxes: alike_pairs(boxes.double(), 0.5),
}


@pytest.mark.parametrize("name", FUNCTIONS)
@given(
    corners=st.lists(st.integers(0, 60), min_size=2, max_size=20),
    column=st.integers(0, 3),
    value=st.sampled_from([math.nan, math.inf, -math.inf]),
    data=st.data(),
)
def test_what_is_not_finite_is_refused(name, corners, column, value, data):
    low = torch.tensor(corners, dtype=torch.float32)[:, None].expand(-1, 2)
    boxes = torch.cat((low, low + 10), dim=1)
    FUNCTIONS[name](boxes)
    boxes[data.draw(st.integers(0, len(boxes) - 1)), column] = value
    with pytest.raises(ValueError, match="finite"):
        FUNCTIONS[name](boxes)
