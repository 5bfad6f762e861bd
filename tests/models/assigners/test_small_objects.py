"""Assignment: nobody starves, however small or crowded."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils._python_dispatch import TorchDispatchMode

from smalldet.geometry.boxes import box_sides, xyxy_to_cxcywh
from smalldet.models.assigners.measures import OrientedMeasure
from smalldet.models.assigners.small_objects import Assignment, SmallObjectAssigner, Truth
from smalldet.models.locations import Locations, grid_locations
from smalldet.models.speck.head import decode_boxes
from smalldet.targets import Target

CPU = torch.device("cpu")
# what makes a CPU wait for a GPU: asking it for a value, or for the size of a result
WAITING = ("nonzero", "_local_scalar_dense", "bincount", "masked_select", "unique")


def locations(side: int = 64) -> Locations:
    strides = (4, 8, 16)
    return grid_locations((side, side), strides, CPU)


def untrained(places: Locations, seed: int, num: int = 1) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits (B, L, 2) and boxes (B, L, 4) of a head that has learned nothing."""
    generator = torch.Generator().manual_seed(seed)
    scores = torch.rand(num, len(places.strides), 2, generator=generator) * 0.02
    raw = torch.randn(num, len(places.strides), 4, generator=generator) * 0.3
    return scores.logit(), decode_boxes(raw, places.centres, places.strides)


def assign(
    outputs: tuple[torch.Tensor, torch.Tensor], places: Locations, *targets: Target
) -> Assignment:
    return SmallObjectAssigner()(*outputs, places, Truth.of(targets, CPU))


def one(boxes: torch.Tensor, labels: torch.Tensor | None = None) -> Target:
    return Target.of(
        boxes, torch.zeros(len(boxes), dtype=torch.long) if labels is None else labels, 2
    )


def scattered(num: int, seed: int, side: int = 64) -> Target:
    """Objects of 1 to 50 px anywhere, also over the picture's edge."""
    generator = torch.Generator().manual_seed(seed)
    centre = torch.rand(num, 2, generator=generator) * side
    half = torch.exp(torch.rand(num, 2, generator=generator) * 4) / 2
    labels = torch.randint(0, 2, (num,), generator=generator)
    return one(torch.cat([centre - half, centre + half], 1), labels)


@settings(deadline=None, max_examples=40)
@given(seed=st.integers(0, 10_000), num=st.integers(1, 200), side=st.floats(1.5, 6.0))
def test_every_object_gets_a_location_where_a_matching_exists(
    seed: int, num: int, side: float
) -> None:
    """Objects are drawn one to a cell, so a one-to-one assignment exists, however they crowd."""
    places = locations()
    rng = np.random.default_rng(seed)
    # a crowd: all cells of a corner first, so that neighbours compete for the same cells
    cells = np.array([(x, y) for y in range(16) for x in range(16)])[:num]
    centres = (cells + 0.5) * 4 + rng.uniform(-1.9, 1.9, cells.shape)
    boxes = np.concatenate([centres - side / 2, centres + side / 2], 1).clip(0, 64)
    truth = one(torch.tensor(boxes, dtype=torch.float32), torch.tensor(rng.integers(0, 2, num)))
    found = assign(untrained(places, seed), places, truth)
    counts = torch.bincount(found.objects[found.objects >= 0], minlength=num)
    assert counts.min() >= 1
    assert (found.quality[found.objects >= 0] > 0).all()
    assert (found.quality[found.objects < 0] == 0).all()


@settings(deadline=None, max_examples=30)
@given(seed=st.integers(0, 10_000), num=st.integers(1, 40))
def test_candidates_are_all_locations_that_are_near_and_fine_enough(seed: int, num: int) -> None:
    """Cells are counted and written down; a table of all objects by all locations must agree."""
    places, target = locations(), scattered(num, seed)
    boxes, assigner = target.boxes, SmallObjectAssigner()
    pairs, counts = assigner.candidates(*untrained(places, seed), places, Truth.of([target], CPU))
    half = (boxes[:, 2:] - boxes[:, :2]) / 2
    strides = places.strides[None, :, None]
    reach = half[:, None].clamp(min=strides, max=16 * strides)
    apart = (places.centres[None] - (boxes[:, None, :2] + boxes[:, None, 2:]) / 2).abs()
    near = (apart <= reach).all(-1)
    near &= places.strides[None] <= (2 * box_sides(boxes)[:, None]).clamp(min=4)
    written = torch.zeros_like(near)
    written[pairs.objects, pairs.places] = True
    # a cell's centre on the very edge of a box may be rounded either way
    on_edge = ((apart - reach).abs() < 1e-4).any(-1)
    assert torch.equal(written | on_edge, near | on_edge)
    assert len(pairs.places) == written.sum()
    assert torch.equal(counts, written.sum(1))


