"""Rotated IoU and suppression: exact for any pair, anywhere."""

from __future__ import annotations

import math

import numpy as np
import pytest
import shapely
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from smalldet.geometry.oriented import enclosing_boxes
from smalldet.geometry.overlaps import pairwise
from smalldet.geometry.rotated import (
    rotated_intersection,
    rotated_iou,
    rotated_iou_table,
    rotated_nms,
)
from smalldet.geometry.suppression import nms

KINDS = ("any", "same", "same turned", "parallel", "inside", "touching", "empty", "sliver", "huge")


def drawn_pairs(num: int, seed: int, origin: float) -> tuple[Tensor, Tensor, Tensor]:
    """Pairs (num, 5) float32 of every awkward kind in turn, and the position of each in KINDS."""
    draw = torch.Generator().manual_seed(seed)
    kind = torch.arange(num) % len(KINDS)

    def boxes() -> Tensor:
        centre = origin + torch.rand(num, 2, generator=draw) * 25
        sides = 3 + torch.rand(num, 2, generator=draw) ** 2 * 60
        angle = (torch.rand(num, 1, generator=draw) - 0.5) * math.pi
        return torch.cat((centre, sides, angle), dim=1)

    def pick(name: str) -> Tensor:
        return torch.nonzero(kind == KINDS.index(name)).flatten()

    a, b = boxes(), boxes()
    for name in ("same", "same turned", "parallel", "inside", "touching"):
        b[pick(name)] = a[pick(name)]
    turned = pick("same turned")
    b[turned] = b[turned][:, [0, 1, 3, 2, 4]]
    b[turned, 4] += math.pi / 2
    parallel = pick("parallel")
    b[parallel, 4] += 10 ** (-8 * torch.rand(len(parallel), generator=draw))
    b[parallel, :2] += torch.randint(0, 2, (len(parallel), 1), generator=draw) * 3
    inside = pick("inside")
    b[inside, 2:4] *= torch.rand(len(inside), 1, generator=draw)
    touching = pick("touching")
    axis = torch.stack((a[touching, 4].cos(), a[touching, 4].sin()), dim=1)
    b[touching, :2] += axis * a[touching, 2:3]
    empty = pick("empty")
    a[empty, 2:4] *= torch.randint(0, 2, (len(empty), 2), generator=draw)
    b[empty, 2:4] *= torch.randint(0, 2, (len(empty), 2), generator=draw)
    sliver, huge = pick("sliver"), pick("huge")
    a[sliver, 3] *= 1e-4
    a[huge, 2] *= 1000
    return a, b, kind


def shapely_iou(a: Tensor, b: Tensor) -> Tensor:
    """IoU of the very same boxes in float64, with corners worked out here."""
    shapes = []
    for rboxes in (a, b):
        # Shapely too loses digits far out.
        cx, cy, w, h, angle = np.moveaxis(rboxes.double().numpy(), -1, 0)
        cx, cy = cx - a[:, 0].double().numpy(), cy - a[:, 1].double().numpy()
        u, v = np.array([1, 1, -1, -1])[:, None] * w / 2, np.array([-1, 1, 1, -1])[:, None] * h / 2
        x, y = u * np.cos(angle) - v * np.sin(angle), u * np.sin(angle) + v * np.cos(angle)
        shapes.append(shapely.polygons(np.stack((x + cx, y + cy), axis=-1).swapaxes(0, 1)))
    shared = shapely.area(shapely.intersection(*shapes))
    union = shapely.area(shapes[0]) + shapely.area(shapes[1]) - shared
    return torch.from_numpy(np.divide(shared, union, out=np.zeros_like(union), where=union > 0))


def largest_error(num: int, seed: int, origin: float) -> float:
    a, b, kind = drawn_pairs(num, seed, origin)
    peer = shapely_iou(a, b)
    for name in set(KINDS) - {"touching", "empty"}:
        assert (peer[kind == KINDS.index(name)] > 0).any(), f"no pair of kind {name!r} overlaps"
    return float((rotated_iou(a, b).double() - peer).abs().max())


