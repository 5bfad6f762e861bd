"""Oriented objects are assigned along themselves, and as upright ones where they are upright."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from smalldet.geometry.boxes import cxcywh_to_xyxy
from smalldet.geometry.oriented import canonical, enclosing_boxes, points_in_frames, rbox_areas
from smalldet.models.assigners.measures import OrientedMeasure, UprightMeasure
from smalldet.models.assigners.small_objects import SmallObjectAssigner, Truth
from smalldet.models.locations import Locations, grid_locations
from smalldet.models.speck.head import decode_rboxes
from smalldet.targets import Target

CPU = torch.device("cpu")
ORIENTED = OrientedMeasure()


def locations(side: int = 64) -> Locations:
    return grid_locations((side, side), (4, 8, 16), CPU)


def untrained(places: Locations, seed: int, num: int = 1) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits (B, L, 2) and boxes (B, L, 5) of a head that has learned nothing."""
    generator = torch.Generator().manual_seed(seed)
    scores = torch.rand(num, len(places.strides), 2, generator=generator) * 0.02
    raw = torch.randn(num, len(places.strides), 5, generator=generator) * 0.3
    return scores.logit(), decode_rboxes(raw, places.centres, places.strides)


def target_of(rboxes: torch.Tensor) -> Target:
    rboxes = canonical(rboxes)
    nothing = torch.zeros(len(rboxes), dtype=torch.long)
    return replace(Target.of(enclosing_boxes(rboxes), nothing, 2), rboxes=rboxes)


def scattered(num: int, seed: int, side: int = 64) -> Target:
    """Objects of 1 to 50 px in any direction, also over the picture's edge."""
    generator = torch.Generator().manual_seed(seed)
    centre = torch.rand(num, 2, generator=generator) * side
    sides = torch.exp(torch.rand(num, 2, generator=generator) * 4)
    turn = (torch.rand(num, 1, generator=generator) - 0.5) * math.pi
    return target_of(torch.cat([centre, sides, turn], 1))


@settings(deadline=None, max_examples=30)
@given(seed=st.integers(0, 10_000), num=st.integers(1, 40))
def test_candidates_lie_along_the_object(seed: int, num: int) -> None:
    """A table of all objects by all locations, each in the object's own frame, must agree."""
    places, target = locations(), scattered(num, seed)
    assert target.rboxes is not None
    assigner = SmallObjectAssigner(measure=ORIENTED)
    truth = Truth.of([target], CPU, ORIENTED)
    pairs, counts = assigner.candidates(*untrained(places, seed), places, truth)
    rboxes = target.rboxes
    strides = places.strides[None, :, None]
    reach = (rboxes[:, None, 2:4] / 2).clamp(min=strides, max=16 * strides)
    all_points = places.centres.expand(len(rboxes), -1, -1)
    apart = points_in_frames(all_points, rboxes).abs()
    near = (apart <= reach).all(-1)
    near &= places.strides[None] <= (2 * rbox_areas(rboxes).sqrt()[:, None]).clamp(min=4)
    written = torch.zeros_like(near)
    written[pairs.objects, pairs.places] = True
    # a cell's centre on the very edge of a box may be rounded either way
    on_edge = ((apart - reach).abs() < 1e-3).any(-1)
    assert torch.equal(written | on_edge, near | on_edge)
    assert len(pairs.places) == written.sum()
    assert torch.equal(counts, written.sum(1))


def test_cells_in_the_corners_of_the_box_round_a_thin_diagonal_object_are_left_out() -> None:
    places = locations()
    truth = Truth.of([target_of(torch.tensor([[32.0, 32, 60, 4, 0.8]]))], CPU, ORIENTED)
    assigner = SmallObjectAssigner(measure=ORIENTED)
    pairs, _ = assigner.candidates(*untrained(places, 0), places, truth)
    across = (points_in_frames(places.centres[None], truth.boxes)[0, pairs.places, 1]).abs()
    assert (across <= places.strides[pairs.places]).all()
    round_it = UprightMeasure()
    upright = Truth(enclosing_boxes(truth.boxes), truth.labels, truth.pictures)
    logits, rboxes = untrained(places, 0)
    all_in_box, _ = SmallObjectAssigner(measure=round_it).candidates(
        logits, enclosing_boxes(rboxes), places, upright
    )
    assert len(all_in_box.places) > 2 * len(pairs.places)


def test_upright_objects_have_the_places_and_fields_that_upright_boxes_have() -> None:
    places = locations()
    generator = torch.Generator().manual_seed(3)
    centre = torch.rand(30, 2, generator=generator) * 64
    sides = torch.exp(torch.rand(30, 2, generator=generator) * 3.5)
    boxes = cxcywh_to_xyxy(torch.cat([centre, sides], 1))
    rboxes = torch.cat([centre, sides, torch.zeros(30, 1)], 1)
    limits = (4.0, 64.0)
    for one, other in zip(
        UprightMeasure().reach(boxes, limits), ORIENTED.reach(rboxes, limits), strict=True
    ):
        torch.testing.assert_close(one, other, atol=1e-4, rtol=1e-4)
    fields = places.strides[:30, None] * 2
    torch.testing.assert_close(
        UprightMeasure().field_likeness(places.centres[:30], fields, boxes),
        ORIENTED.field_likeness(places.centres[:30], fields, rboxes),
        atol=1e-5,
        rtol=1e-3,
    )
    assert torch.allclose(UprightMeasure().sides(boxes), ORIENTED.sides(rboxes), rtol=1e-4)


@settings(deadline=None, max_examples=20)
@given(seed=st.integers(0, 10_000), num=st.integers(1, 30))
def test_every_object_gets_a_location(seed: int, num: int) -> None:
    """One thin object in each second cell, so that a one-to-one assignment exists."""
    places = locations()
    generator = torch.Generator().manual_seed(seed)
    cells = torch.randperm(64, generator=generator)[:num]
    centre = torch.stack((cells % 8, cells // 8), 1) * 8.0 + 4
    shape = torch.tensor([[6.0, 2]]).expand(num, -1)
    turn = (torch.rand(num, 1, generator=generator) - 0.5) * math.pi
    truth = Truth.of([target_of(torch.cat([centre, shape, turn], 1))], CPU, ORIENTED)
    found = SmallObjectAssigner(measure=ORIENTED)(*untrained(places, seed), places, truth)
    counts = torch.bincount(found.objects[found.objects >= 0], minlength=num)
    assert counts.min() >= 1
    assert (found.quality[found.objects >= 0] > 0).all()


def test_labels_without_oriented_boxes_are_refused() -> None:
    upright = Target.of(torch.tensor([[1.0, 1, 5, 5]]), torch.tensor([0]), 2)
    with pytest.raises(ValueError, match="upright boxes alone"):
        ORIENTED.boxes_of([upright])
    nothing = Target.of(torch.zeros(0, 4), torch.zeros(0, dtype=torch.long), 2)
    assert ORIENTED.boxes_of([nothing]).shape == (0, 5)
