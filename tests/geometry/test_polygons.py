"""Shared area of polygons: what shapely says, for any shape, winding and place."""

from __future__ import annotations

import math

import pytest
import shapely
import torch
from torch import Tensor

from smalldet.geometry.polygons import (
    area_in_windows,
    parts_in_windows,
    polygon_moments,
)

UNIT = torch.tensor([[0.0, 0], [1, 0], [1, 1], [0, 1]])


def drawn_polygons(num: int, num_corners: int, seed: int, origin: float) -> Tensor:
    """Simple polygons, most of them not convex, some clockwise and some not."""
    draw = torch.Generator().manual_seed(seed)
    step = 2 * math.pi / num_corners
    angle = (torch.arange(num_corners) + torch.rand(num, num_corners, generator=draw) * 0.9) * step
    radius = 1 + torch.rand(num, num_corners, generator=draw) * 30
    star = torch.stack((angle.cos(), angle.sin()), dim=-1) * radius[..., None]
    star[::2] = star[::2].flip(1)
    return (star + torch.rand(num, 1, 2, generator=draw) * 20).double() + origin


def drawn_windows(num: int, origin: float) -> Tensor:
    draw = torch.Generator().manual_seed(9)
    low = torch.rand(num, 2, generator=draw).double() * 20 - 10
    return torch.cat((low, low + torch.rand(num, 2, generator=draw) * 30), dim=1) + origin


@pytest.mark.parametrize("origin", [0.0, 100_000.0])
@pytest.mark.parametrize("num_corners", [3, 4, 7])
def test_parts_in_windows_are_shapelys(num_corners: int, origin: float) -> None:
    """Area, centroid and area of the drawn part, convex polygons or not."""
    polygons, windows = drawn_polygons(1000, num_corners, 5, origin), drawn_windows(1000, origin)
    boxes = shapely.box(*windows.numpy().T)
    peers = shapely.intersection(shapely.polygons(polygons.numpy()), boxes)
    expected = torch.from_numpy(shapely.area(peers))
    assert (expected > 1).sum() > 500 and (expected == 0).any()
    area, centroid, _ = polygon_moments(parts_in_windows(polygons, windows))
    for measured in (area_in_windows(polygons, windows), area):
        torch.testing.assert_close(measured, expected, rtol=1e-7, atol=1e-7)
    middle = torch.from_numpy(shapely.get_coordinates(shapely.centroid(peers)))
    sizeable = expected > 1  # shapely leaves out what is empty
    middle = middle[sizeable[expected > 0]] if len(middle) < 1000 else middle[sizeable]
    torch.testing.assert_close(centroid[sizeable], middle, rtol=0, atol=1e-6)


def test_windows_that_touch_hold_or_are_empty() -> None:
    windows = torch.tensor(
        [[0.0, 0, 1, 1], [-5, -5, 5, 5], [1, 0, 2, 1], [0, 0, 0, 1], [0.5, 0.5, 0.2, 0.2]]
    )
    square = UNIT.expand(5, 4, 2)
    for measured in (
        area_in_windows(square, windows),
        polygon_moments(parts_in_windows(square, windows))[0],
    ):
        torch.testing.assert_close(measured.float(), torch.tensor([1.0, 1, 0, 0, 0]))
    assert torch.equal(area_in_windows(square.flip(1), windows), area_in_windows(square, windows))


def test_moments_of_a_rectangle_turned_anywhere() -> None:
    """An evenly filled side of length w has the variance w^2 / 12, along its own direction."""
    cos, sin = math.cos(0.4), math.sin(0.4)
    turn = torch.tensor([[cos, -sin], [sin, cos]], dtype=torch.float64)
    rectangle = (UNIT.double() - 0.5) * torch.tensor([60.0, 8.0]) @ turn.mT + 100_000
    area, centroid, spread = polygon_moments(rectangle.flip(0))
    variances = torch.diag(torch.tensor([300.0, 64 / 12], dtype=torch.float64))
    assert float(area) == pytest.approx(480)
    assert centroid.tolist() == pytest.approx([100_000, 100_000])
    torch.testing.assert_close(spread, turn @ variances @ turn.mT, rtol=1e-9, atol=1e-9)


def test_moments_of_a_polygon_without_area() -> None:
    area, centroid, spread = polygon_moments(UNIT * 0 + 7)
    assert float(area) == 0 and centroid.tolist() == [7, 7] and not spread.any()
