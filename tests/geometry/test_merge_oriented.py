"""The merge of oriented boxes: the truth comes back once, and slim neighbours stay apart."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import shapely
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from torch import Tensor

from smalldet.detections import Detections, TileDetections
from smalldet.geometry.merge import merge_tiles
from smalldet.geometry.merge_oriented import enclosing_rectangles, overlap_on_ground
from smalldet.geometry.oriented import (
    canonical,
    enclosing_boxes,
    min_area_rectangle,
    points_in_frames,
    rboxes_to_quads,
)
from smalldet.geometry.overlaps import iou, normalized_wasserstein
from smalldet.geometry.rotated import rotated_iou
from smalldet.geometry.tiles import interior_cuts, tile_grid

NAMES = ("ship", "plane")
TWO = torch.tensor([[0, 0, 100, 100], [60, 0, 160, 100]])  # overlap 60..100
LEAST_SEEN_PX2 = 1.0


def handed_over(
    rboxes: Tensor, scores: Tensor, labels: Tensor, tile: Tensor, tiles: Tensor
) -> TileDetections:
    """Oriented boxes as a detector would hand them over; the scene ends where the tiles end."""
    boxes = enclosing_boxes(rboxes)
    width, height = (int(v) for v in tiles[:, 2:].amax(dim=0))
    cut = interior_cuts(boxes, tile, tiles, width, height)
    return TileDetections(boxes, scores, labels, tile, cut, tiles, NAMES, rboxes)


def seen(tiles: Tensor, found: list[tuple[int, list[float], float]]) -> TileDetections:
    """Tile, oriented box and score of each detection."""
    return handed_over(
        torch.tensor([rbox for _, rbox, _ in found]),
        torch.tensor([score for _, _, score in found]),
        torch.zeros(len(found), dtype=torch.long),
        torch.tensor([tile for tile, _, _ in found]),
        tiles,
    )


def smallest_rectangle(corners: NDArray[Any], truth: Tensor) -> Tensor:
    """What a detector reports that knows nothing of the object but what it sees."""
    return min_area_rectangle(torch.from_numpy(corners))


def own_direction(corners: NDArray[Any], truth: Tensor) -> Tensor:
    """What a detector reports that sees the object's heading too: the visible piece of its box."""
    points = points_in_frames(torch.from_numpy(corners), truth)
    low, high = points.amin(0), points.amax(0)
    x, y = ((low + high) / 2).tolist()
    cos, sin = math.cos(float(truth[4])), math.sin(float(truth[4]))
    shift = torch.tensor([x * cos - y * sin, x * sin + y * cos])
    return torch.cat((truth[:2] + shift, high - low, truth[4:]))


def perfectly_seen(truth: Tensor, tiles: Tensor, scores: Tensor, report: Any) -> TileDetections:
    """Every object as each tile sees it: itself where it is whole, else what `report` makes of it.

    A tile that sees less than 1 px^2 of an object reports nothing.
    """
    shapes = np.asarray(shapely.polygons(rboxes_to_quads(truth.double()).numpy()))
    windows = shapely.box(*tiles.double().numpy().T)
    parts = shapely.intersection(shapes, windows[:, None])
    tile, row = np.nonzero(shapely.area(parts) >= LEAST_SEEN_PX2)
    whole = shapely.covers(windows[tile], shapes[row])
    views = [
        truth[r] if w else report(shapely.get_coordinates(parts[t, r])[:-1], truth[r].double())
        for t, r, w in zip(tile, row, whole, strict=True)
    ]
    rboxes = torch.stack(views).float() if views else torch.zeros(0, 5)
    return handed_over(
        rboxes,
        scores[torch.arange(len(views)) % len(scores)],
        torch.from_numpy(row) % len(NAMES),
        torch.from_numpy(tile),
        tiles,
    )


