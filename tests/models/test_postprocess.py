"""What of a picture's candidates becomes its detections."""

from __future__ import annotations

import math

import torch

from smalldet.geometry.oriented import enclosing_boxes
from smalldet.models.postprocess import select_detections


def test_boxes_that_are_empty_or_no_numbers_are_no_detections() -> None:
    boxes = torch.tensor([[0.0, 0, 5, 5], [3, 3, 3, 9], [0, 0, float("nan"), 4], [20, 20, 25, 25]])
    scores = torch.tensor([0.3, 0.9, 0.9, 0.8])
    found = select_detections(
        boxes, scores, torch.zeros(4).long(), ("it",), nms_iou=0.5, max_detections=9
    )
    assert torch.equal(found.boxes, boxes[[3, 0]]) and torch.equal(found.scores, scores[[3, 0]])


def test_the_strongest_go_through_suppression_and_thin_ones_only_if_asked() -> None:
    boxes = torch.arange(20).view(-1, 1) * 10.0 + torch.tensor([0.0, 0, 5, 0.5])
    scores = torch.linspace(0.1, 0.9, 20)
    labels = torch.zeros(20, dtype=torch.long)
    few = {"nms_iou": 0.5, "max_detections": 2, "candidates_per_detection": 3}
    found = select_detections(boxes, scores, labels, ("it",), **few)
    assert torch.equal(found.scores, scores[[19, 18]])
    assert len(select_detections(boxes, scores, labels, ("it",), **few, min_side_px=1.0)) == 0


def test_voters_below_the_least_score_vote_but_do_not_stay() -> None:
    """Else where a box lies would depend on the confidence that was asked for."""
    boxes = torch.tensor([[0.0, 0, 10, 10], [1, 0, 11, 10], [50, 50, 60, 60]])
    scores, labels = torch.tensor([0.6, 0.3, 0.4]), torch.zeros(3, dtype=torch.long)
    found = select_detections(
        boxes, scores, labels, ("it",), nms_iou=0.6, max_detections=9, min_score=0.5, vote_iou=0.7
    )
    assert torch.allclose(found.boxes, torch.tensor([[1 / 3, 0, 31 / 3, 10]]))
    assert torch.equal(found.scores, scores[:1])


def test_what_a_limit_left_out_is_counted() -> None:
    """Of 20 candidates 6 go through, of which 2 stay; 3 stronger than 0.8 are no more than 3."""
    boxes = torch.arange(20).view(-1, 1) * 10.0 + torch.tensor([0.0, 0, 5, 5])
    scores, labels = torch.linspace(0.05, 1, 20), torch.zeros(20, dtype=torch.long)
    few = {"nms_iou": 0.5, "max_detections": 2, "candidates_per_detection": 3}
    assert select_detections(boxes, scores, labels, ("it",), **few).num_cut == 14 + 4
    many = {"nms_iou": 0.5, "max_detections": 3, "min_score": 0.86}
    assert select_detections(boxes, scores, labels, ("it",), **many).num_cut == 0


def test_oriented_boxes_are_told_apart_by_their_own_overlap() -> None:
    """Two crossed bars have one box round them and little in common; a third copies the first."""
    bars = torch.tensor(
        [
            [50.0, 50, 40, 4, math.pi / 4],
            [50, 50, 40, 4, -math.pi / 4],
            [50, 50, 4, 40, -math.pi / 4],  # the first one, in another form
            [20, 20, 10, 0, 0.3],  # without area
        ]
    )
    scores, labels = torch.tensor([0.8, 0.7, 0.9, 1.0]), torch.zeros(4, dtype=torch.long)
    found = select_detections(bars, scores, labels, ("it",), nms_iou=0.5, max_detections=9)
    assert found.rboxes is not None
    torch.testing.assert_close(found.rboxes, bars[:2])
    assert torch.equal(found.scores, scores[[2, 1]])
    torch.testing.assert_close(found.boxes, enclosing_boxes(bars[:2]))
