"""Pairs that share an area: all of them, each once."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from smalldet.geometry import pairs
from smalldet.geometry.overlaps import iou, pairwise
from smalldet.geometry.pairs import alike_pairs, intersecting_pairs


def by_table(boxes: torch.Tensor) -> list[list[int]]:
    low = torch.maximum(boxes[:, None, :2], boxes[None, :, :2])
    high = torch.minimum(boxes[:, None, 2:], boxes[None, :, 2:])
    return torch.nonzero((high > low).all(dim=2).triu(1)).tolist()


@settings(deadline=None, max_examples=50)
@given(
    num=st.integers(0, 60),
    seed=st.integers(0, 999),
    spread=st.sampled_from([20.0, 300.0, 90_000.0]),
    origin=st.sampled_from([0.0, -500.0, 99_000.0]),
)
def test_finds_what_a_full_table_finds(num: int, seed: int, spread: float, origin: float) -> None:
    draw = torch.Generator().manual_seed(seed)
    corner = (origin + torch.rand(num, 2, generator=draw) * spread).round()
    sides = (2 ** (torch.rand(num, 2, generator=draw) * 12)).round() - 1  # 0 to 4095, empty too
    boxes = torch.cat((corner, corner + sides), dim=1)
    first, second = intersecting_pairs(boxes)
    assert sorted(torch.stack((first, second), dim=1).tolist()) == by_table(boxes)


def test_a_search_in_many_steps_finds_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    corner = torch.rand(400, 2, generator=torch.Generator().manual_seed(0)) * 200
    boxes = torch.cat((corner, corner + 15), dim=1)
    monkeypatch.setattr(pairs, "_PAIRS_AT_ONCE", 137)
    first, second = intersecting_pairs(boxes)
    assert sorted(torch.stack((first, second), dim=1).tolist()) == by_table(boxes)


@settings(deadline=None, max_examples=30)
@given(
    num=st.integers(0, 60),
    seed=st.integers(0, 999),
    num_groups=st.integers(1, 5),
    num_owners=st.integers(1, 3),
)
def test_groups_are_searched_apart_and_owners_with_others_only(
    num: int, seed: int, num_groups: int, num_owners: int
) -> None:
    draw = torch.Generator().manual_seed(seed)
    corner = torch.rand(num, 2, generator=draw) * 80 - 40
    boxes = torch.cat((corner, corner + torch.rand(num, 2, generator=draw) * 40), dim=1)
    group = torch.randint(0, num_groups, (num,), generator=draw)
    owner = torch.randint(0, num_owners, (num,), generator=draw)
    first, second = intersecting_pairs(boxes, group)
    alike = [[a, b] for a, b in by_table(boxes) if group[a] == group[b]]
    assert sorted(torch.stack((first, second), dim=1).tolist()) == alike
    first, second = intersecting_pairs(boxes, group, owner)
    assert sorted(torch.stack((first, second), dim=1).tolist()) == [
        [a, b] for a, b in alike if owner[a] != owner[b]
    ]


@settings(deadline=None, max_examples=60)
@given(
    num=st.integers(0, 50),
    seed=st.integers(0, 999),
    threshold=st.sampled_from([0.0, 0.1, 0.3, 0.5, 0.6, 0.9]),
    least_px=st.sampled_from([0.0, 8.0]),
    origin=st.sampled_from([0.0, 99_000.0]),
)
def test_alike_pairs_misses_none_over_the_threshold(
    num: int, seed: int, threshold: float, least_px: float, origin: float
) -> None:
    """Boxes on a coarse lattice, so that many overlaps lie exactly on the threshold's bound."""
    draw = torch.Generator().manual_seed(seed)
    corner = origin + torch.randint(0, 24, (num, 2), generator=draw).double()
    sides = torch.randint(1, 20, (num, 2), generator=draw).double()
    boxes = torch.cat((corner, corner + sides), dim=1)
    first, second = alike_pairs(boxes, threshold, least_px=least_px)
    found = set(map(tuple, torch.stack((first, second), dim=1).tolist()))
    assert len(found) == len(first), "each pair once"
    centre = (boxes[:, :2] + boxes[:, 2:]) / 2
    shift = (centre[:, None] - centre[None]).abs().amax(dim=2)
    wanted = pairwise(iou, boxes, boxes) > threshold
    wanted |= shift < (1 - threshold) / (1 + threshold) * least_px
    assert set(map(tuple, torch.nonzero(wanted.triu(1)).tolist())) <= found


def test_alike_pairs_leaves_out_most_others() -> None:
    """The point of it: neighbours that overlap a little are not even looked at."""
    row = torch.arange(100).double() * 12
    boxes = torch.stack((row, row * 0, row + 20, row * 0 + 20), dim=1)
    assert len(intersecting_pairs(boxes)[0]) == 99
    assert len(alike_pairs(boxes, 0.5)[0]) == 0