def rows(found: Detections) -> list[tuple[float, ...]]:
    assert found.rboxes is not None
    torch.testing.assert_close(found.boxes, enclosing_boxes(found.rboxes), rtol=0, atol=1e-3)
    return sorted(tuple(rbox) for rbox in found.rboxes.tolist())


def sorted_rows(rboxes: Tensor) -> list[tuple[float, ...]]:
    return sorted(tuple(rbox) for rbox in rboxes.tolist())


def test_five_slim_boxes_at_45_degrees_stay_five() -> None:
    """Their enclosing boxes overlap by half, and stand in the overlap of two tiles."""
    step = torch.arange(5.0)[:, None] * 14 * math.sqrt(0.5) * torch.tensor([[-1.0, 1.0]])
    ships = torch.cat(
        (torch.tensor([140.0, 60]) + step, torch.tensor([60, 12, math.pi / 4]).expand(5, 3)), 1
    )
    tiles = torch.tensor([[0, 0, 200, 200], [60, 0, 260, 200]])
    scores = torch.linspace(0.9, 0.5, 10)
    both = handed_over(
        ships.repeat(2, 1),
        scores,
        torch.zeros(10, dtype=torch.long),
        torch.arange(2).repeat_interleave(5),
        tiles,
    )
    assert rows(merge_tiles(both)) == sorted_rows(ships)
    assert rows(merge_tiles(both, across_classes=True)) == sorted_rows(ships)


def test_whole_beats_cut_even_where_the_cut_one_scores_higher() -> None:
    whole = [62.0, 50, 30, 8, 0.75]
    cut = smallest_rectangle(
        shapely.get_coordinates(
            shapely.intersection(
                shapely.Polygon(rboxes_to_quads(torch.tensor(whole)).tolist()),
                shapely.box(60, 0, 160, 100),
            )
        )[:-1],
        torch.tensor(whole),
    )
    found = merge_tiles(seen(TWO, [(0, whole, 0.6), (1, cut.tolist(), 0.9)]))
    assert rows(found) == sorted_rows(torch.tensor([whole]))
    assert found.scores.tolist() == pytest.approx([0.6])


def test_pieces_give_the_smallest_rectangle_round_them_and_the_best_score() -> None:
    """A hull of 140 px at 20 degrees, of which neither tile sees both ends."""
    ship = torch.tensor([80.0, 50, 140, 10, 0.35])
    dets = perfectly_seen(ship[None], TWO, torch.tensor([0.6, 0.9]), own_direction)
    assert len(dets) == 2 and bool(dets.cut.any(dim=1).all())
    found = merge_tiles(dets)
    assert found.rboxes is not None and found.scores.tolist() == pytest.approx([0.9])
    torch.testing.assert_close(found.rboxes, ship[None], rtol=0, atol=1e-3)


def test_classes_stay_apart_unless_asked() -> None:
    boxes = seen(TWO, [(0, [80, 50, 20, 8, 0.5], 0.6), (1, [80, 50, 20, 9, 0.5], 0.9)])
    boxes = replace(boxes, labels=torch.tensor([0, 1]))
    assert len(merge_tiles(boxes)) == 2
    assert merge_tiles(boxes, across_classes=True).named() == ["plane"]


def test_across_classes_one_tile_suppresses_by_the_boxes_themselves() -> None:
    """The crossed pair's enclosing boxes coincide; the boxes share a fifth."""
    crossed = seen(TWO, [(0, [30, 50, 30, 10, 0.8], 0.6), (0, [30, 50, 30, 10, -0.8], 0.9)])
    twins = seen(TWO, [(0, [30, 50, 30, 10, 0.8], 0.6), (0, [30, 50, 30, 11, 0.8], 0.9)])
    for dets, num in ((crossed, 2), (twins, 1)):
        dets = replace(dets, labels=torch.tensor([0, 1]))
        assert len(merge_tiles(dets, across_classes=True)) == num
        assert len(merge_tiles(dets)) == 2


