"""YOLOv5's assignment and loss: who learns what, and what costs nothing."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from smalldet.models.yolo.ratio_loss import assign, batch_loss
from smalldet.models.yolo.specs import Yolo
from smalldet.models.yolo.yolo_head import Grid, decode_places, grid_of
from smalldet.targets import Target

ANCHORS = ((4.0, 4.0), (8.0, 8.0), (40.0, 30.0))
LAYER = Yolo(
    (0,),
    ANCHORS,
    (0, 1),
    num_classes=2,
    scale_xy=2.0,
    squared_sides=True,
    assignment="side_ratio",
    box_loss="ciou",
    box_weight=1.0,
)
SIDE = 32  # 4 x 4 cells of 8 px; row = (anchor * 4 + y) * 4 + x
BOX = torch.tensor([[10.0, 18.0, 14.0, 22.0]])  # centre 12, 20: middle of cell x 1, y 2


def zeros() -> torch.Tensor:
    return torch.zeros(1, 2 * 7, 4, 4)


def grid(layer: Yolo = LAYER) -> Grid:
    return grid_of(layer, zeros(), SIDE, SIDE)


def rows(box: list[float], layer: Yolo = LAYER) -> list[int]:
    found, objects = assign(layer, grid(layer), torch.tensor([box]))
    assert objects.tolist() == [0] * len(found)
    return sorted(found.tolist())


def test_anchors_within_a_factor_of_four_learn_it() -> None:
    """4 px: both anchors; 3 px wide and 20 px high: only the 8 px one; 40 px: of another output."""
    assert rows([10, 18, 14, 22]) == [9, 16 + 9]
    assert rows([10.5, 10, 13.5, 30]) == [16 + 9]
    assert rows([0, 0, 32, 32]) == []


def test_the_nearest_neighbours_learn_it_too() -> None:
    # centre 10, 22: left of and below the middle of cell (1, 2)
    assert rows([8, 20, 12, 24])[:3] == [8, 9, 13]
    # in the corner there are no neighbours to the left and above
    assert rows([0, 0, 4, 4])[:1] == [0]
    assert len(rows([0, 0, 4, 4])) == 2


def test_an_object_that_fits_no_anchor_is_learnt_by_the_nearest() -> None:
    """Of 0.5 px no side is within a factor of 4 of any anchor; it must not be lost."""
    assert rows([11.8, 19.8, 12.3, 20.3]) != []
    assert rows([11.8, 19.8, 12.3, 20.3], replace(LAYER, mask=(1, 2))) == []


sides = st.floats(0.1, 300)


@given(st.lists(st.tuples(st.floats(-5, 40), st.floats(-5, 40), sides, sides), max_size=8))
@settings(max_examples=60, deadline=None)
def test_every_object_is_learnt_by_some_output_within_its_grid(
    centres: list[tuple[float, float, float, float]],
) -> None:
    boxes = torch.tensor([[x - w / 2, y - h / 2, x + w / 2, y + h / 2] for x, y, w, h in centres])
    boxes = boxes.reshape(-1, 4)
    learnt: set[int] = set()
    for mask in ((0, 1), (2,)):
        layer = replace(LAYER, mask=mask)
        raw = torch.zeros(1, len(mask) * 7, 4, 4)
        places, objects = assign(layer, grid_of(layer, raw, SIDE, SIDE), boxes)
        assert ((places >= 0) & (places < len(mask) * 16)).all()
        learnt |= set(objects.tolist())
    assert learnt == set(range(len(boxes)))


def terms(raw: torch.Tensor, target: Target, layer: Yolo = LAYER) -> dict[str, torch.Tensor]:
    where = grid_of(layer, raw, SIDE, SIDE)
    return batch_loss([(layer, where, decode_places(layer, raw, where))], [target], 640)


def test_a_perfect_answer_costs_nothing() -> None:
    raw = torch.zeros(1, 2, 7, 4, 4)
    raw[:, :, 4] = -30
    # in the middle of its cell, so no neighbour learns it; (2 sigmoid)^2 of 0 is 1, of -ln 3 is 1/4
    raw[0, 0, :, 2, 1] = torch.tensor([0, 0, 0, 0, 30, -30, 30])
    half = math.log((math.sqrt(0.5) / 2) / (1 - math.sqrt(0.5) / 2))
    raw[0, 1, :, 2, 1] = torch.tensor([0, 0, half, half, 30, -30, 30])
    target = Target.of(BOX, torch.tensor([1]), 2)
    for name, term in terms(raw.flatten(1, 2), target).items():
        assert term.item() == pytest.approx(0, abs=1e-4), name
    wrong = terms(raw.flatten(1, 2), Target.of(BOX, torch.tensor([0]), 2))
    assert wrong["class"].item() == pytest.approx(3 * 30 * 2 / 80, rel=1e-3)


def test_no_negatives_where_a_class_may_be_unlabelled() -> None:
    nothing = torch.zeros(0, 4), torch.zeros(0, dtype=torch.long)
    open_ground = terms(zeros(), Target.of(*nothing, 2))
    assert open_ground["objectness"] > 0
    left = torch.tensor([[0.0, 0, 16, 32]])
    half = terms(zeros(), Target(*nothing, left, torch.tensor([[True, False]])))
    torch.testing.assert_close(half["objectness"], open_ground["objectness"] / 2)
    none = terms(zeros(), Target(*nothing, left, torch.tensor([[False, False]])))
    torch.testing.assert_close(none["objectness"], open_ground["objectness"])


def test_objects_meet_their_own_picture() -> None:
    """The second picture's object is not learnt in the first."""
    raw = zeros().repeat(2, 1, 1, 1).requires_grad_()
    empty = Target.of(torch.zeros(0, 4), torch.zeros(0, dtype=torch.long), 2)
    where = grid_of(LAYER, raw, SIDE, SIDE)
    target = Target.of(BOX, torch.tensor([1]), 2)
    batch_loss([(LAYER, where, decode_places(LAYER, raw, where))], [empty, target], 640)[
        "box"
    ].backward()
    assert raw.grad is not None
    assert (raw.grad[0] == 0).all()
    assert (raw.grad[1] != 0).any()
