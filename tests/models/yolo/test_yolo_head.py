"""Raw values mean boxes, by Darknet's formulas worked by hand for single places."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch

from smalldet.models.yolo.specs import Yolo
from smalldet.models.yolo.yolo_head import decode_places, grid_of, likely_places

LAYER = Yolo((0,), ((10.0, 20.0), (30.0, 8.0), (5.0, 5.0)), (1, 2), num_classes=2, scale_xy=1.1)
HEIGHT_PX, WIDTH_PX = 32, 48  # 2 x 3 cells of 16 px


def raw_with(values: list[float], anchor: int, y: int, x: int) -> torch.Tensor:
    raw = torch.full((1, 2, 7, 2, 3), 0.25)
    raw[0, anchor, :, y, x] = torch.tensor(values)
    return raw.flatten(1, 2)


def sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x))


@pytest.mark.parametrize(("anchor", "y", "x"), [(0, 0, 0), (0, 1, 2), (1, 1, 0)])
def test_a_place_by_hand(anchor: int, y: int, x: int) -> None:
    raw = raw_with([0.3, -0.7, 0.2, -0.4, 1.5, -2.0, 3.0], anchor, y, x)
    places = decode_places(LAYER, raw, grid_of(LAYER, raw, WIDTH_PX, HEIGHT_PX))
    row = (anchor * 2 + y) * 3 + x
    cx = (sigmoid(0.3) * 1.1 - 0.05 + x) * 16
    cy = (sigmoid(-0.7) * 1.1 - 0.05 + y) * 16
    w, h = (side * math.exp(t) for side, t in zip(((30, 8), (5, 5))[anchor], (0.2, -0.4)))  # noqa: B905
    expected = torch.tensor([cx - w / 2, cy - h / 2, cx + w / 2, cy + h / 2])
    torch.testing.assert_close(places.boxes[0, row], expected)
    assert places.objectness[0, row].item() == 1.5
    assert places.classes[0, row].tolist() == [-2.0, 3.0]
    assert places.boxes.shape == (1, 12, 4)


def test_new_coordinates_are_activated_already() -> None:
    layer = replace(LAYER, activated=True, squared_sides=True, scale_xy=2.0)
    raw = raw_with([0.9, 0.1, 0.5, 0.7, 0.8, 0.3, 0.6], 0, 1, 1)
    places = decode_places(layer, raw, grid_of(layer, raw, WIDTH_PX, HEIGHT_PX))
    cx, cy = (0.9 * 2 - 0.5 + 1) * 16, (0.1 * 2 - 0.5 + 1) * 16
    w, h = 30 * 4 * 0.25, 8 * 4 * 0.49
    expected = torch.tensor([cx - w / 2, cy - h / 2, cx + w / 2, cy + h / 2])
    torch.testing.assert_close(places.boxes[0, 4], expected)
    torch.testing.assert_close(places.objectness[0, 4].sigmoid(), torch.tensor(0.8))
    torch.testing.assert_close(places.classes[0, 4].sigmoid(), torch.tensor([0.3, 0.6]))


def test_wild_values_stay_finite() -> None:
    raw = torch.full((1, 14, 2, 3), 1e4)
    assert torch.isfinite(decode_places(LAYER, raw, grid_of(LAYER, raw, 48, 32)).boxes).all()


@pytest.mark.parametrize("activated", [False, True])
def test_likely_places_are_those_of_all_in_their_order(activated: bool) -> None:
    """Prediction decodes only where something may be; nothing may be lost or moved by that."""
    layer = replace(LAYER, activated=activated)
    size = (2, len(layer.mask) * (5 + layer.num_classes), HEIGHT_PX // 8, WIDTH_PX // 8)
    raw = torch.randn(size, generator=torch.Generator().manual_seed(0))
    raw = raw.sigmoid() if activated else raw
    grid = grid_of(layer, raw, WIDTH_PX, HEIGHT_PX)
    every = decode_places(layer, raw, grid)
    for picture in range(2):
        likely = likely_places(layer, raw[picture], grid, 0.6)
        rows = (every.objectness[picture].sigmoid() > 0.6).nonzero()[:, 0]
        assert 0 < len(rows) < len(every.objectness[picture])
        for some, of_all in zip(likely, every, strict=True):
            torch.testing.assert_close(some, of_all[picture][rows], rtol=1e-6, atol=1e-6)
