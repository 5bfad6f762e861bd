"""What several resolutions saw of one object comes out once, as the sharpest whole view of it."""

from __future__ import annotations

from functools import partial

import pytest
import torch

from smalldet.detections import Detections, TileDetections
from smalldet.geometry.merge import merge_tiles
from smalldet.geometry.scales import merge_scales
from smalldet.geometry.tiles import interior_cuts

NAMES = ("car", "van")
# two tiles at full size that overlap in 70..130, and the scene as one tile at a quarter
TILES = torch.tensor([[0, 0, 130, 100], [70, 0, 200, 100], [0, 0, 200, 100]])
LEVEL, SCALES = torch.tensor([0, 0, 1]), (1.0, 0.25)


def merged(found: list[tuple[int, list[float], float, int]], **options: bool) -> Detections:
    boxes = torch.tensor([box for _, box, _, _ in found], dtype=torch.float32)
    tile = torch.tensor([tile for tile, *_ in found])
    dets = TileDetections(
        boxes,
        torch.tensor([score for _, _, score, _ in found]),
        torch.tensor([label for *_, label in found]),
        tile,
        interior_cuts(boxes, tile, TILES, 200, 100),
        TILES,
        NAMES,
    )
    return merge_scales(dets, LEVEL, SCALES, partial(merge_tiles, **options), **options)


def test_the_sharp_box_stands_with_the_best_score() -> None:
    """The coarse one is a pixel of its own scale off, four of the scene's: hardly any IoU."""
    found = merged([(0, [20, 20, 28, 28], 0.4, 0), (2, [24, 23, 32, 31], 0.9, 0)])
    assert found.boxes.tolist() == [[20, 20, 28, 28]]
    assert found.scores.tolist() == pytest.approx([0.9])


def test_neighbours_that_the_coarse_scale_sees_as_one_stay_two() -> None:
    found = merged(
        [
            (0, [20, 20, 30, 30], 0.6, 0),
            (0, [32, 20, 42, 30], 0.5, 0),
            (2, [20, 20, 42, 30], 0.9, 0),
        ]
    )
    assert sorted(found.boxes.tolist()) == [[20, 20, 30, 30], [32, 20, 42, 30]]


def test_an_object_that_no_sharp_tile_holds_comes_from_the_coarse_scale() -> None:
    """Its pieces at the tiles' edges go; what lies on it and was seen whole stays."""
    found = merged(
        [
            (0, [40, 30, 130, 60], 0.5, 0),
            (1, [150, 20, 190, 60], 0.3, 1),
            (0, [50, 40, 60, 50], 0.6, 0),
            (2, [38, 28, 172, 61], 0.7, 0),
        ]
    )
    assert sorted(found.boxes.tolist()) == [[38, 28, 172, 61], [50, 40, 60, 50], [150, 20, 190, 60]]


def test_pieces_stay_where_the_coarse_scale_saw_nothing() -> None:
    found = merged([(0, [40, 30, 130, 60], 0.5, 0), (1, [70, 30, 165, 60], 0.4, 0)])
    assert found.boxes.tolist() == [[40, 30, 165, 60]]


def test_classes_meet_only_if_asked() -> None:
    seen = [(0, [20.0, 20, 40, 40], 0.4, 0), (2, [20.0, 20, 40, 40], 0.9, 1)]
    assert len(merged(seen)) == 2
    assert len(merged(seen, across_classes=True)) == 1


def test_an_empty_scale_changes_nothing() -> None:
    one = merged([(0, [20, 20, 28, 28], 0.4, 0), (1, [150, 20, 160, 30], 0.3, 1)])
    assert sorted(one.boxes.tolist()) == [[20, 20, 28, 28], [150, 20, 160, 30]]
    assert one.labels.tolist() == [0, 1]
