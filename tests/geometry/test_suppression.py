"""Suppression: the strongest stays, whatever the order, the class count or the place."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torchvision import ops

from smalldet.geometry.overlaps import iou
from smalldet.geometry.pairs import intersecting_pairs
from smalldet.geometry.suppression import nms, unsuppressed


def crowd(num: int, seed: int) -> tuple[Tensor, Tensor, Tensor]:
    draw = torch.Generator().manual_seed(seed)
    corner = (torch.rand(num, 2, generator=draw) * 100 * 64).round() / 64
    boxes = torch.cat((corner, corner + torch.randint(4, 30, (num, 2), generator=draw)), dim=1)
    scores = torch.rand(num, generator=draw)
    return boxes, scores, torch.randint(0, 80, (num,), generator=draw)


def test_classes_suppress_themselves_or_each_other() -> None:
    boxes = torch.tensor([[0.0, 0, 10, 10], [0, 0, 10, 11], [0, 0, 10, 12], [50, 50, 60, 60]])
    scores, labels = torch.tensor([0.5, 0.9, 0.7, 0.1]), torch.tensor([0, 1, 0, 0])
    assert nms(boxes, scores, labels, 0.5).tolist() == [1, 2, 3]
    assert nms(boxes, scores, labels, 0.5, across_classes=True).tolist() == [1, 3]


@pytest.mark.parametrize("across_classes", [False, True])
def test_agrees_with_torchvision_near_the_origin(across_classes: bool) -> None:
    boxes, scores, labels = crowd(300, seed=0)
    labels = labels % 3
    peer = ops.batched_nms(boxes, scores, labels * (not across_classes), 0.403)
    assert torch.equal(nms(boxes, scores, labels, 0.403, across_classes), peer)


def test_far_out_with_many_classes_nothing_changes() -> None:
    """Moving classes apart in float32 would round these boxes to half pixels."""
    boxes, scores, labels = crowd(400, seed=1)
    near = nms(boxes, scores, labels // 10, 0.4)
    assert torch.equal(nms(boxes + 100_000, scores, labels // 10 * 10, 0.4), near)
    assert 0 < len(near) < 400


def test_ties_of_score_do_not_depend_on_order() -> None:
    boxes, scores, labels = crowd(300, seed=2)
    scores, labels = (scores * 4).round() / 4, labels % 3
    kept = nms(boxes, scores, labels, 0.3)
    shuffled = torch.randperm(300, generator=torch.Generator().manual_seed(3))
    other = shuffled[nms(boxes[shuffled], scores[shuffled], labels[shuffled], 0.3)]
    assert torch.equal(boxes[kept], boxes[other])
    assert torch.equal(labels[kept], labels[other])


def test_nothing_in_nothing_out_and_empty_boxes_suppress_nobody() -> None:
    none = nms(torch.zeros(0, 4), torch.zeros(0), torch.zeros(0, dtype=torch.long), 0.5)
    assert none.shape == (0,) and none.dtype == torch.long
    points = torch.tensor([[5.0, 5, 5, 5], [5, 5, 5, 5]])
    assert len(nms(points, torch.ones(2), torch.zeros(2, dtype=torch.long), 0.5)) == 2


@pytest.mark.parametrize("seed", range(5))
def test_suppression_by_pairs_keeps_what_torchvision_keeps(seed: int) -> None:
    boxes, scores, _ = crowd(400, seed)
    order = torch.argsort(scores, descending=True)
    boxes, scores = boxes[order], scores[order]
    first, second = intersecting_pairs(boxes)
    alike = iou(boxes[first], boxes[second]) > 0.303
    kept = unsuppressed(400, first[alike], second[alike])
    assert torch.equal(torch.nonzero(kept).flatten(), ops.nms(boxes, scores, 0.303))
