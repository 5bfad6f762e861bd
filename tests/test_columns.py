"""Columns: what a field declares is all that rows, joins and moves need to know."""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from smalldet.columns import cat, column, columns_in, columns_of, convert, map_columns, take
from smalldet.data.index import ImageRecord
from smalldet.detections import Detections, TileDetections
from smalldet.evaluation.rows import Rows
from smalldet.geometry.ranked_boxes import RankedBoxes
from smalldet.targets import Target

NAMES = ("car", "van")


def detections(num: int = 3, *, masks: bool = True, rboxes: bool = True) -> Detections:
    return Detections(
        torch.arange(num * 4).reshape(num, 4).float(),
        torch.linspace(0.9, 0.5, num),
        torch.arange(num) % 2,
        NAMES,
        torch.rand(num, 5) if rboxes else None,
        torch.arange(num * 4).reshape(num, 2, 2).to(torch.uint8) if masks else None,
    )


def target(num: int, num_regions: int, *, masks: bool, rboxes: bool = False) -> Target:
    return Target(
        torch.rand(num, 4),
        torch.arange(num),
        torch.rand(num_regions, 4),
        torch.ones(num_regions, 2, dtype=torch.bool),
        torch.ones(num, 2, 2, dtype=torch.int8) if masks else None,
        torch.rand(num, 5) if rboxes else None,
    )


@pytest.mark.parametrize(
    "kind", [Detections, TileDetections, RankedBoxes, Target, ImageRecord, Rows]
)
def test_every_field_that_holds_rows_is_declared(kind: type) -> None:
    """One that is forgotten would keep all its rows where the others lose some."""
    other = {
        "class_names", "tiles", "path", "width", "height", "image_id", "gsd_m", "unknown",
        "picture", "num_cut",
    }  # fmt: skip
    assert {f.name for f in fields(kind)} - other == set(columns_of(kind))


@pytest.mark.parametrize(
    "rows", [torch.tensor([2, 0]), torch.tensor([False, True, True]), slice(1, 2), slice(0, 0)]
)
def test_rows_are_taken_from_all_columns(rows: Tensor | slice) -> None:
    whole = detections()
    part = whole[rows]
    assert part.class_names == NAMES
    for name, values in columns_in(whole).items():
        assert torch.equal(columns_in(part)[name], values[rows])
    assert take(replace(whole, masks=None), rows).masks is None


def test_numpy_columns_are_taken_and_joined_too() -> None:
    """An image's record of numpy arrays, with what is no column as it was."""
    flags = np.array([False, True])
    record = ImageRecord(
        Path("a.png"), 100, 50, np.eye(2, 4, dtype=np.float32), np.arange(2), flags, ~flags, 7,
        masks=np.array([[1], [2]], dtype=np.uint8), unknown=frozenset({1}),
    )  # fmt: skip
    second = take(record, np.array([1]))
    assert (second.path, second.image_id, second.unknown) == (Path("a.png"), 7, {1})
    assert second.labels.tolist() == [1] and second.ignore.tolist() == [True]
    assert second.masks is not None and second.masks.tolist() == [[2]]
    both = cat([second, record])
    assert both.labels.tolist() == [1, 0, 1] and both.labels.dtype == np.int64
    assert both.masks is not None and both.masks.tolist() == [[2], [1], [2]]
    assert both.rboxes is None


def test_groups_of_rows_are_taken_by_name() -> None:
    """A target's objects are other rows than its mute regions."""
    whole = target(3, 2, masks=True)
    part = take(whole, torch.tensor([True, False, True]), "objects")
    assert part.labels.tolist() == [0, 2] and part.masks is not None and len(part.masks) == 2
    assert part.mute_boxes is whole.mute_boxes and part.mute_classes is whole.mute_classes
    silent = take(whole, torch.tensor([1]), "mute regions")
    assert len(silent.mute_boxes) == len(silent.mute_classes) == 1 and len(silent.boxes) == 3
    for group in (None, "rows"):
        with pytest.raises(ValueError, match=r"\['mute regions', 'objects'\]; say which"):
            take(whole, torch.tensor([0]), group)


