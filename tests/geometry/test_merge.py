"""The merge: what several tiles saw of one object comes out once, and of two objects twice."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from smalldet.detections import Detections, TileDetections
from smalldet.geometry.merge import merge_tiles
from smalldet.geometry.overlaps import iou, pairwise
from smalldet.geometry.tiles import interior_cuts, tile_grid

NAMES = ("car", "van")
Seen = tuple[int, list[float], float]  # tile, box, score


def seen(
    tiles: list[list[int]] | Tensor, found: list[Seen], labels: list[int] | None = None
) -> TileDetections:
    """Detections as a detector would hand them over; the scene ends where the tiles end."""
    windows = torch.as_tensor(tiles)
    boxes = torch.tensor([box for _, box, _ in found], dtype=torch.float32).reshape(-1, 4)
    tile = torch.tensor([t for t, _, _ in found], dtype=torch.long)
    width, height = (int(v) for v in windows[:, 2:].amax(dim=0))
    return TileDetections(
        boxes,
        torch.tensor([score for _, _, score in found]),
        torch.tensor(labels or [0] * len(found), dtype=torch.long),
        tile,
        interior_cuts(boxes, tile, windows, width, height),
        windows,
        NAMES,
    )


def perfectly_seen(truth: Tensor, tiles: Tensor, scores: Tensor) -> TileDetections:
    """Every object clipped to every tile in which at least 1 px of it shows on both axes."""
    low, high = tiles[:, None, :2].float(), tiles[:, None, 2:].float()
    parts = torch.cat(
        (truth[None, :, :2].clamp(low, high), truth[None, :, 2:].clamp(low, high)), dim=2
    )
    tile, row = torch.nonzero((parts[..., 2:] - parts[..., :2] >= 1).all(dim=2)).unbind(1)
    boxes = parts[tile, row]
    width, height = (int(v) for v in tiles[:, 2:].amax(dim=0))
    return TileDetections(
        boxes,
        scores[torch.arange(len(boxes)) % len(scores)],
        row % len(NAMES),
        tile,
        interior_cuts(boxes, tile, tiles, width, height),
        tiles,
        NAMES,
    )


def rows(found: Detections) -> list[tuple[float, ...]]:
    return sorted(tuple(box) for box in found.boxes.tolist())


TWO = [[0, 0, 100, 100], [70, 0, 170, 100]]  # overlap 70..100
THREE = [[0, 0, 100, 100], [70, 0, 170, 100], [140, 0, 240, 100]]
FOUR = [[0, 0, 100, 100], [70, 0, 170, 100], [0, 70, 100, 170], [70, 70, 170, 170]]


def test_whole_beats_cut_even_where_the_cut_one_scores_higher() -> None:
    found = merge_tiles(seen(TWO, [(0, [60, 10, 90, 30], 0.6), (1, [70, 10, 90, 30], 0.9)]))
    assert rows(found) == [(60, 10, 90, 30)]
    assert found.scores.tolist() == pytest.approx([0.6])


def test_of_whole_boxes_the_strongest_stays() -> None:
    found = merge_tiles(seen(TWO, [(0, [75, 10, 90, 30], 0.6), (1, [76, 10, 91, 30], 0.9)]))
    assert rows(found) == [(76, 10, 91, 30)]


def test_pieces_give_their_enclosing_box_and_the_best_score() -> None:
    found = merge_tiles(seen(TWO, [(0, [20, 10, 100, 30], 0.6), (1, [70, 11, 150, 31], 0.9)]))
    assert rows(found) == [(20, 10, 150, 31)]
    assert found.scores.tolist() == pytest.approx([0.9])


def test_an_object_cut_by_three_tiles_comes_out_once() -> None:
    pieces: list[Seen] = [
        (0, [20, 40, 100, 52], 0.5),
        (1, [70, 40, 170, 52], 0.4),
        (2, [140, 41, 200, 52], 0.7),
    ]
    found = merge_tiles(seen(THREE, pieces))
    assert rows(found) == [(20, 40, 200, 52)]


def test_a_sliver_joins_the_whole_although_their_iou_is_small() -> None:
    whole, sliver = [66.0, 10, 73, 40], [70.0, 11, 72, 40]
    assert iou(torch.tensor(whole), torch.tensor(sliver)) < 0.3
    assert rows(merge_tiles(seen(TWO, [(0, whole, 0.9), (1, sliver, 0.3)]))) == [tuple(whole)]


def test_a_sliver_of_two_pixels_joins_in_spite_of_one_pixel_of_jitter() -> None:
    """IoU of the parts is 1/3 here: for parts so thin, distance decides."""
    found = merge_tiles(seen(TWO, [(0, [50, 10, 73, 40], 0.9), (1, [70, 10, 71, 40], 0.3)]))
    assert rows(found) == [(50, 10, 73, 40)]
    strict = seen(TWO, [(0, [50, 10, 73, 40], 0.9), (1, [70, 10, 71, 40], 0.3)])
    assert len(merge_tiles(strict, tiny_px=0)) == 2


@pytest.mark.parametrize("side", [3, 5, 8, 14])
def test_neighbours_in_the_overlap_stay_two(side: int) -> None:
    left, right = [72, 20, 72 + side, 20 + side], [72, 22 + side, 72 + side, 22 + 2 * side]
    found = merge_tiles(
        seen(TWO, [(0, left, 0.9), (0, right, 0.8), (1, left, 0.7), (1, right, 0.9)])
    )
    assert rows(found) == sorted([tuple(left), tuple(right)])


def test_two_boxes_of_one_tile_never_join_however_alike() -> None:
    """A box of B that fits both joins the better one; the other one survives."""
    found = merge_tiles(
        seen(
            TWO,
            [(0, [75, 10, 95, 30], 0.9), (0, [78, 10, 97, 30], 0.8), (1, [79, 10, 97, 30], 0.5)],
        )
    )
    assert rows(found) == [(75, 10, 95, 30), (78, 10, 97, 30)]


def test_strongest_pairs_join_first_in_a_crowd() -> None:
    """Every box overlaps the next one over the threshold; the true pairs still find each other."""
    crowd = [[72.0 + 2 * k, 10, 86 + 2 * k, 30] for k in range(4)]
    shifted = [[x1 + 0.5, y1, x2 + 0.5, y2] for x1, y1, x2, y2 in crowd]
    found = merge_tiles(
        seen(
            TWO,
            [(0, b, 0.9 - k / 10) for k, b in enumerate(crowd)] + [(1, b, 0.1) for b in shifted],
        )
    )
    assert rows(found) == sorted(tuple(b) for b in crowd)


def test_four_tiles_that_meet_in_a_corner() -> None:
    inside = [80.0, 80, 90, 90]
    found = merge_tiles(seen(FOUR, [(t, inside, 0.5 + t / 10) for t in range(4)]))
    assert rows(found) == [tuple(inside)]
    assert found.scores.tolist() == pytest.approx([0.8])
    large = torch.tensor([[30.0, 40, 150, 130]])
    assert rows(merge_tiles(perfectly_seen(large, torch.tensor(FOUR), torch.rand(4)))) == rows(
        Detections(large, torch.ones(1), torch.zeros(1, dtype=torch.long), NAMES)
    )


def test_boxes_that_meet_outside_the_common_ground_take_no_part() -> None:
    """They overlap each other, but neither reaches into what both tiles see."""
    found = merge_tiles(seen(TWO, [(0, [40, 10, 69, 30], 0.9), (1, [65, 10, 69.5, 30], 0.8)]))
    assert len(found) == 2


def test_classes_stay_apart_unless_asked() -> None:
    boxes: list[Seen] = [(0, [75, 10, 90, 30], 0.6), (1, [75, 10, 91, 30], 0.9)]
    assert len(merge_tiles(seen(TWO, boxes, labels=[0, 1]))) == 2
    found = merge_tiles(seen(TWO, boxes, labels=[0, 1]), across_classes=True)
    assert rows(found) == [(75, 10, 91, 30)]
    assert found.named() == ["van"]


def test_across_classes_one_tile_suppresses_itself_too() -> None:
    boxes: list[Seen] = [(0, [10, 10, 30, 30], 0.6), (0, [10, 10, 30, 31], 0.9)]
    assert len(merge_tiles(seen(TWO, boxes, labels=[0, 1]))) == 2
    found = merge_tiles(seen(TWO, boxes, labels=[0, 1]), across_classes=True)
    assert found.named() == ["van"]


def test_without_overlap_nothing_is_stitched_and_a_warning_says_so() -> None:
    apart = [[0, 0, 100, 100], [100, 0, 200, 100]]
    pieces: list[Seen] = [(0, [80, 10, 100, 30], 0.6), (1, [100, 10, 120, 30], 0.9)]
    with pytest.warns(UserWarning, match="do not overlap"):
        assert len(merge_tiles(seen(apart, pieces))) == 2


def test_nothing_found_and_one_tile() -> None:
    assert len(merge_tiles(seen(TWO, []))) == 0
    one = seen(TWO[:1], [(0, [1, 1, 5, 5], 0.2), (0, [1, 1, 5, 5.5], 0.9)])
    assert merge_tiles(one).scores.tolist() == pytest.approx([0.9, 0.2]), "sorted, never joined"


def test_tiles_that_do_not_exist_and_thresholds_out_of_range_are_named() -> None:
    with pytest.raises(ValueError, match=r"tiles 0\.\.2 of 2"):
        merge_tiles(
            TileDetections(
                torch.zeros(2, 4),
                torch.zeros(2),
                torch.zeros(2, dtype=torch.long),
                torch.tensor([0, 2]),
                torch.zeros(2, 4, dtype=torch.bool),
                torch.tensor(TWO),
                NAMES,
            )
        )
    with pytest.raises(ValueError, match="iou_threshold"):
        merge_tiles(seen(TWO, []), iou_threshold=1.0)


def crowded(seed: int, num: int, scene_px: int) -> tuple[Tensor, Tensor, Tensor]:
    """Boxes that overlap one another, as two to four tiles with jitter see them."""
    draw = torch.Generator().manual_seed(seed)
    tiles = tile_grid(scene_px, scene_px, 64, 0.4)
    corner = torch.rand(num, 2, generator=draw) * scene_px * 0.9
    truth = torch.cat((corner, corner + 4 + torch.rand(num, 2, generator=draw) * 20), dim=1)
    return truth, tiles, torch.rand(97, generator=draw)


def jittered(dets: TileDetections, seed: int) -> TileDetections:
    noise = torch.randn(dets.boxes.shape, generator=torch.Generator().manual_seed(seed)) / 2
    return TileDetections(
        (dets.boxes + noise).round(decimals=1),
        (dets.scores * 20).round() / 20,  # many ties
        dets.labels,
        dets.tile,
        dets.cut,
        dets.tiles,
        dets.class_names,
    )


def in_other_order(dets: TileDetections, seed: int) -> TileDetections:
    draw = torch.Generator().manual_seed(seed)
    boxes, tiles = torch.randperm(len(dets), generator=draw), torch.randperm(len(dets.tiles))
    return TileDetections(
        dets.boxes[boxes],
        dets.scores[boxes],
        dets.labels[boxes],
        torch.argsort(tiles)[dets.tile[boxes]],
        dets.cut[boxes],
        dets.tiles[tiles],
        dets.class_names,
    )


@pytest.mark.parametrize("across_classes", [False, True])
@pytest.mark.parametrize("seed", range(6))
def test_the_order_of_boxes_and_tiles_changes_nothing(seed: int, across_classes: bool) -> None:
    dets = jittered(perfectly_seen(*crowded(seed, 300, 400)), seed)
    one = merge_tiles(dets, iou_threshold=0.3, across_classes=across_classes)
    other = merge_tiles(
        in_other_order(dets, seed), iou_threshold=0.3, across_classes=across_classes
    )
    assert torch.equal(one.boxes, other.boxes)
    assert torch.equal(one.scores, other.scores)
    assert torch.equal(one.labels, other.labels)
    assert len(one) < len(dets)


@pytest.mark.parametrize("seed", range(4))
def test_far_from_the_origin_the_merge_is_the_same(seed: int) -> None:
    far = 99_000
    truth, tiles, scores = crowded(seed, 200, 400)
    truth = (truth * 64).round() / 64  # what float32 still holds out there
    near_dets = perfectly_seen(truth, tiles, scores)
    near = merge_tiles(near_dets)
    moved = TileDetections(
        near_dets.boxes + far,
        near_dets.scores,
        near_dets.labels,
        near_dets.tile,
        near_dets.cut,
        tiles + far,
        NAMES,
    )
    assert torch.equal(merge_tiles(moved).boxes, near.boxes + far)


@st.composite
def scenes(draw: st.DrawFn, long: bool) -> tuple[Tensor, Tensor, Tensor]:
    """Objects that do not overlap, and tiles: objects fit the overlap, or some outgrow the tile."""
    tile_px = draw(st.integers(24, 60))
    tiles = tile_grid(
        draw(st.integers(10, 200)), draw(st.integers(10, 200)), tile_px, draw(st.floats(0.25, 0.7))
    )
    width, height = (int(v) for v in tiles[:, 2:].amax(dim=0))
    largest = max(width, height) if long else tile_px // 4
    side = st.integers(3, max(3, largest))
    objects: list[tuple[int, int, int, int]] = []
    for _ in range(draw(st.integers(1, 25))):
        w, h = min(draw(side), width), min(draw(side), height)
        x, y = draw(st.integers(0, width - w)), draw(st.integers(0, height - h))
        if all(x >= c or x + w <= a or y >= d or y + h <= b for a, b, c, d in objects):
            objects.append((x, y, x + w, y + h))
    scores = torch.tensor(draw(st.lists(st.floats(0.125, 1, width=32), min_size=1, max_size=9)))
    return torch.tensor(objects).float(), tiles, scores


@settings(deadline=None, max_examples=60)
@given(scene=scenes(long=False))
def test_truth_seen_perfectly_comes_back_exactly(scene: tuple[Tensor, Tensor, Tensor]) -> None:
    truth, tiles, scores = scene
    found = merge_tiles(perfectly_seen(truth, tiles, scores))
    assert rows(found) == sorted(tuple(box) for box in truth.tolist())


@settings(deadline=None, max_examples=60)
@given(scene=scenes(long=True))
def test_objects_longer_than_a_tile_come_back_exactly(
    scene: tuple[Tensor, Tensor, Tensor],
) -> None:
    truth, tiles, scores = scene
    found = merge_tiles(perfectly_seen(truth, tiles, scores), across_classes=True)
    assert rows(found) == sorted(tuple(box) for box in truth.tolist())


def merged_by_the_definition(dets: TileDetections, iou_threshold: float) -> set[tuple[float, ...]]:
    """The definition: a table over all N x N by IoU alone, and a cluster as a set of rows."""
    windows, boxes = dets.tiles[dets.tile], dets.boxes.double()
    low = torch.maximum(windows[:, None, :2], windows[None, :, :2]).double()
    high = torch.minimum(windows[:, None, 2:], windows[None, :, 2:]).double()
    part = torch.cat((boxes[:, None, :2].clamp(low, high), boxes[:, None, 2:].clamp(low, high)), 2)
    table = iou(part, part.transpose(0, 1))
    table[dets.labels[:, None] != dets.labels[None]] = 0
    tile, cut, scores = dets.tile.tolist(), dets.cut.any(dim=1).tolist(), dets.scores.tolist()
    cluster = [{i} for i in range(len(dets))]
    over = torch.nonzero(table.triu(1) > iou_threshold).tolist()
    for i, j in sorted(over, key=lambda pair: -table[pair[0], pair[1]].item()):
        both = cluster[i] | cluster[j]
        if len({tile[k] for k in both}) == len(both):
            for k in both:
                cluster[k] = both
    result: set[tuple[float, ...]] = set()
    for group in {frozenset(c) for c in cluster}:
        whole = [k for k in group if not cut[k]]
        members = dets.boxes[[max(whole, key=lambda k: scores[k])] if whole else [*group]]
        result.add((*members[:, :2].amin(dim=0).tolist(), *members[:, 2:].amax(dim=0).tolist()))
    return result


@pytest.mark.parametrize("seed", range(5))
def test_agrees_with_the_definition_in_a_crowd(seed: int) -> None:
    """Contested clusters everywhere; scores and overlaps without ties."""
    dets = perfectly_seen(*crowded(seed, 90, 160))
    draw = torch.Generator().manual_seed(seed)
    boxes = dets.boxes + torch.rand(dets.boxes.shape, generator=draw) * 2 - 1
    scores = torch.rand(len(dets), generator=draw)
    dets = TileDetections(boxes, scores, dets.labels, dets.tile, dets.cut, dets.tiles, NAMES)
    found = merge_tiles(dets, iou_threshold=0.3, tiny_px=0)
    assert {tuple(box) for box in found.boxes.tolist()} == merged_by_the_definition(dets, 0.3)


def test_time_follows_the_boxes_and_not_their_square() -> None:
    """60,000 boxes in a scene: an N x N table of them would not fit in memory."""
    tiles = tile_grid(20_000, 20_000, 640, 0.2)
    draw = torch.Generator().manual_seed(0)
    tile = torch.randint(0, len(tiles), (60_000,), generator=draw)
    corner = tiles[tile, :2] + torch.rand(60_000, 2, generator=draw) * 620
    boxes = torch.cat((corner, corner + 12), dim=1)
    cut = interior_cuts(boxes, tile, tiles, 20_000, 20_000)
    found = merge_tiles(
        TileDetections(boxes, torch.rand(60_000), torch.zeros_like(tile), tile, cut, tiles, NAMES)
    )
    assert 0 < len(found) < 60_000
    sample = found.boxes[:1500]
    assert (pairwise(iou, sample, sample) - torch.eye(1500)).max() < 1