def test_upright_boxes_merge_as_they_do_without_a_direction() -> None:
    """One rule for both kinds: overlap, distance of thin parts, clusters, enclosing boxes."""
    draw = torch.Generator().manual_seed(3)
    tiles = tile_grid(300, 300, 64, 0.4)
    tile = torch.randint(0, len(tiles), (600,), generator=draw)
    low = tiles[tile, :2] + torch.rand(600, 2, generator=draw) * 50
    boxes = torch.cat((low, low + 3 + torch.rand(600, 2, generator=draw) * 20), dim=1)
    boxes = torch.minimum(boxes, tiles[tile][:, [2, 3, 2, 3]].float())
    boxes = (boxes * 8).round() / 8
    upright = torch.cat(
        ((boxes[:, :2] + boxes[:, 2:]) / 2, boxes[:, 2:] - boxes[:, :2], torch.zeros(600, 1)), 1
    )
    labels, scores = torch.zeros(600, dtype=torch.long), torch.rand(600, generator=draw)
    oriented = handed_over(upright, scores, labels, tile, tiles)
    plain = merge_tiles(replace(oriented, rboxes=None))
    found = merge_tiles(oriented)
    assert 400 < len(found) < 560
    torch.testing.assert_close(found.boxes, plain.boxes, rtol=0, atol=1e-4)
    assert torch.equal(found.scores, plain.scores)


def crowd(seed: int) -> TileDetections:
    """Boxes that overlap one another, jittered, with many ties; some differ by angle alone."""
    draw = torch.Generator().manual_seed(seed)
    tiles = tile_grid(300, 300, 64, 0.4)
    rboxes = torch.rand(150, 5, generator=draw) * torch.tensor([280.0, 280, 30, 8, 3])
    rboxes = rboxes + torch.tensor([10.0, 10, 6, 4, -1.5])
    rboxes[1::4, :4] = rboxes[::4, :4][: len(rboxes[1::4])]
    rboxes[1::4, 4] = -rboxes[::4, 4][: len(rboxes[1::4])]
    dets = perfectly_seen(rboxes, tiles, torch.rand(29, generator=draw), smallest_rectangle)
    assert dets.rboxes is not None
    jittered = dets.rboxes + torch.randn(dets.rboxes.shape, generator=draw) * 0.1
    jittered[:, 2:4] = jittered[:, 2:4].clamp(min=0)
    jittered[::3] = dets.rboxes[::3]
    return handed_over(
        jittered, (dets.scores * 10).round() / 10, dets.labels, dets.tile, dets.tiles
    )


@pytest.mark.parametrize("across_classes", [False, True])
@pytest.mark.parametrize("seed", range(3))
def test_the_order_of_boxes_and_tiles_changes_nothing(seed: int, across_classes: bool) -> None:
    dets = crowd(seed)
    assert dets.rboxes is not None
    draw = torch.Generator().manual_seed(seed)
    order = torch.randperm(len(dets), generator=draw)
    tiles = torch.randperm(len(dets.tiles), generator=draw)
    other = TileDetections(
        dets.boxes[order],
        dets.scores[order],
        dets.labels[order],
        torch.argsort(tiles)[dets.tile[order]],
        dets.cut[order],
        dets.tiles[tiles],
        NAMES,
        dets.rboxes[order],
    )
    one = merge_tiles(dets, across_classes=across_classes)
    two = merge_tiles(other, across_classes=across_classes)
    assert one.rboxes is not None and two.rboxes is not None and len(one) < len(dets)
    assert torch.equal(one.rboxes, two.rboxes)
    assert torch.equal(one.scores, two.scores)
    assert torch.equal(one.labels, two.labels)


