"""What a training saw is in its model, so that pictures of other distances can be brought to it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from smalldet.data.distances import drawn_sides, magnification, of_size, with_distances
from smalldet.data.index import ImageRecord, Index
from smalldet.data.options import Sampling
from smalldet.data.tiled import TiledDataset
from smalldet.models.seen import Seen
from smalldet.training.sections import SourceConfig
from smalldet.training.seen import seen_in
from smalldet.training.sources import read_sources


def record(sides: list[float], gsd_m: float | None, label: int = 0) -> ImageRecord:
    boxes = np.array([[10, 10, 10 + side, 10 + side] for side in sides], np.float32).reshape(-1, 4)
    flags = np.zeros(len(sides), np.bool_)
    labels = np.full(len(sides), label, np.int64)
    return ImageRecord(Path("a.png"), 200, 100, boxes, labels, flags, flags, 1, gsd_m=gsd_m)


def test_spreads_are_of_objects_class_by_class() -> None:
    index = Index(
        ("a", "b", "c"), (record([4.0] * 9, 0.1), record([8.0], 0.4), record([5.0], None, 1))
    )
    seen = seen_in(index)
    assert seen.gsd_m == ((0.1, 0.1, 0.1), None, None)
    assert seen.side_px == ((4, 4, 4), (5, 5, 5), None)
    assert seen_in(Index(("a",), (record([4.0], None),))).gsd_m == ()
    assert seen_in(Index(("a",), (record([], 0.1),))) == Seen()


def test_a_class_of_which_half_the_distances_are_unknown_states_none() -> None:
    index = Index(("a",), (record([4.0] * 5, 0.1), record([4.0] * 5, None)))
    assert seen_in(index).gsd_m == ()


def test_matching_in_training_is_what_the_model_saw() -> None:
    index = Index(("a",), (record([4.0] * 9, 0.1), record([8.0] * 3, 0.05)))
    seen = seen_in(index, match_gsd_m=0.05)
    assert seen == Seen(gsd_m=((0.05,) * 3,), side_px=((8.0,) * 3,))
    assert drawn_sides(index, 0.05).tolist() == [[8.0, 8.0]] * 12
    assert drawn_sides(index, None).tolist() == index.object_sides().tolist()


@pytest.mark.parametrize(("gsd_m", "scale"), [(0.4, 2.0), (0.1, 0.5), (None, 1.0)])
def test_tiles_show_pictures_at_the_distance_asked_for(
    draw_set: Callable[..., Path], gsd_m: float | None, scale: float
) -> None:
    index = read_sources([SourceConfig(annotations=draw_set(), gsd_m=gsd_m)], None)
    tiles = {}
    for match in (None, 0.2):
        sampling = Sampling(
            scale_jitter=(1, 1), match_gsd_m=match, empty_frac=0, tiles_per_epoch=20,
            min_visible_frac=1,
        )  # fmt: skip
        data = TiledDataset(index, tile_px=96, train=True, sampling=sampling)
        data.end_mosaic_at(0)
        sides = np.concatenate(
            [(t.boxes[:, 2:] - t.boxes[:, :2]).numpy() for _, t in (data[i] for i in range(20))]
        )
        tiles[match] = set(np.round(sides.max(1) / (scale if match else 1)).tolist())
    assert tiles[0.2] <= set(range(4, 15)) and len(tiles[0.2]) > 3
    assert tiles[None] <= set(range(4, 15))


def test_distances_too_far_apart_are_refused_by_name() -> None:
    with pytest.raises(
        ValueError, match=r"a\.png: of 100 m a pixel, and data\.match_gsd_m is 0\.1"
    ):
        magnification(record([4.0], 100.0), 0.1)


def test_pictures_tell_what_labels_do_not(draw_set: Callable[..., Path]) -> None:
    index = read_sources([SourceConfig(annotations=draw_set())], None)
    first = index.records[0]
    first.path.with_suffix(".json").write_text(json.dumps({"gsd_m": 0.7}))
    assert [r.gsd_m for r in with_distances(index).records] == [0.7, None, None, None]
    said = Index(index.class_names, (replace(first, gsd_m=0.3),))
    assert with_distances(said).records[0].gsd_m == 0.3


def test_objects_of_other_sizes_in_metres_are_ignored() -> None:
    index = Index(("a",), (record([4.0, 8.0, 16.0], 0.5),))
    assert of_size(index, None, 4, 8).records[0].ignore.tolist() == [True, False, True]
    assert of_size(index, 1.0, None, 8).records[0].ignore.tolist() == [False, True, True]
