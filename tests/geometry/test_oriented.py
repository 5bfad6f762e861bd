"""Oriented boxes: one form, and nothing lost between the ways to write them."""

from __future__ import annotations

import math

import numpy as np
import pytest
import shapely
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from smalldet.geometry.oriented import (
    canonical,
    centred_windows,
    enclosing_boxes,
    min_area_rectangle,
    points_in_frames,
    quads_to_rboxes,
    rbox_areas,
    rboxes_to_quads,
)
from smalldet.geometry.polygons import polygon_moments

side = st.floats(0.5, 500) | st.sampled_from([1.0, 12.0, 60.0])
angle = st.floats(-7, 7) | st.integers(-8, 8).map(lambda quarters: quarters * math.pi / 4)
place = st.floats(-100_000, 100_000)
rboxes = st.tuples(place, place, side, side, angle).map(
    lambda values: torch.tensor(values, dtype=torch.float64)
)
properties = settings(deadline=None, max_examples=60)


def same_corners(a: Tensor, b: Tensor, atol: float = 1e-6) -> bool:
    """Whether two quads have the same corners, from whichever they begin."""
    apart = (a[:, None] - b[None]).norm(dim=-1)
    return bool((apart.amin(0) < atol).all() & (apart.amin(1) < atol).all())


@properties
@given(rboxes)
def test_the_canonical_form_is_the_same_rectangle(rbox: Tensor) -> None:
    form = canonical(rbox)
    limit = math.pi / 4 if form[2] == form[3] else math.pi / 2
    assert form[2] >= form[3]
    assert -limit <= form[4] < limit
    assert same_corners(rboxes_to_quads(form), rboxes_to_quads(rbox))
    assert torch.equal(canonical(form), form)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_rounding_never_leaves_the_range_of_angles(dtype: torch.dtype) -> None:
    turns = torch.arange(-8, 9, dtype=dtype) * (math.pi / 4)
    near = torch.tensor([0.0, 1e-7, -1e-7, 1e-15, -1e-15, 1e-30, -1e-30], dtype=dtype)
    angles = (turns[:, None] + near).flatten()
    angles = torch.cat((angles, angles.nextafter(angles + 1), angles.nextafter(angles - 1)))
    for w, h, limit in ((3.0, 2.0, math.pi / 2), (2.0, 3.0, math.pi / 2), (2.0, 2.0, math.pi / 4)):
        others = angles.new_tensor([5.0, 6.0, w, h]).expand(len(angles), 4)
        form = canonical(torch.cat((others, angles[:, None]), dim=1))
        assert ((form[:, 4] >= -limit) & (form[:, 4] < limit)).all()
        assert torch.equal(canonical(form)[:, 4], form[:, 4])


def test_the_angle_is_clockwise_on_the_screen_and_corners_begin_top_left() -> None:
    quad = rboxes_to_quads(torch.tensor([10.0, 20, 6, 2, 0]))
    assert quad.tolist() == [[7, 19], [13, 19], [13, 21], [7, 21]]
    # y points down: clockwise by 90 degrees, what was right is below.
    turned = rboxes_to_quads(torch.tensor([10.0, 20, 6, 2, math.pi / 2]))
    torch.testing.assert_close(turned, torch.tensor([[11.0, 17], [11, 23], [9, 23], [9, 17]]))


@properties
@given(rboxes)
def test_a_rectangle_comes_back_from_its_corners(rbox: Tensor) -> None:
    quad = rboxes_to_quads(rbox)
    back = quads_to_rboxes(quad)
    assert same_corners(rboxes_to_quads(back), quad)
    assert same_corners(rboxes_to_quads(quads_to_rboxes(quad.flip(0))), quad)
    torch.testing.assert_close(back[2:4], canonical(rbox)[2:4], rtol=1e-6, atol=1e-6)
    area, _, _ = polygon_moments(quad)
    torch.testing.assert_close(area.to(rbox), rbox_areas(rbox), rtol=1e-6, atol=1e-6)


def test_float32_corners_far_out_come_back_to_the_hundredth_of_a_pixel() -> None:
    rbox = torch.tensor([100_000.25, 99_999.5, 40.0, 6.0, 0.7])
    torch.testing.assert_close(quads_to_rboxes(rboxes_to_quads(rbox)), rbox, rtol=0, atol=1e-2)


@properties
@given(rboxes)
def test_the_enclosing_box_holds_the_corners_and_touches_them(rbox: Tensor) -> None:
    quad = rboxes_to_quads(rbox)
    tight = torch.cat((quad.amin(0), quad.amax(0)))
    torch.testing.assert_close(enclosing_boxes(rbox), tight, rtol=0, atol=1e-9)


@pytest.mark.parametrize("num_points", [1, 2, 3, 4, 8, 12, 33, 2000])
def test_the_smallest_rectangle_is_as_small_as_shapelys(num_points: int) -> None:
    draw = torch.Generator().manual_seed(num_points)
    points = torch.rand(200, num_points, 2, generator=draw, dtype=torch.float64) * 50 + 1000
    rbox = min_area_rectangle(points)
    peers = shapely.minimum_rotated_rectangle(shapely.multipoints(points.numpy()))
    peer = torch.from_numpy(shapely.area(peers))
    torch.testing.assert_close(rbox_areas(rbox), peer, rtol=1e-6, atol=1e-6)
    held = rbox.clone()
    held[:, 2:4] += 1e-6
    areas = np.asarray(shapely.polygons(rboxes_to_quads(held).numpy()))
    assert shapely.covers(areas[:, None], shapely.points(points.numpy())).all()


def test_points_repeated_to_fill_up_a_set_change_nothing() -> None:
    points = torch.rand(50, 5, 2, generator=torch.Generator().manual_seed(0)) * 50
    filled = torch.cat((points, points[:, :1].expand(50, 4, 2)), dim=1)
    torch.testing.assert_close(min_area_rectangle(filled), min_area_rectangle(points))


def test_the_rectangle_round_two_boxes_of_one_ship_is_the_ship() -> None:
    halves = torch.tensor([[30.0, 30, 20, 8, 0.5], [30, 30, 20, 8, 0.5]])
    step = torch.tensor([math.cos(0.5), math.sin(0.5)]) * 8
    halves[1, :2] += step
    whole = min_area_rectangle(rboxes_to_quads(halves).reshape(8, 2))
    middle = (halves[0, :2] + step / 2).tolist()
    torch.testing.assert_close(whole, torch.tensor([*middle, 28, 8, 0.5]), rtol=1e-5, atol=1e-5)


def test_no_sets_and_no_points() -> None:
    assert min_area_rectangle(torch.zeros(0, 4, 2)).shape == (0, 5)
    assert rboxes_to_quads(torch.zeros(0, 5)).shape == (0, 4, 2)
    for num in (3, 300):
        assert min_area_rectangle(torch.full((num, 2), 7.0)).tolist() == [7, 7, 0, 0, 0]
    with pytest.raises(ValueError, match="K >= 1"):
        min_area_rectangle(torch.zeros(3, 0, 2))


@properties
@given(rboxes)
def test_in_its_own_frame_a_box_is_upright_round_the_origin(rbox: Tensor) -> None:
    x1, y1, x2, y2 = centred_windows(rbox).tolist()
    corners = torch.tensor([[x1, y1], [x2, y1], [x2, y2], [x1, y2]], dtype=torch.float64)
    seen = points_in_frames(rboxes_to_quads(rbox), rbox)
    torch.testing.assert_close(seen, corners, rtol=0, atol=1e-6)