@st.composite
def scenes(draw: st.DrawFn, long: bool) -> tuple[Tensor, Tensor, Tensor]:
    """Objects that share no ground, and tiles: each object fits the overlap, or some outgrow it."""
    tile_px = draw(st.integers(40, 80))
    overlap_frac = draw(st.floats(0.4, 0.7))
    tiles = tile_grid(draw(st.integers(30, 220)), draw(st.integers(30, 220)), tile_px, overlap_frac)
    width, height = (int(v) for v in tiles[:, 2:].amax(dim=0))
    # 5 px less than the overlap, so that some tile sees the object whole, and not near its edge
    reach = max(width, height) if long else overlap_frac * tile_px - 5
    objects: list[Tensor] = []
    shapes: list[shapely.Geometry] = []
    for _ in range(draw(st.integers(1, 20))):
        long_side = draw(st.floats(3, reach))
        short_side = draw(st.floats(2, max(2.0, min(long_side, reach / 3))))
        angle = draw(st.floats(-1.57, 1.57) | st.sampled_from([0.0, math.pi / 4, -math.pi / 4]))
        spot = draw(st.floats(0, 1)), draw(st.floats(0, 1))
        rbox = canonical(
            torch.tensor([spot[0] * width, spot[1] * height, long_side, short_side, angle])
        )
        x1, y1, x2, y2 = enclosing_boxes(rbox).tolist()
        inside = x1 >= 0 and y1 >= 0 and x2 <= width and y2 <= height
        shape = shapely.Polygon(rboxes_to_quads(rbox.double()).numpy())
        fits = long or max(x2 - x1, y2 - y1) <= reach
        if inside and fits and all(shape.intersection(s).area < 1e-9 for s in shapes):
            objects.append(rbox)
            shapes.append(shape)
    scores = torch.tensor(draw(st.lists(st.floats(0.125, 1, width=32), min_size=1, max_size=9)))
    return torch.stack(objects) if objects else torch.zeros(0, 5), tiles, scores


def check_that_truth_comes_back(scene: tuple[Tensor, Tensor, Tensor], report: Any) -> None:
    truth, tiles, scores = scene
    assert rows(merge_tiles(perfectly_seen(truth, tiles, scores, report))) == sorted_rows(truth)


def check_that_long_objects_come_back(scene: tuple[Tensor, Tensor, Tensor]) -> None:
    truth, tiles, scores = scene
    found = merge_tiles(perfectly_seen(truth, tiles, scores, own_direction), across_classes=True)
    assert found.rboxes is not None and len(found) == len(truth)
    for rbox in truth:
        assert float(rotated_iou(rbox[None], found.rboxes).max()) > 0.999


@pytest.mark.parametrize("report", [own_direction, smallest_rectangle])
@settings(deadline=None, max_examples=30)
@given(scene=scenes(long=False))
def test_truth_seen_perfectly_comes_back_exactly(
    report: Any, scene: tuple[Tensor, Tensor, Tensor]
) -> None:
    check_that_truth_comes_back(scene, report)


@settings(deadline=None, max_examples=30)
@given(scene=scenes(long=True))
def test_objects_longer_than_a_tile_come_back_in_one_piece(
    scene: tuple[Tensor, Tensor, Tensor],
) -> None:
    check_that_long_objects_come_back(scene)


@pytest.mark.slow
@pytest.mark.parametrize("report", [own_direction, smallest_rectangle])
@settings(deadline=None, max_examples=400)
@given(scene=scenes(long=False))
def test_truth_comes_back_in_hundreds_of_scenes(
    report: Any, scene: tuple[Tensor, Tensor, Tensor]
) -> None:
    check_that_truth_comes_back(scene, report)


@pytest.mark.slow
@settings(deadline=None, max_examples=400)
@given(scene=scenes(long=True))
def test_long_objects_come_back_in_hundreds_of_scenes(
    scene: tuple[Tensor, Tensor, Tensor],
) -> None:
    check_that_long_objects_come_back(scene)