def test_a_table_of_all_pairs_is_exact() -> None:
    a, b, _ = drawn_pairs(90, seed=3, origin=0.0)
    spread = torch.arange(90)[:, None] % 7 * 40.0
    a[:, :2], b[:, :2] = a[:, :2] + spread, b[:, :2] + spread
    table = rotated_iou_table(a, b[:80])
    assert torch.equal(table, pairwise(rotated_iou, a, b[:80]))
    assert 0 < (table > 0).sum() < table.numel() / 2
    assert rotated_iou_table(a, b[:0]).shape == (90, 0)


@pytest.mark.parametrize("origin", [0.0, 100_000.0])
def test_agrees_with_shapely_on_every_kind_of_pair(origin: float) -> None:
    assert largest_error(10_000, 0, origin) < 1e-6


@pytest.mark.slow
def test_agrees_with_shapely_on_a_million_pairs() -> None:
    origins = [0.0, 100_000.0]
    worst = [largest_error(50_000, seed, origins[seed % 2]) for seed in range(1, 21)]
    print(f"largest error {max(worst):.2g}")
    assert max(worst) < 1e-6


side = st.floats(0.5, 200)
rboxes = st.tuples(st.floats(0, 60), st.floats(0, 60), side, side, st.floats(-4, 4)).map(
    lambda values: torch.tensor(values, dtype=torch.float64)
)


@settings(deadline=None, max_examples=60)
@given(rboxes, rboxes, st.floats(-4, 4), st.floats(-100_000, 100_000))
def test_iou_is_symmetric_and_does_not_change_when_all_is_moved(
    a: Tensor, b: Tensor, turn: float, shift: float
) -> None:
    overlap = rotated_iou(a, b)
    assert 0 <= overlap <= 1
    torch.testing.assert_close(rotated_iou(a, a), torch.ones((), dtype=torch.float64))
    torch.testing.assert_close(rotated_iou(b, a), overlap, rtol=1e-9, atol=1e-9)
    cos, sin = math.cos(turn), math.sin(turn)
    matrix = torch.tensor([[cos, sin], [-sin, cos]], dtype=torch.float64)

    def moved(rbox: Tensor) -> Tensor:
        return torch.cat((rbox[:2] @ matrix + shift, rbox[2:4], rbox[4:] + turn))

    torch.testing.assert_close(rotated_iou(moved(a), moved(b)), overlap, rtol=0, atol=1e-7)


def test_the_area_that_is_shared() -> None:
    """Of crossed boxes, of a small one far out in a region that is a whole scene, of none."""
    a = torch.tensor([[50, 50, 40, 10, 0.5], [29_000, 9, 3, 2, 1.0], [0, 0, 4, 4, 0]])
    b = torch.tensor([[50, 50, 40, 10, 0.5], [15_000, 15_000, 30_000, 30_000, 0], [9, 9, 4, 4, 1]])
    b[0, 4] += math.pi / 2
    shared = rotated_intersection(a.double(), b.double())
    assert shared.tolist() == pytest.approx([100, 6, 0], rel=1e-6, abs=1e-6)


def test_a_table_and_nothing_at_all() -> None:
    a, b, _ = drawn_pairs(90, 3, 0.0)
    table = pairwise(rotated_iou, a[:7], b)
    assert table.shape == (7, 90) and table.dtype == torch.float32
    torch.testing.assert_close(table[3], rotated_iou(a[3], b))
    assert rotated_iou(torch.zeros(0, 5), torch.zeros(0, 5)).shape == (0,)
    assert pairwise(rotated_iou, torch.zeros(0, 5), b).shape == (0, 90)
    points = torch.zeros(2, 5)
    assert rotated_iou(points, points).tolist() == [0, 0]


def test_ships_side_by_side_all_stay() -> None:
    """Five slim boxes at 45 degrees share nothing, though their enclosing boxes do."""
    across = torch.arange(5.0)[:, None] * 14 * torch.tensor([[-math.sin(0.25 * math.pi)]])
    centre = 200 + torch.cat((across, -across), dim=1)
    ships = torch.cat((centre, torch.tensor([60.0, 12, math.pi / 4]).expand(5, 3)), dim=1)
    scores, labels = torch.linspace(0.9, 0.5, 5), torch.zeros(5, dtype=torch.long)
    assert rotated_nms(ships, scores, labels, 0.3).tolist() == [0, 1, 2, 3, 4]
    assert nms(enclosing_boxes(ships), scores, labels, 0.3).tolist() == [0, 2, 4]


