"""Who learns what, and that what is learnt least costs nothing where it should cost nothing."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from smalldet.models.yolo import known_text, parse_network
from smalldet.models.yolo.anchors import present_anchors
from smalldet.models.yolo.specs import Yolo
from smalldet.models.yolo.yolo_head import decode_places, grid_of
from smalldet.models.yolo.yolo_loss import Sums, assign, output_loss
from smalldet.targets import Target

ANCHORS = ((4.0, 4.0), (8.0, 8.0), (16.0, 8.0), (30.0, 30.0))
LAYER = Yolo((0,), ANCHORS, (0, 1, 2), num_classes=2)
ALL = range(4)
SIDE = 32  # 4 x 4 cells of 8 px; row = (anchor * 4 + y) * 4 + x
BOX = torch.tensor([[10.0, 18.0, 18.0, 26.0]])  # centre 14, 22: cell x 1, y 2; shape of anchor 1


def zeros() -> torch.Tensor:
    return torch.zeros(1, 3 * 7, 4, 4)


def target(boxes: torch.Tensor = BOX, label: int = 1) -> Target:
    return Target.of(boxes, torch.full((len(boxes),), label), 2)


def losses(layer: Yolo, raw: torch.Tensor, truth: Target) -> Sums:
    grid = grid_of(layer, raw, SIDE, SIDE)
    return output_loss(layer, grid, decode_places(layer, raw, grid), 0, truth, ALL)


def test_the_best_shape_in_the_cell_of_the_centre() -> None:
    found = assign(LAYER, grid_of(LAYER, zeros(), SIDE, SIDE), BOX, ALL)
    assert found.rows.tolist() == [(1 * 4 + 2) * 4 + 1]


def test_an_object_whose_anchor_is_of_another_output_is_not_learnt_here() -> None:
    large = torch.tensor([[1.0, 1.0, 31.0, 31.0]])
    assert len(assign(LAYER, grid_of(LAYER, zeros(), SIDE, SIDE), large, ALL).rows) == 0


def test_an_object_whose_anchor_no_output_has_is_learnt_by_the_next_best() -> None:
    """YOLOv4-tiny's smallest anchor is of no output, and small objects are what matters here."""
    layer = replace(LAYER, mask=(1, 2))
    tiny = torch.tensor([[12.0, 20.0, 16.0, 24.0]])
    grid = grid_of(layer, torch.zeros(1, 2 * 7, 4, 4), SIDE, SIDE)
    assert len(assign(layer, grid, tiny, ALL).rows) == 0
    assert assign(layer, grid, tiny, (1, 2, 3)).rows.tolist() == [(0 * 4 + 2) * 4 + 1]


def test_every_object_is_learnt_by_yolov4_tiny() -> None:
    graph = parse_network(known_text("yolov4-tiny"), "yolov4-tiny")
    boxes = torch.tensor([[50.0, 50.0, 56.0, 58.0], [90.0, 20.0, 110.0, 50.0]])
    learnt = [
        layer_found
        for layer, cells in zip(graph.outputs, (3, 6), strict=True)
        for layer_found in assign(
            layer,
            grid_of(layer, torch.zeros(1, 3 * 85, cells, cells), 96, 96),
            boxes,
            present_anchors(graph.outputs),
        ).objects.tolist()
    ]
    assert set(learnt) == {0, 1}


def test_yolov4_adds_every_anchor_of_like_shape() -> None:
    layer = replace(LAYER, assign_iou=0.213)
    found = assign(layer, grid_of(layer, zeros(), SIDE, SIDE), BOX, ALL)
    # shape IoU with the anchors: 16/64, 1, 64/128
    assert found.rows.tolist() == [9, 16 + 9, 32 + 9]
    assert found.objects.tolist() == [0, 0, 0]


def test_a_centre_on_the_far_edge_stays_inside() -> None:
    edge = torch.tensor([[28.0, 28.0, 36.0, 36.0]])
    found = assign(LAYER, grid_of(LAYER, zeros(), SIDE, SIDE), edge, ALL)
    assert found.rows.tolist() == [(1 * 4 + 3) * 4 + 3]


def perfect(layer: Yolo) -> torch.Tensor:
    """Raw values that say exactly what is there."""
    raw = torch.zeros(1, 3, 7, 4, 4)
    raw[:, :, 4] = -20
    # offsets 0.75, 0.75 in the cell: logit(0.75) = log 3
    xy = torch.log(torch.tensor(3.0))
    raw[0, 1, :, 2, 1] = torch.tensor([xy, xy, 0, 0, 20, -20, 20])
    return raw.flatten(1, 2)


