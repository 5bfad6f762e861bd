"""Other merges: each does what its paper says, leaves lone boxes alone, and knows no order."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from smalldet.detections import Detections, TileDetections
from smalldet.geometry.merge_methods import (
    MERGES,
    MergeFunction,
    merge_greedy,
    merge_nms,
    merge_soft_nms,
    merge_wbf,
)
from smalldet.geometry.oriented import canonical, enclosing_boxes
from smalldet.geometry.tiles import interior_cuts, tile_grid

NAMES = ("car", "van")
TWO = [[0, 0, 100, 100], [70, 0, 170, 100]]  # overlap 70..100
FOUR = [[0, 0, 100, 100], [70, 0, 170, 100], [0, 70, 100, 170], [70, 70, 170, 170]]

Seen = tuple[int, list[float], float]  # tile, box, score
Scored = tuple[tuple[float, ...], float]  # box, score

every_merge = pytest.mark.parametrize("merge", MERGES.values(), ids=MERGES.keys())


def seen(
    tiles: list[list[int]], found: list[Seen], labels: list[int] | None = None
) -> TileDetections:
    windows = torch.tensor(tiles)
    boxes = torch.tensor([box for _, box, _ in found], dtype=torch.float32).reshape(-1, 4)
    tile = torch.tensor([t for t, _, _ in found], dtype=torch.long)
    return TileDetections(
        boxes,
        torch.tensor([score for _, _, score in found]),
        torch.tensor(labels or [0] * len(found), dtype=torch.long),
        tile,
        interior_cuts(boxes, tile, windows, *windows[:, 2:].amax(dim=0).tolist()),
        windows,
        NAMES,
    )


def crowd(seed: int, num: int, scene_px: int = 100) -> TileDetections:
    """Boxes of 4 to 24 px, each in a tile that holds its centre; scores differ."""
    draw = torch.Generator().manual_seed(seed)
    tiles = tile_grid(scene_px, scene_px, 64, 0.4)
    centre = torch.rand(num, 2, generator=draw) * scene_px
    half = 2 + torch.rand(num, 2, generator=draw) * 10
    boxes = torch.cat((centre - half, centre + half), dim=1).clamp(0, scene_px)
    held = ((centre[:, None] >= tiles[:, :2]) & (centre[:, None] < tiles[:, 2:])).all(dim=2)
    tile = torch.multinomial(held.float(), 1, generator=draw).flatten()
    return TileDetections(
        boxes,
        torch.rand(num, generator=draw) * 0.9 + 0.1,
        torch.randint(0, 2, (num,), generator=draw),
        tile,
        interior_cuts(boxes, tile, tiles, scene_px, scene_px),
        tiles,
        NAMES,
    )


def rows(found: Detections) -> list[Scored]:
    boxes = [tuple(box) for box in found.boxes.tolist()]
    return list(zip(boxes, found.scores.tolist(), strict=True))


def overlap(a: tuple[float, ...], b: tuple[float, ...], smaller: bool = False) -> float:
    width, height = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    shared = max(width, 0) * max(height, 0)
    area_a, area_b = ((x2 - x1) * (y2 - y1) for x1, y1, x2, y2 in (a, b))
    return shared / (min(area_a, area_b) if smaller else area_a + area_b - shared)


# Order


@every_merge
@settings(deadline=None, max_examples=25)
@given(seed=st.integers(0, 9999), num=st.integers(0, 40), across_classes=st.booleans())
def test_neither_the_order_of_boxes_nor_of_tiles_matters(
    merge: MergeFunction, seed: int, num: int, across_classes: bool
) -> None:
    dets = crowd(seed, num)
    # Ties of score, and of each box with its double of the other class.
    rounded = (dets.boxes / 4).round() * 4
    boxes = torch.cat((rounded, rounded))
    tile = torch.cat((dets.tile, dets.tile))
    scores = (torch.cat((dets.scores, dets.scores)) * 4).ceil() / 4
    labels = torch.cat((dets.labels, 1 - dets.labels))
    wide, high = dets.tiles[:, 2:].amax(dim=0).tolist()
    cut = interior_cuts(boxes, tile, dets.tiles, wide, high)
    dets = TileDetections(boxes, scores, labels, tile, cut, dets.tiles, NAMES)

    draw = torch.Generator().manual_seed(seed)
    box_order = torch.randperm(2 * num, generator=draw)
    tile_order = torch.randperm(len(dets.tiles), generator=draw)
    shuffled = TileDetections(
        boxes[box_order],
        scores[box_order],
        labels[box_order],
        torch.argsort(tile_order)[tile[box_order]],
        cut[box_order],
        dets.tiles[tile_order],
        NAMES,
    )
    one = merge(dets, across_classes=across_classes)
    other = merge(shuffled, across_classes=across_classes)
    assert torch.equal(one.boxes, other.boxes)
    assert torch.equal(one.scores, other.scores)
    assert torch.equal(one.labels, other.labels)
    assert torch.equal(one.scores, one.scores.sort(descending=True).values)


# What all have in common


@every_merge
def test_lone_boxes_are_untouched(merge: MergeFunction) -> None:
    """Also where their coordinates are no round numbers, and edges touch."""
    lone: list[Seen] = [
        (0, [0.1, 0.3, 30.7, 20.9], 0.31),
        (0, [30.7, 0.3, 40.1, 20.9], 0.77),
        (1, [110.3, 7.7, 113.9, 11.1], 0.05),
    ]
    dets = seen(TWO, lone, labels=[0, 1, 1])
    order = [1, 0, 2]
    found = merge(dets)
    assert torch.equal(found.boxes, dets.boxes[order])
    assert torch.equal(found.scores, dets.scores[order])
    assert torch.equal(found.labels, dets.labels[order])
    assert found.class_names == NAMES


@every_merge
def test_nothing_found(merge: MergeFunction) -> None:
    assert len(merge(seen(TWO, []))) == 0


@every_merge
def test_doubles_become_one_under_the_stronger_class_if_asked(merge: MergeFunction) -> None:
    doubles: list[Seen] = [(0, [75, 10, 90, 30], 0.6), (1, [75, 10, 90, 30], 0.9)]
    apart = merge(seen(TWO, doubles, labels=[0, 1]))
    assert sorted(apart.named()) == ["car", "van"]
    joined = merge(seen(TWO, doubles, labels=[0, 1]), across_classes=True)
    strong = joined[joined.scores > 0.3]
    assert strong.named() == ["van"]
    assert strong.boxes.tolist() == [[75, 10, 90, 30]]


@pytest.mark.parametrize("threshold", [-0.1, 1.0])
@every_merge
def test_thresholds_out_of_range_are_named(merge: MergeFunction, threshold: float) -> None:
    with pytest.raises(ValueError, match=f"iou_threshold.*{threshold}"):
        merge(seen(TWO, []), iou_threshold=threshold)


# Plain suppression


def test_nms_drops_what_a_stronger_box_of_any_tile_overlaps() -> None:
    boxes: list[Seen] = [
        (0, [70, 0, 80, 10], 0.9),
        (1, [70, 2, 80, 12], 0.8),  # IoU 2/3 with the first
        (0, [70, 4, 80, 14], 0.7),  # 3/7 with the first, 2/3 with the dropped second
    ]
    found = rows(merge_nms(seen(TWO, boxes)))
    assert [box for box, _ in found] == [(70, 0, 80, 10), (70, 4, 80, 14)]
    assert len(merge_nms(seen(TWO, boxes), iou_threshold=0.4)) == 1


# Soft-NMS


def soft_nms_by_the_paper(found: list[Scored], sigma: float, floor: float) -> list[Scored]:
    """Bodla et al. 2017, algorithm 1."""
    left, done = list(found), []
    while left:
        best = max(left, key=lambda scored: scored[1])
        left.remove(best)
        done.append(best)
        left = [(b, s * math.exp(-(overlap(best[0], b) ** 2) / sigma)) for b, s in left]
        left = [(b, s) for b, s in left if s >= floor]
    return done


def test_soft_nms_takes_score_for_overlap() -> None:
    """The third falls below the fourth by two decays, and then takes no score from it."""
    boxes: list[Seen] = [
        (0, [70, 0, 80, 10], 0.9),
        (1, [70, 0, 80, 5], 0.8),  # IoU 1/2 with the first
        (1, [70, 5, 80, 15], 0.5),  # 1/3 with the first, none with the second
        (0, [70, 12, 80, 15], 0.45),  # 3/10 with the third
    ]
    found = {round(box[1] * 100 + box[3]): s for box, s in rows(merge_soft_nms(seen(TWO, boxes)))}
    third = 0.5 * math.exp(-(1 / 9) / 0.5)
    assert third < 0.45
    assert found == pytest.approx(
        {10: 0.9, 5: 0.8 * math.exp(-0.5), 515: third * math.exp(-0.09 / 0.5), 1215: 0.45}
    )


def test_soft_nms_floor_sigma_and_threshold() -> None:
    same: list[Seen] = [(0, [75, 10, 90, 30], 0.9), (1, [75, 10, 90, 30], 0.8)]
    dets = seen(TWO, same)
    assert merge_soft_nms(dets).scores.tolist() == pytest.approx([0.9, 0.8 * math.exp(-2)])
    assert merge_soft_nms(dets, sigma=2).scores[1] == pytest.approx(0.8 * math.exp(-0.5))
    assert merge_soft_nms(dets, score_floor=0.11).scores.tolist() == pytest.approx([0.9])
    half = seen(TWO, [(0, [75, 10, 90, 30], 0.9), (1, [75, 10, 90, 20], 0.8)])
    assert merge_soft_nms(half, iou_threshold=0.5).scores.tolist() == pytest.approx([0.9, 0.8])
    with pytest.raises(ValueError, match="sigma"):
        merge_soft_nms(dets, sigma=0)


@settings(deadline=None, max_examples=25)
@given(seed=st.integers(0, 9999), num=st.integers(0, 60), floor=st.sampled_from([0.001, 0.2]))
def test_soft_nms_agrees_with_the_paper(seed: int, num: int, floor: float) -> None:
    dets = crowd(seed, num)
    dets = replace(dets, labels=torch.zeros_like(dets.labels))
    start = rows(Detections(dets.boxes, dets.scores, dets.labels, NAMES))
    start = [(b, s) for b, s in start if s >= floor]
    expected = dict(soft_nms_by_the_paper(start, sigma=0.5, floor=floor))
    # Rounding may take a score to either side of the floor.
    expected = {b: s for b, s in expected.items() if abs(s - floor) > 1e-6}
    found = rows(merge_soft_nms(dets, score_floor=floor))
    assert {b: s for b, s in found if abs(s - floor) > 1e-6} == pytest.approx(expected, rel=1e-5)


# Weighted boxes fusion


def wbf_by_the_paper(found: list[Scored], threshold: float, tiles: list[list[int]]) -> list[Scored]:
    """Solovyev et al. 2019, section 3, N being the tiles that hold the fused centre."""
    clusters: list[list[Scored]] = []
    fused: list[tuple[float, ...]] = []
    for box, score in sorted(found, key=lambda scored: -scored[1]):
        alike = [overlap(box, other) for other in fused]
        if not alike or max(alike) <= threshold:
            clusters.append([(box, score)])
            fused.append(box)
            continue
        place = alike.index(max(alike))
        clusters[place].append((box, score))
        total = sum(s for _, s in clusters[place])
        fused[place] = tuple(sum(b[k] * s for b, s in clusters[place]) / total for k in range(4))
    result: list[Scored] = []
    for cluster, box in zip(clusters, fused, strict=True):
        x, y = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
        num_tiles = sum(x1 <= x < x2 and y1 <= y < y2 for x1, y1, x2, y2 in tiles)
        mean = sum(s for _, s in cluster) / len(cluster)
        result.append((box, mean * min(len(cluster), num_tiles) / num_tiles))
    return result


def test_wbf_weighs_coordinates_by_score() -> None:
    found = merge_wbf(seen(TWO, [(0, [76, 10, 92, 26], 0.9), (1, [80, 10, 96, 26], 0.3)]))
    assert found.boxes.tolist() == [[77, 10, 93, 26]]
    assert found.scores.tolist() == pytest.approx([0.6])


def test_wbf_asks_for_as_many_boxes_as_tiles_see_the_place() -> None:
    box = [80.0, 80, 90, 90]  # where four tiles meet
    for num_seen in range(1, 5):
        found = merge_wbf(seen(FOUR, [(t, box, 0.8) for t in range(num_seen)]))
        assert found.scores.tolist() == pytest.approx([0.8 * num_seen / 4])
    sole = merge_wbf(seen(FOUR, [(0, [30, 30, 40, 40], 0.8)]))
    assert sole.scores.tolist() == pytest.approx([0.8])


@pytest.mark.parametrize(("centre", "num_tiles"), [(69.5, 1), (70, 2), (99.5, 2), (100, 1)])
def test_wbf_counts_a_tile_from_its_near_edge_to_before_its_far_one(
    centre: float, num_tiles: int
) -> None:
    found = merge_wbf(seen(TWO, [(0, [centre - 5, 10, centre + 5, 20], 0.8)]))
    assert found.scores.tolist() == pytest.approx([0.8 / num_tiles])


def test_wbf_never_counts_more_boxes_than_tiles() -> None:
    twice = seen(TWO, [(0, [10, 10, 20, 20], 0.8), (0, [10, 10, 20, 20], 0.6)])
    assert merge_wbf(twice).scores.tolist() == pytest.approx([0.7])


def test_wbf_compares_with_the_fused_box_as_it_moves() -> None:
    """The third box is too far from the first, and near enough to the mean of two."""
    moving: list[Seen] = [
        (0, [10, 10, 30, 30], 0.9),
        (0, [15, 10, 35, 30], 0.9),  # IoU 3/5 with the first: fused [12.5, 32.5]
        (0, [17, 10, 37, 30], 0.5),  # 13/27 with the first, 15.5/24.5 with the fused
    ]
    found = merge_wbf(seen(TWO, moving))
    mean = (10 * 0.9 + 15 * 0.9 + 17 * 0.5) / 2.3
    assert found.boxes.flatten().tolist() == pytest.approx([mean, 10, mean + 20, 30])


def test_wbf_finds_a_box_that_only_the_fused_one_meets() -> None:
    """Two boxes in a diagonal leave corners free; their mean reaches into one, and what lies there
    meets neither."""
    diagonal: list[Seen] = [
        (0, [0, 20, 40, 60], 0.9),
        (0, [20, 0, 60, 40], 0.9),  # IoU 1/7; fused [10, 10, 50, 50]
        (0, [8, 8, 20, 20], 0.5),  # meets the fused one in 10 x 10, IoU 100/1644
    ]
    found = merge_wbf(seen(TWO, diagonal), iou_threshold=0.05)
    assert len(found) == 1
    assert found.scores.tolist() == pytest.approx([2.3 / 3 / 1])
    assert found.boxes[0, 0] == pytest.approx((20 * 0.9 + 8 * 0.5) / 2.3)


def test_wbf_fuses_boxes_of_score_zero() -> None:
    nil = seen(TWO, [(0, [10, 10, 20, 20], 0.0), (0, [12, 10, 22, 20], 0.0)])
    assert rows(merge_wbf(nil)) == [((11, 10, 21, 20), 0)]


@settings(deadline=None, max_examples=40)
@given(
    seed=st.integers(0, 9999),
    num=st.integers(0, 60),
    threshold=st.sampled_from([0.02, 0.3, 0.55]),
)
def test_wbf_agrees_with_the_paper(seed: int, num: int, threshold: float) -> None:
    dets = crowd(seed, num)
    dets = replace(dets, labels=torch.zeros_like(dets.labels))
    start = rows(Detections(dets.boxes, dets.scores, dets.labels, NAMES))
    expected = sorted(wbf_by_the_paper(start, threshold, dets.tiles.tolist()))
    found = sorted(rows(merge_wbf(dets, iou_threshold=threshold)))
    assert [s for _, s in found] == pytest.approx([s for _, s in expected], rel=1e-5)
    for (box, _), (other, _) in zip(found, expected, strict=True):
        assert box == pytest.approx(other, rel=1e-5, abs=1e-5)


# Greedy merging


def greedy_in_turn(found: list[Scored], threshold: float, smaller: bool) -> list[Scored]:
    left, result = sorted(found, key=lambda scored: -scored[1]), []
    while left:
        box, score = left[0]
        taken = [b for b, _ in left if overlap(box, b, smaller) > threshold]
        left = [(b, s) for b, s in left if b not in taken]
        x1, y1, x2, y2 = zip(*taken, strict=True)
        result.append(((min(x1), min(y1), max(x2), max(y2)), score))
    return result


def test_greedy_takes_in_pieces_by_the_smaller_area() -> None:
    pieces: list[Seen] = [(0, [40, 10, 100, 30], 0.9), (1, [70, 11, 110, 31], 0.6)]
    assert rows(merge_greedy(seen(TWO, pieces))) == [((40, 10, 110, 31), pytest.approx(0.9))]
    assert len(merge_greedy(seen(TWO, pieces), match_metric="iou")) == 2
    assert len(merge_greedy(seen(TWO, pieces), match_metric="iou", iou_threshold=0.3)) == 1


def test_greedy_compares_with_the_strongest_and_not_with_what_has_grown() -> None:
    chain: list[Seen] = [(0, [x, 10, x + 20, 30], 0.9 - x / 1000) for x in (10.0, 18, 26)]
    found = rows(merge_greedy(seen(TWO, chain)))
    assert [box for box, _ in found] == [(10, 10, 38, 30), (26, 10, 46, 30)]


@pytest.mark.parametrize("match_metric", ["iou", "ios"])
@settings(deadline=None, max_examples=20)
@given(seed=st.integers(0, 9999), num=st.integers(0, 60))
def test_greedy_agrees_with_taking_boxes_in_turn(match_metric: str, seed: int, num: int) -> None:
    dets = crowd(seed, num)
    dets = replace(dets, labels=torch.zeros_like(dets.labels))
    start = rows(Detections(dets.boxes, dets.scores, dets.labels, NAMES))
    smaller = match_metric == "ios"
    metric = "ios" if smaller else "iou"
    found = rows(merge_greedy(dets, iou_threshold=0.3, match_metric=metric))
    assert found == greedy_in_turn(start, 0.3, smaller)


def test_greedy_names_an_unknown_metric() -> None:
    with pytest.raises(ValueError, match="giou"):
        merge_greedy(seen(TWO, []), match_metric="giou")  # pyright: ignore[reportArgumentType]


oriented_merges = pytest.mark.parametrize(
    "merge", [merge_nms, merge_soft_nms, merge_greedy], ids=["nms", "soft_nms", "greedy"]
)


def oriented(dets: TileDetections, angle: float = 0.0) -> TileDetections:
    """The same boxes as oriented ones, turned about their centres."""
    low, high = dets.boxes.split(2, dim=1)
    angles = torch.full((len(dets), 1), angle)
    rboxes = canonical(torch.cat(((low + high) / 2, high - low, angles), dim=1))
    return replace(dets, boxes=enclosing_boxes(rboxes), rboxes=rboxes)


@oriented_merges
@pytest.mark.parametrize("across_classes", [False, True])
def test_upright_boxes_merge_as_they_do_without_a_direction(
    merge: MergeFunction, across_classes: bool
) -> None:
    dets = crowd(3, 80)
    plain = merge(dets, across_classes=across_classes)
    found = merge(oriented(dets), across_classes=across_classes)
    assert found.rboxes is not None and len(found) == len(plain)
    torch.testing.assert_close(found.boxes, plain.boxes, rtol=0, atol=1e-4)
    torch.testing.assert_close(found.scores, plain.scores, rtol=0, atol=1e-5)


@oriented_merges
def test_slim_neighbours_lose_nothing_where_their_enclosing_boxes_overlap(
    merge: MergeFunction,
) -> None:
    """Boxes of 60 x 12 px, 14 px apart, at 45 degrees: only by direction do they share nothing."""
    found: list[Seen] = [(0, [20, 10 + 14 * i, 80, 22 + 14 * i], 0.9 - i / 10) for i in range(5)]
    upright = oriented(seen(TWO, found))
    assert upright.rboxes is not None
    turn = torch.tensor([[math.cos(0.25 * math.pi), math.sin(0.25 * math.pi)]])
    across = (upright.rboxes[:, 1:2] - 50) * torch.tensor([[-1.0, 1.0]]) * turn
    rboxes = torch.cat((50 + across, upright.rboxes[:, 2:4], torch.full((5, 1), math.pi / 4)), 1)
    dets = replace(upright, rboxes=rboxes, boxes=enclosing_boxes(rboxes))
    assert merge(dets).scores.tolist() == pytest.approx([0.9, 0.8, 0.7, 0.6, 0.5])
    assert len(merge(replace(dets, rboxes=None), iou_threshold=0.3)) < 5 or merge is merge_soft_nms


def test_greedy_grows_oriented_pieces_to_their_smallest_rectangle() -> None:
    ship = torch.tensor([80.0, 50, 60, 8, 0.5])
    step = torch.tensor([math.cos(0.5), math.sin(0.5)])
    pieces = torch.stack([ship, ship])
    pieces[0, :2] -= 8 * step
    pieces[1, :2] += 8 * step
    pieces[:, 2] = 44
    dets = seen(TWO, [(0, [0, 0, 1, 1], 0.9), (1, [0, 0, 1, 1], 0.8)])
    found = merge_greedy(replace(dets, rboxes=pieces, boxes=enclosing_boxes(pieces)))
    assert found.rboxes is not None and len(found) == 1
    torch.testing.assert_close(found.rboxes[0], ship, rtol=0, atol=1e-3)
    torch.testing.assert_close(found.boxes, enclosing_boxes(found.rboxes), rtol=0, atol=1e-4)


def test_wbf_refuses_oriented_boxes() -> None:
    with pytest.raises(ValueError, match="no mean of oriented boxes; merge by tiles, nms or gree"):
        merge_wbf(oriented(crowd(0, 5)))
