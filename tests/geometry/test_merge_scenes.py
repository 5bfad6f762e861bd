"""The merge on drawn scenes: perfect sight gives the truth back; order and place do not matter."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from smalldet.detections import Detections, TileDetections
from smalldet.geometry.merge import merge_tiles
from smalldet.geometry.overlaps import iou, pairwise
from smalldet.geometry.representatives import STRETCHING_SCORE
from smalldet.geometry.tiles import interior_cuts, tile_grid

NAMES = ("car", "van")


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
    boxes = torch.randperm(len(dets), generator=draw)
    tiles = torch.randperm(len(dets.tiles), generator=draw)
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


Scene = tuple[Tensor, Tensor, Tensor, int]


@st.composite
def scenes(draw: st.DrawFn, long: bool) -> Scene:
    """Objects that do not overlap, tiles, scores, and a number for the order of everything.

    The objects fit the overlap of the tiles, or some are as long as the scene: three tiles and
    more.
    """
    tile_px = draw(st.integers(24, 60))
    overlap_frac = draw(st.floats(0.05 if long else 3 / tile_px, 0.7))
    tiles = tile_grid(draw(st.integers(10, 200)), draw(st.integers(10, 200)), tile_px, overlap_frac)
    width, height = (int(v) for v in tiles[:, 2:].amax(dim=0))
    largest = max(width, height) if long else int(overlap_frac * tile_px)
    side = st.integers(3, max(3, largest))
    objects: list[tuple[int, int, int, int]] = []
    for _ in range(draw(st.integers(1, 25))):
        w, h = min(draw(side), width), min(draw(side), height)
        x, y = draw(st.integers(0, width - w)), draw(st.integers(0, height - h))
        if all(x >= c or x + w <= a or y >= d or y + h <= b for a, b, c, d in objects):
            objects.append((x, y, x + w, y + h))
    scores = torch.tensor(draw(st.lists(st.floats(0.125, 1, width=32), min_size=1, max_size=9)))
    return torch.tensor(objects).float(), tiles, scores, draw(st.integers(0, 999))


def check_truth_comes_back(scene: Scene) -> None:
    truth, tiles, scores, order = scene
    dets = in_other_order(perfectly_seen(truth, tiles, scores), order)
    wanted = sorted(tuple(box) for box in truth.tolist())
    assert rows(merge_tiles(dets)) == wanted
    assert rows(merge_tiles(dets, across_classes=True)) == wanted


@settings(deadline=None, max_examples=40)
@given(scene=scenes(long=False))
def test_truth_seen_perfectly_comes_back_exactly(scene: Scene) -> None:
    check_truth_comes_back(scene)


@settings(deadline=None, max_examples=40)
@given(scene=scenes(long=True))
def test_objects_longer_than_a_tile_come_back_exactly(scene: Scene) -> None:
    check_truth_comes_back(scene)


@pytest.mark.slow
@settings(deadline=None, max_examples=2000)
@given(scene=scenes(long=False) | scenes(long=True))
def test_truth_comes_back_exactly_in_thousands_of_scenes(scene: Scene) -> None:
    check_truth_comes_back(scene)


def merged_by_the_definition(dets: TileDetections, iou_threshold: float) -> set[tuple[float, ...]]:
    """The definition: a table over all N x N by IoU alone, and a cluster as a set of rows."""
    windows, boxes = dets.tiles[dets.tile], dets.boxes.double()
    low = torch.maximum(windows[:, None, :2], windows[None, :, :2]).double()
    high = torch.minimum(windows[:, None, 2:], windows[None, :, 2:]).double()
    part = torch.cat((boxes[:, None, :2].clamp(low, high), boxes[:, None, 2:].clamp(low, high)), 2)
    table = iou(part, part.transpose(0, 1))
    table[dets.labels[:, None] != dets.labels[None]] = 0
    tile, scores = dets.tile.tolist(), dets.scores.tolist()
    cluster = [{i} for i in range(len(dets))]
    over = torch.nonzero(table.triu(1) > iou_threshold).tolist()
    strength = table * torch.minimum(dets.scores[:, None], dets.scores).double()
    for i, j in sorted(over, key=lambda pair: -strength[pair[0], pair[1]].item()):
        both = cluster[i] | cluster[j]
        if len({tile[k] for k in both}) == len(both):
            for k in both:
                cluster[k] = both
    whole = ~dets.cut.any(dim=1)
    for own, partner in [*over, *([j, i] for i, j in over)]:
        if cluster[own] is cluster[partner]:
            other, window = boxes[partner], windows[own]
            whole[own] &= bool((other[:2] >= window[:2]).all() & (other[2:] <= window[2:]).all())
    result: set[tuple[float, ...]] = set()
    for group in {frozenset(c) for c in cluster}:
        best = [k for k in group if whole[k]]
        best_score = max(scores[k] for k in group)
        pieces = [k for k in group if scores[k] >= STRETCHING_SCORE * best_score]
        members = dets.boxes[[max(best, key=lambda k: scores[k])] if best else pieces]
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


@pytest.mark.parametrize("side", [8, 12, 24])
def test_jitter_of_a_pixel_loses_no_neighbour_and_leaves_hardly_a_double(side: int) -> None:
    """What the default threshold was chosen by: a lattice of objects 2 px apart."""
    tiles = tile_grid(320, 320, 160, 0.25)
    lattice = torch.arange(0, 320 - side, side + 2)
    corner = torch.cartesian_prod(lattice, lattice).float()
    truth = torch.cat((corner, corner + side), dim=1)
    draw = torch.Generator().manual_seed(side)
    dets = perfectly_seen(truth, tiles, torch.rand(50, generator=draw))
    big = (dets.boxes[:, 2:] - dets.boxes[:, :2]).prod(dim=1) > 0.4 * side**2
    noise = torch.randn(dets.boxes.shape, generator=draw)
    found = merge_tiles(
        TileDetections(
            (dets.boxes + noise)[big],
            dets.scores[big],
            torch.zeros_like(dets.labels)[big],
            dets.tile[big],
            dets.cut[big],
            tiles,
            NAMES,
        )
    )
    centre = (found.boxes[:, :2] + found.boxes[:, 2:]) / 2
    times_found = torch.bincount(
        torch.cdist(centre, corner + side / 2).argmin(dim=1), minlength=len(truth)
    )
    assert (times_found > 0).all()
    assert (times_found > 1).sum() <= 0.01 * len(truth)