def crowd(num: int, seed: int) -> tuple[Tensor, Tensor, Tensor]:
    draw = torch.Generator().manual_seed(seed)
    spread = torch.tensor([80.0, 80, 30, 10, 3])
    rboxes = torch.rand(num, 5, generator=draw) * spread + torch.tensor([0.0, 0, 10, 4, -1.5])
    rboxes = (rboxes * 64).round() / 64
    scores = torch.rand(num, generator=draw)
    return rboxes, scores, torch.randint(0, 3, (num,), generator=draw)


def one_by_one(iou: Tensor, scores: Tensor, threshold: float) -> list[int]:
    kept: list[int] = []
    table = iou.tolist()
    for row in torch.argsort(scores, descending=True).tolist():
        if all(table[row][stronger] <= threshold for stronger in kept):
            kept.append(row)
    return kept


@pytest.mark.parametrize("across_classes", [False, True])
@pytest.mark.parametrize("threshold", [0.1, 0.503])
def test_keeps_what_a_full_table_keeps(across_classes: bool, threshold: float) -> None:
    rboxes, scores, labels = crowd(400, seed=0)
    iou = pairwise(rotated_iou, rboxes, rboxes)
    if not across_classes:
        iou = iou * (labels[:, None] == labels)
    kept = rotated_nms(rboxes, scores, labels, threshold, across_classes)
    assert kept.tolist() == one_by_one(iou, scores, threshold)
    assert 10 < len(kept) < 390


def test_far_out_and_in_any_order_the_same_boxes_stay() -> None:
    rboxes, scores, labels = crowd(300, seed=1)
    rboxes[::2] = rboxes[1::2]  # twins: nothing but score and label tells them apart
    rboxes[::4, 4] *= -1  # or nothing but the angle
    scores = (scores * 4).round() / 4
    kept = rotated_nms(rboxes, scores, labels, 0.3)
    shuffled = torch.randperm(300, generator=torch.Generator().manual_seed(2))
    other = shuffled[rotated_nms(rboxes[shuffled], scores[shuffled], labels[shuffled], 0.3)]
    assert torch.equal(rboxes[kept], rboxes[other])
    assert torch.equal(labels[kept], labels[other])
    far = rboxes + torch.tensor([100_000.0, 100_000, 0, 0, 0])
    assert torch.equal(rotated_nms(far, scores, labels, 0.3), kept)


def test_touching_boxes_do_not_suppress_each_other_at_threshold_zero() -> None:
    along = torch.tensor([[9 * math.cos(0.7), 9 * math.sin(0.7), 0, 0, 0]], dtype=torch.float64)
    rboxes = (
        torch.tensor([0, 0, 9, 5, 0.7], dtype=torch.float64) + torch.arange(40)[:, None] * along
    )
    scores, labels = torch.rand(40, generator=torch.Generator().manual_seed(0)), torch.zeros(40)
    assert len(rotated_nms(rboxes, scores, labels.long(), 0.0)) == 40


def test_of_twenty_thousand_boxes_each_object_keeps_its_strongest() -> None:
    """No table of all pairs: that would have 400 million entries."""
    draw = torch.Generator().manual_seed(4)
    grid = torch.cartesian_prod(torch.arange(50.0), torch.arange(100.0)) * 900
    objects = torch.cat((grid, torch.tensor([30.0, 10, 0]).expand(5000, 3)), dim=1)
    objects[:, 4] = torch.rand(5000, generator=draw) * 3 - 1.5
    rboxes = objects.repeat(4, 1) + torch.randn(20_000, 5, generator=draw) * 0.02
    scores = torch.rand(20_000, generator=draw)
    kept = rotated_nms(rboxes, scores, torch.zeros(20_000, dtype=torch.long), 0.5)
    assert torch.equal(torch.sort(kept % 5000).values, torch.arange(5000))
    assert torch.equal(scores[kept], torch.sort(scores.view(4, 5000).amax(0), descending=True)[0])


def test_nothing_in_nothing_out() -> None:
    none = rotated_nms(torch.zeros(0, 5), torch.zeros(0), torch.zeros(0, dtype=torch.long), 0.5)
    assert none.shape == (0,) and none.dtype == torch.long