@pytest.mark.parametrize("box_loss", ["iou", "giou", "diou", "ciou"])
def test_a_perfect_answer_costs_nothing(box_loss: str) -> None:
    layer = replace(LAYER, box_loss=box_loss)  # pyright: ignore[reportArgumentType]
    sums = losses(layer, perfect(layer), target())
    assert sums.positives == 1
    for term in (sums.box, sums.objectness, sums.classes):
        assert term.item() == pytest.approx(0, abs=1e-5)
    wrong = losses(layer, perfect(layer), target(label=0))
    assert wrong.classes.item() == pytest.approx(40, rel=1e-4)


def test_overlap_losses_push_boxes_about_as_hard_as_darknet_does() -> None:
    """Darknet's slope of a side: the overlap's, with sides in pictures, times their exponential.

    An object of 24 x 24 px in a picture of 416 px whose box is found 20 x 24.
    """
    layer = Yolo((0,), ((20.0, 24.0),), (0,), 1, box_loss="iou", box_weight=0.07)
    raw = torch.zeros(1, 6, 26, 26, requires_grad=True)
    box = torch.tensor([[188.0, 188, 212, 212]])  # round the centre of cell 12, 12
    grid = grid_of(layer, raw, 416, 416)
    truth = Target.of(box, torch.zeros(1, dtype=torch.long), 1)
    output_loss(layer, grid, decode_places(layer, raw, grid), 0, truth, (0,)).box.backward()
    assert raw.grad is not None
    # within the object, IoU is width / 24 px
    darknet = 0.07 * 416 / 24
    assert 0.4 < -raw.grad[0, 2, 12, 12] / darknet < 2.5


def test_yolov3_weighs_small_objects_more() -> None:
    """Cross entropy of a perfect offset is its entropy; sides give 0; the weight is 2 - wh."""
    entropy = -(0.75 * torch.tensor(0.75).log() + 0.25 * torch.tensor(0.25).log())
    box = losses(LAYER, perfect(LAYER), target()).box
    expected = LAYER.box_weight * (2 - 64 / 1024) * 2 * entropy
    torch.testing.assert_close(box, expected)


def test_places_that_already_find_the_object_are_no_negatives() -> None:
    raw = perfect(LAYER).view(1, 3, 7, 4, 4)
    # the anchor beside the best one, shifted to lie on the object with IoU 0.5, and sure of it
    raw[0, 2, :, 2, 1] = raw[0, 1, :, 2, 1]
    sure = losses(replace(LAYER, ignore_iou=0.7), raw.flatten(1, 2), target()).objectness
    ignored = losses(replace(LAYER, ignore_iou=0.4), raw.flatten(1, 2), target()).objectness
    assert sure.item() == pytest.approx(20, rel=1e-3)
    assert ignored.item() == pytest.approx(0, abs=1e-4)


def test_no_negatives_where_a_class_may_be_unlabelled() -> None:
    """The left half may hold unlabelled objects of one class; the labelled one still counts."""
    raw = zeros()
    open_ground = losses(LAYER, raw, target()).objectness
    mute = Target(
        BOX, torch.tensor([1]), torch.tensor([[0.0, 0, 16, 32]]), torch.tensor([[True, False]])
    )
    muted = losses(LAYER, raw, mute)
    log2 = torch.log(torch.tensor(2.0))
    # 3 x 16 places, of which none overlaps the object enough but the one that learns it
    torch.testing.assert_close(open_ground, 48 * log2)
    torch.testing.assert_close(muted.objectness, (24 + 1) * log2)
    none_muted = replace(mute, mute_classes=torch.tensor([[False, False]]))
    torch.testing.assert_close(losses(LAYER, raw, none_muted).objectness, open_ground)


def test_a_picture_without_objects() -> None:
    sums = losses(LAYER, zeros(), target(torch.zeros(0, 4)))
    assert sums.positives == 0
    assert sums.box.item() == sums.classes.item() == 0
    torch.testing.assert_close(sums.objectness, 48 * torch.log(torch.tensor(2.0)))


def test_two_objects_of_a_cell_are_both_learnt() -> None:
    both = Target.of(BOX.repeat(2, 1), torch.tensor([0, 1]), 2)
    raw = perfect(LAYER).view(1, 3, 7, 4, 4)
    raw[0, 1, 5:, 2, 1] = 20
    sums = losses(replace(LAYER, box_loss="ciou"), raw.flatten(1, 2), both)
    assert sums.positives == 2
    assert sums.classes.item() == pytest.approx(0, abs=1e-4)
