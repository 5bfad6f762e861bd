"""Box voting: who votes, how votes weigh, and that neither order nor place of boxes matters."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from smalldet.geometry.suppression import nms
from smalldet.geometry.voting import vote_boxes


def crowd(num: int, seed: int) -> tuple[Tensor, Tensor, Tensor]:
    """Boxes of a few objects, each found many times over, on a grid that float32 holds far out."""
    draw = torch.Generator().manual_seed(seed)
    objects = torch.randint(0, 120, (8, 2), generator=draw).double()
    centre = objects[torch.randint(0, 8, (num,), generator=draw)]
    offset = torch.randint(-24, 25, (num, 4), generator=draw) / 8
    boxes = torch.cat((centre - 8, centre + 8), dim=1) + offset
    scores = torch.rand(num, generator=draw) * 0.99 + 0.01
    return boxes.float(), scores, torch.randint(0, 3, (num,), generator=draw)


def test_votes_weigh_by_score_and_only_the_right_boxes_have_one() -> None:
    boxes = torch.tensor(
        [
            [10.0, 10, 20, 20],  # stays
            [11.0, 10, 21, 20],  # votes
            [10.0, 12, 20, 20],  # votes
            [10.0, 10, 20, 19],  # too weak
            [10.0, 10, 20, 21],  # another class
            [14.0, 10, 24, 20],  # too far
            [10.0, 10, 20, 20.5],  # stronger, and another stays in its place
        ]
    )
    scores = torch.tensor([0.8, 0.4, 0.6, 0.3, 0.7, 0.7, 0.9])
    labels = torch.tensor([0, 0, 0, 0, 1, 0, 0])
    found = vote_boxes(boxes, scores, labels, torch.tensor([0]), 0.7, 0.5)
    mean = (0.8 * boxes[0] + 0.4 * boxes[1] + 0.6 * boxes[2]) / 1.8
    assert torch.allclose(found, mean[None])
    both = vote_boxes(boxes[:2], scores[:2], labels[:2], torch.tensor([1, 0]), 0.7, 0.5)
    assert torch.equal(both, boxes[[1, 0]]), "boxes that stay do not vote"


@given(st.integers(1, 80), st.integers(0, 10_000), st.sampled_from([0.5, 0.7, 0.9]))
def test_agrees_with_a_table_of_all_pairs(num: int, seed: int, threshold: float) -> None:
    boxes, scores, labels = crowd(num, seed)
    kept = nms(boxes, scores, labels, 0.6)
    found = vote_boxes(boxes, scores, labels, kept, threshold, 0.5)
    for row, box in zip(kept.tolist(), found, strict=True):
        lower, upper = boxes[:, :2].maximum(boxes[row, :2]), boxes[:, 2:].minimum(boxes[row, 2:])
        inter = (upper - lower).clamp(min=0).prod(1)
        areas = (boxes[:, 2:] - boxes[:, :2]).prod(1)
        near = inter / (areas + areas[row] - inter) > threshold
        near &= (labels == labels[row]) & (scores <= scores[row]) & (scores >= scores[row] / 2)
        near[kept] = False
        near[row] = True
        weights = scores * near
        assert torch.allclose(box, weights @ boxes / weights.sum(), atol=1e-3)


def test_order_and_place_do_not_matter() -> None:
    boxes, scores, labels = crowd(300, seed=1)
    kept = nms(boxes, scores, labels, 0.6)
    found = vote_boxes(boxes, scores, labels, kept, 0.7, 0.5)
    assert 0.5 < (found - boxes[kept]).abs().max() < 8
    shuffled = torch.randperm(300, generator=torch.Generator().manual_seed(2))
    where = torch.empty(300, dtype=torch.long)
    where[shuffled] = torch.arange(300)
    other = vote_boxes(boxes[shuffled], scores[shuffled], labels[shuffled], where[kept], 0.7, 0.5)
    assert torch.allclose(other, found, atol=1e-4)
    far = vote_boxes(boxes + 100_000, scores, labels, kept, 0.7, 0.5)
    assert torch.allclose(far - 100_000, found, atol=0.01)


@pytest.mark.parametrize("num_kept", [0, 2])
def test_without_voters_boxes_stay(num_kept: int) -> None:
    boxes = torch.tensor([[0.0, 0, 4, 4], [50, 50, 50, 50], [9, 9, 14, 14]])
    kept = torch.arange(num_kept)
    found = vote_boxes(boxes, torch.ones(3), torch.zeros(3, dtype=torch.long), kept, 0.7, 0.5)
    assert torch.equal(found, boxes[:num_kept])


def test_directions_of_oriented_boxes_have_no_edge_to_jump_over() -> None:
    """Boxes a little to both sides of upright have an upright mean, whatever their angles read."""
    tilt = 0.05
    boxes = torch.tensor(
        [
            [20.0, 20, 16, 6, math.pi / 2 - tilt],
            [20.0, 20, 16, 6, -math.pi / 2 + tilt],
            [21.0, 20, 16, 6, -math.pi / 2],
            [20.0, 20, 16, 6, 0.6],  # too far
        ]
    )
    scores = torch.tensor([0.8, 0.8, 0.8, 0.7])
    labels = torch.zeros(4, dtype=torch.long)
    found = vote_boxes(boxes, scores, labels, torch.tensor([0]), 0.7, 0.5)
    cx, cy, w, h, angle = found[0].tolist()
    assert (cx, cy) == pytest.approx((20 + 1 / 3, 20), abs=1e-4)
    assert (w, h) == pytest.approx((16, 6), abs=0.05)
    assert angle == pytest.approx(-math.pi / 2, abs=1e-4)


def test_oriented_boxes_that_nothing_votes_on_stay() -> None:
    boxes = torch.tensor([[20.0, 20, 16, 6, -math.pi / 2], [50.0, 50, 9, 9, 0.0]])
    found = vote_boxes(boxes, torch.ones(2), torch.zeros(2).long(), torch.tensor([0, 1]), 0.7, 0.5)
    torch.testing.assert_close(found, boxes)