def test_overlap_on_ground_is_what_shapely_says() -> None:
    draw = torch.Generator().manual_seed(0)
    spread = torch.tensor([40.0, 40, 40, 10, 3])
    a, b = (torch.rand(500, 5, generator=draw).double() * spread + 100_000 for _ in "ab")
    a[:, 2:], b[:, 2:] = a[:, 2:] - 99_998, b[:, 2:] - 99_998
    low = 100_000 + torch.rand(500, 2, generator=draw).double() * 20
    ground = torch.cat((low, low + 10 + torch.rand(500, 2, generator=draw) * 30), dim=1)
    windows = shapely.box(*ground.numpy().T)
    part_a, part_b = (
        shapely.intersection(shapely.polygons(rboxes_to_quads(r).numpy()), windows) for r in (a, b)
    )
    shared = shapely.area(shapely.intersection(part_a, part_b))
    union = shapely.area(shapely.union(part_a, part_b))
    peer = torch.from_numpy(np.divide(shared, union, out=np.zeros(500), where=union > 0))
    assert (peer > 0).sum() > 100
    torch.testing.assert_close(overlap_on_ground(a, b, ground), peer, rtol=0, atol=1e-7)


def test_upright_parts_are_as_far_apart_as_upright_boxes_are() -> None:
    draw = torch.Generator().manual_seed(1)
    low = torch.rand(2, 300, 2, generator=draw).double() * 10
    boxes = torch.cat((low, low + torch.rand(2, 300, 2, generator=draw) * 10), dim=2)
    rboxes = torch.cat(
        (
            (boxes[..., :2] + boxes[..., 2:]) / 2,
            boxes[..., 2:] - boxes[..., :2],
            torch.zeros(2, 300, 1),
        ),
        dim=2,
    )
    ground = torch.tensor([4.0, 3, 14, 30], dtype=torch.float64)
    parts = torch.cat(
        (
            boxes[..., :2].clamp(ground[:2], ground[2:]),
            boxes[..., 2:].clamp(ground[:2], ground[2:]),
        ),
        dim=2,
    )
    alike, near = iou(*parts), normalized_wasserstein(*parts, scale_px=4.0)
    peer = torch.where(alike > 0, torch.maximum(alike, near), 0)
    measured = overlap_on_ground(rboxes[0], rboxes[1], ground.expand(300, 4), 4.0)
    assert (near > alike)[alike > 0].any()
    torch.testing.assert_close(measured, peer, rtol=0, atol=1e-6)


def test_groups_of_any_size_get_their_smallest_rectangle() -> None:
    pieces = torch.tensor([[30.0, 30, 20, 8, 0.5], [5, 5, 4, 2, 0.1], [30, 30, 20, 8, 0.5]])
    pieces[2, :2] += torch.tensor([math.cos(0.5), math.sin(0.5)]) * 8
    whole = enclosing_rectangles(pieces, torch.tensor([1, 0, 1]))
    assert torch.equal(whole[0], pieces[1])
    middle = ((pieces[0, :2] + pieces[2, :2]) / 2).tolist()
    torch.testing.assert_close(whole[1], torch.tensor([*middle, 28, 8, 0.5]), rtol=0, atol=1e-4)
    none = enclosing_rectangles(torch.zeros(0, 5), torch.zeros(0, dtype=torch.long))
    assert none.shape == (0, 5)


def test_wrong_oriented_boxes_are_named() -> None:
    dets = seen(TWO, [(0, [30, 50, 30, 10, 0.8], 0.6)])
    with pytest.raises(ValueError, match=r"rboxes must be \(1, 5\), not \(2, 5\)"):
        replace(dets, rboxes=torch.zeros(2, 5))
    with pytest.raises(ValueError, match="must be finite"):
        replace(dets, rboxes=torch.full((1, 5), math.nan))
    with pytest.raises(ValueError, match="sides of rboxes"):
        replace(dets, rboxes=torch.tensor([[1.0, 1, -1, 2, 0]]))
