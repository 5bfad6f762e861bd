"""Merges carry every column of detections, or say by name which one they cannot."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import MISSING, dataclass, field, fields, replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from smalldet.columns import column, columns_in, columns_of, convert
from smalldet.detections import Detections, TileDetections
from smalldet.geometry.masks import regrid
from smalldet.geometry.merge_methods import MERGES, MergeFunction, merge_greedy, merge_soft_nms
from smalldet.geometry.tiles import interior_cuts, tile_grid

NAMES = ("car", "van")
SIDE = 4  # of masks
OPTIONAL = [f.name for f in fields(TileDetections) if f.default is not MISSING]

every_merge = pytest.mark.parametrize("merge", MERGES.values(), ids=MERGES.keys())


def crowd(seed: int, num: int, scene_px: int = 100) -> TileDetections:
    """Boxes of 4 to 24 px, each in a tile that holds its centre."""
    draw = torch.Generator().manual_seed(seed)
    tiles = tile_grid(scene_px, scene_px, 64, 0.4)
    centre = torch.rand(num, 2, generator=draw) * scene_px
    half = 2 + torch.rand(num, 2, generator=draw) * 10
    boxes = torch.cat((centre - half, centre + half), dim=1).clamp(0, scene_px)
    held = ((centre[:, None] >= tiles[:, :2]) & (centre[:, None] < tiles[:, 2:])).all(dim=2)
    tile = torch.multinomial(held.float(), 1, generator=draw).flatten() if num else held.sum(1)
    return TileDetections(
        boxes,
        torch.rand(num, generator=draw) * 0.9 + 0.1,
        torch.randint(0, 2, (num,), generator=draw),
        tile,
        interior_cuts(boxes, tile, tiles, scene_px, scene_px),
        tiles,
        NAMES,
    )


def in_two_tiles(boxes: list[list[float]], masks: Tensor) -> TileDetections:
    """Boxes by falling score in tiles that meet at x = 50 px by turns."""
    num = len(boxes)
    return TileDetections(
        torch.tensor(boxes),
        torch.linspace(0.9, 0.6, num),
        torch.zeros(num, dtype=torch.long),
        torch.arange(num) % 2,
        torch.zeros(num, 4, dtype=torch.bool),
        torch.tensor([[0, 0, 60, 100], [40, 0, 100, 100]]),
        NAMES,
        masks=masks,
    )


def upright(dets: TileDetections) -> Tensor:
    low, high = dets.boxes.split(2, dim=1)
    return torch.cat(((low + high) / 2, high - low, torch.zeros(len(dets), 1)), dim=1)


def grey(dets: TileDetections) -> Tensor:
    """Masks that are all of one value, another for each detection."""
    return torch.arange(1, len(dets) + 1, dtype=torch.uint8)[:, None, None].expand(-1, SIDE, SIDE)


DRAWN: dict[str, Callable[[TileDetections], Tensor]] = {"rboxes": upright, "masks": grey}


def test_these_tests_know_every_optional_column() -> None:
    assert set(OPTIONAL) == set(DRAWN) and set(OPTIONAL) <= set(columns_of(TileDetections))


@every_merge
@pytest.mark.parametrize("name", OPTIONAL)
@settings(deadline=None, max_examples=20)
@given(seed=st.integers(0, 9999), num=st.integers(0, 60), across_classes=st.booleans())
def test_an_optional_column_comes_out_or_is_refused_by_name(
    name: str, merge: MergeFunction, seed: int, num: int, across_classes: bool
) -> None:
    dets = crowd(seed, num)
    dets = replace(dets, **{name: DRAWN[name](dets)})
    try:
        merged = merge(dets, across_classes=across_classes)
    except ValueError as error:
        assert name in str(error)
        assert MERGES["wbf"] is merge and "merge by tiles, nms or greedy" in str(error)
        return
    columns = columns_in(merged)
    assert set(columns) == {"boxes", "scores", "labels", name}
    assert {len(values) for values in columns.values()} == {len(merged)}
    assert columns[name].dtype == DRAWN[name](dets).dtype


@dataclass(frozen=True, eq=False)
class Tracked(TileDetections):
    tracks: Tensor | None = field(default=None, metadata=column())


@every_merge
def test_a_column_that_results_do_not_have_is_refused_by_name(merge: MergeFunction) -> None:
    dets = crowd(1, 20)
    with pytest.raises(ValueError, match="tracks"):
        merge(convert(dets, Tracked, tracks=torch.arange(20)))
    assert len(merge(convert(dets, Tracked))) == len(merge(dets))


@pytest.mark.parametrize("name", [name for name in MERGES if name != "wbf"])
def test_boxes_come_out_as_they_do_without_masks(name: str) -> None:
    dets = crowd(5, 80)
    plain, masked = MERGES[name](dets), MERGES[name](replace(dets, masks=grey(dets)))
    for column_name, values in columns_in(plain).items():
        assert torch.equal(columns_in(masked)[column_name], values)


def owners(merged: Detections, dets: TileDetections) -> Tensor:
    """(N,) int64, the row of `dets` whose box each has."""
    return (merged.boxes[:, None] == dets.boxes).all(dim=2).int().argmax(dim=1)


@pytest.mark.parametrize("name", ["nms", "soft_nms"])
def test_where_boxes_stay_masks_stay_with_them(name: str) -> None:
    dets = crowd(7, 60)
    dets = replace(dets, masks=grey(dets))
    merged = MERGES[name](dets)
    assert merged.masks is not None and dets.masks is not None and len(merged) > 20
    assert torch.equal(merged.masks, dets.masks[owners(merged, dets)])


def test_soft_nms_keeps_masks_with_boxes_that_change_places() -> None:
    """The second box loses score by the first, and falls behind the third."""
    boxes = [[10.0, 10, 30, 30], [11, 10, 31, 30], [60, 10, 80, 30]]
    masks = torch.tensor([1, 2, 3], dtype=torch.uint8)[:, None, None].expand(-1, SIDE, SIDE)
    merged = merge_soft_nms(in_two_tiles(boxes, masks))
    assert merged.masks is not None and merged.masks[:, 0, 0].tolist() == [1, 3, 2]


def disc(side: int = 28) -> Tensor:
    at = (torch.arange(side) + 0.5) / side - 0.5
    return ((at[:, None] ** 2 + at[None] ** 2).sqrt() <= 0.5).to(torch.uint8) * 255


def test_greedy_unites_the_masks_of_what_a_box_takes_in() -> None:
    """Two parts of a disc become the disc; a box by itself keeps its mask to the bit."""
    whole, alone = torch.tensor([30.0, 20, 70, 60]), [80.0, 70, 90, 90]
    boxes = [[30.0, 20, 58, 60], [42, 20, 70, 60], alone]
    parts = regrid(disc().expand(2, -1, -1), whole.expand(2, -1), torch.tensor(boxes[:2]))
    lone = torch.arange(28 * 28).reshape(1, 28, 28) % 256
    masks = torch.cat((parts.round(), lone)).to(torch.uint8)
    merged = merge_greedy(in_two_tiles(boxes, masks))
    assert merged.boxes.tolist() == [whole.tolist(), alone]
    assert merged.masks is not None
    assert ((merged.masks[0] >= 128) != (disc() >= 128)).float().mean() < 0.03
    assert torch.equal(merged.masks[1], masks[2])
