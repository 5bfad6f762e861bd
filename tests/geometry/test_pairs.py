"""Pairs that share an area: all of them, each once."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from smalldet.geometry import pairs
from smalldet.geometry.pairs import intersecting_pairs


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