@settings(deadline=None, max_examples=30)
@given(seed=st.integers(0, 10_000), nums=st.lists(st.integers(0, 40), min_size=1, max_size=4))
def test_a_batch_is_assigned_like_its_pictures_one_by_one(seed: int, nums: list[int]) -> None:
    places, outputs = locations(), untrained(locations(), seed, len(nums))
    targets = [scattered(num, seed + i) for i, num in enumerate(nums)]
    together = assign(outputs, places, *targets)
    first = 0
    for i, target in enumerate(targets):
        alone = assign((outputs[0][i : i + 1], outputs[1][i : i + 1]), places, target)
        objects = torch.where(alone.objects[0] >= 0, alone.objects[0] + first, -1)
        # rounding may turn a tie, nothing else may differ
        same = together.objects[i] == objects
        assert same.float().mean() > 0.99
        torch.testing.assert_close(together.quality[i][same], alone.quality[0][same])
        first += len(target.boxes)


class Waits(TorchDispatchMode):
    """Counts the operations for which a CPU would wait for a GPU."""

    def __init__(self) -> None:
        super().__init__()
        self.num = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        by_mask = "index" in str(func) and any(
            index is not None and index.dtype == torch.bool
            for index in (args[1] if isinstance(args[1], (list, tuple)) else ())
        )
        self.num += by_mask or any(name in str(func) for name in WAITING)
        return func(*args, **(kwargs or {}))


def test_a_gpu_is_not_waited_for_once_a_picture() -> None:
    places, waits = locations(), []
    for num in (1, 8):
        truth = Truth.of([scattered(10, i) for i in range(num)], CPU)
        with Waits() as counted:
            SmallObjectAssigner()(*untrained(places, 0, num), places, truth)
        waits.append(counted.num)
    assert waits == [2, 2]


def test_of_oriented_boxes_it_is_waited_for_once_more_a_batch() -> None:
    places, waits, measure = locations(), [], OrientedMeasure()
    for num in (1, 8):
        targets = [
            replace(target, rboxes=F.pad(xyxy_to_cxcywh(target.boxes), (0, 1), value=0.5))
            for target in (scattered(10, i) for i in range(num))
        ]
        truth = Truth.of(targets, CPU, measure)
        logits, boxes = untrained(places, 0, num)
        with Waits() as counted:
            rboxes = F.pad(xyxy_to_cxcywh(boxes), (0, 1), value=0.3)
            SmallObjectAssigner(measure=measure)(logits, rboxes, places, truth)
        waits.append(counted.num)
    assert waits == [3, 3]


def test_a_lone_object_of_any_size_learns_at_several_locations() -> None:
    places = locations()
    for side in (3.0, 4, 8, 16, 40):
        truth = torch.tensor([[33.0 - side / 2, 31 - side / 2, 33 + side / 2, 31 + side / 2]])
        found = assign(untrained(places, 0), places, one(truth))
        assert (found.objects == 0).sum() >= 4, f"{side} px"


def test_a_tiny_object_learns_at_the_finest_level() -> None:
    places = locations()
    found = assign(untrained(places, 0), places, one(torch.tensor([[20.0, 20, 23, 23]])))
    assert set(places.strides[found.objects[0] == 0].tolist()) == {4.0}


def test_the_order_of_objects_changes_nothing() -> None:
    places = locations()
    generator = torch.Generator().manual_seed(3)
    corner = torch.rand(30, 2, generator=generator) * 50
    truth = torch.cat([corner, corner + 3 + torch.rand(30, 2, generator=generator) * 9], 1)
    labels = torch.arange(30) % 2
    turned = torch.randperm(30, generator=generator)
    outputs = untrained(places, 1)
    first = assign(outputs, places, one(truth, labels))
    second = assign(outputs, places, one(truth[turned], labels[turned]))
    mapped = torch.where(second.objects >= 0, turned[second.objects.clamp(min=0)], -1)
    assert (mapped == first.objects).float().mean() > 0.99
    torch.testing.assert_close(first.quality, second.quality, atol=1e-4, rtol=1e-3)
