"""Assignment: nobody starves, however small or crowded."""

from __future__ import annotations

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from smalldet.models.assigners import SmallObjectAssigner
from smalldet.models.heads import Locations, decode, grid_locations

CPU = torch.device("cpu")


def locations(side: int = 64) -> Locations:
    strides = (4, 8, 16)
    return grid_locations([(side // s, side // s) for s in strides], strides, CPU)


def untrained(places: Locations, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Scores (L, 2) and boxes (L, 4) of a head that has learned nothing."""
    generator = torch.Generator().manual_seed(seed)
    scores = torch.rand(len(places.strides), 2, generator=generator) * 0.02
    raw = torch.randn(len(places.strides), 4, generator=generator) * 0.3
    return scores, decode(raw, places)


@settings(deadline=None, max_examples=60)
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
    truth = torch.tensor(boxes, dtype=torch.float32)
    labels = torch.tensor(rng.integers(0, 2, num))
    found = SmallObjectAssigner()(*untrained(places, seed), places, truth, labels)
    counts = torch.bincount(found.objects[found.objects >= 0], minlength=num)
    assert counts.min() >= 1
    assert (found.quality[found.objects >= 0] > 0).all()
    assert (found.quality[found.objects < 0] == 0).all()


def test_a_lone_object_of_any_size_learns_at_several_locations() -> None:
    places = locations()
    for side in (3.0, 4, 8, 16, 40):
        truth = torch.tensor([[33.0 - side / 2, 31 - side / 2, 33 + side / 2, 31 + side / 2]])
        found = SmallObjectAssigner()(
            *untrained(places, 0), places, truth, torch.zeros(1, dtype=torch.long)
        )
        assert (found.objects == 0).sum() >= 4, f"{side} px"


def test_a_tiny_object_learns_at_the_finest_level() -> None:
    places = locations()
    truth = torch.tensor([[20.0, 20, 23, 23]])
    found = SmallObjectAssigner()(
        *untrained(places, 0), places, truth, torch.zeros(1, dtype=torch.long)
    )
    assert set(places.strides[found.objects == 0].tolist()) == {4.0}


def test_the_order_of_objects_changes_nothing() -> None:
    places = locations()
    generator = torch.Generator().manual_seed(3)
    corner = torch.rand(30, 2, generator=generator) * 50
    truth = torch.cat([corner, corner + 3 + torch.rand(30, 2, generator=generator) * 9], 1)
    labels = torch.arange(30) % 2
    turned = torch.randperm(30, generator=generator)
    assigner, (scores, boxes) = SmallObjectAssigner(), untrained(places, 1)
    first = assigner(scores, boxes, places, truth, labels)
    second = assigner(scores, boxes, places, truth[turned], labels[turned])
    mapped = torch.where(second.objects >= 0, turned[second.objects.clamp(min=0)], -1)
    assert (mapped == first.objects).float().mean() > 0.99
    torch.testing.assert_close(first.quality, second.quality, atol=1e-4, rtol=1e-3)