def test_targets_are_joined_and_objects_without_an_outline_are_unknown() -> None:
    joined = cat([target(2, 1, masks=False), target(1, 0, masks=True), target(0, 2, masks=False)])
    assert joined.labels.tolist() == [0, 1, 0] and len(joined.mute_boxes) == 3
    assert joined.masks is not None and joined.masks.dtype == torch.int8
    assert joined.masks.flatten(1).tolist() == [[-1] * 4, [-1] * 4, [1] * 4]
    assert cat([target(2, 0, masks=False)] * 2).masks is None


def test_a_column_that_only_some_parts_have_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="Detections: some parts to join have masks and some"):
        cat([detections(), detections(masks=False)])
    with pytest.raises(ValueError, match="have rboxes and some"):
        cat([detections(rboxes=False, masks=False), detections(masks=False)])
    with pytest.raises(ValueError, match="no parts"):
        cat([])


def test_parts_without_rows_need_no_optional_columns() -> None:
    """Tiles in which nothing is, whatever the detector says of objects."""
    whole, nothing = detections(), Detections.empty(NAMES)
    joined = cat([nothing, whole, nothing])
    for name, values in columns_in(whole).items():
        assert torch.equal(columns_in(joined)[name], values)
    assert cat([nothing, nothing]).masks is None
    none = cat([nothing, whole[:0]])
    assert none.masks is not None and none.masks.shape == (0, 2, 2)


def test_every_column_moves() -> None:
    moved = target(2, 1, masks=True, rboxes=True).to("meta")
    assert {values.device.type for values in columns_in(moved).values()} == {"meta"}
    assert set(columns_in(moved)) == set(columns_of(Target))


def test_a_function_is_applied_to_every_column() -> None:
    whole = detections()
    copied = map_columns(whole, Tensor.clone)
    assert set(columns_in(copied)) == set(columns_of(Detections))
    for name, values in columns_in(whole).items():
        assert torch.equal(columns_in(copied)[name], values)
        assert columns_in(copied)[name] is not values


def test_converting_carries_all_and_loses_nothing_in_silence() -> None:
    tiles = torch.tensor([[0, 0, 9, 9]])
    whole = detections()
    cut = torch.zeros(3, 4, dtype=torch.bool)
    placed = convert(whole, TileDetections, tile=torch.zeros(3).long(), cut=cut, tiles=tiles)
    assert placed.masks is whole.masks and placed.class_names == NAMES
    assert placed.as_detections().rboxes is whole.rboxes
    with pytest.raises(ValueError, match="Detections has no column tile, cut"):
        convert(placed, Detections)


@dataclass(frozen=True, eq=False)
class WithTracks(Detections):
    """Detections with a further column: this line is all there is to write."""

    tracks: Tensor | None = field(default=None, metadata=column())


@dataclass(frozen=True, eq=False)
class Points:
    """Arrays of numpy, one of them optional and filled where a part has none."""

    places: NDArray[np.float64] = field(metadata=column())
    heights: NDArray[np.float64] | None = field(default=None, metadata=column(filler=-9))


def test_a_new_column_is_one_line() -> None:
    plain = detections()
    tracked = convert(plain, WithTracks, tracks=torch.tensor([7, 8, 9]))
    last = tracked[tracked.scores < 0.6]
    assert last.tracks is not None and last.tracks.tolist() == [9]
    joined = cat([last, tracked.sorted_by_score(2), WithTracks.empty(NAMES)])
    assert joined.tracks is not None and joined.tracks.tolist() == [9, 7, 8]
    assert torch.equal(columns_in(tracked.to("cpu"))["tracks"], torch.tensor([7, 8, 9]))
    with pytest.raises(ValueError, match="have tracks and some"):
        cat([last, convert(plain, WithTracks)])


def test_a_filler_keeps_the_type_of_the_column() -> None:
    measured = Points(np.zeros((1, 2)), np.ones(1, dtype=np.float64))
    joined = cat([Points(np.zeros((2, 2))), measured])
    assert joined.heights is not None and joined.heights.tolist() == [-9, -9, 1]
    assert joined.heights.dtype == np.float64
