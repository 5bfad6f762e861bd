"""Parts in a view: what a tile shows of oriented and of upright objects."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from shapely import Polygon, affinity, box

from smalldet.data.parts_in_view import View, extent_in_view, oriented_parts, upright_parts
from smalldet.geometry.oriented import rboxes_to_quads
from smalldet.geometry.rotated import rotated_iou

coordinate = st.integers(-300, 1300).map(lambda v: v / 10)
side = st.integers(10, 600).map(lambda v: v / 10)
angle = st.integers(-90, 89).map(math.radians)
rbox = st.tuples(coordinate, coordinate, side, side, angle)


def polygon(rboxes: np.ndarray) -> Polygon:
    return Polygon(rboxes_to_quads(torch.from_numpy(rboxes).double())[0].numpy())


@given(rbox, angle)
def test_the_shown_part_is_what_shapely_cuts(values: tuple[float, ...], turn: float):
    """Area and upright box of the part, through a window that is magnified and may be turned."""
    rboxes = np.array([values], dtype=np.float32)
    view = View((10, 20, 90, 80), (160, 120), turn)
    parts = oriented_parts(rboxes, view)
    window = affinity.rotate(box(10, 20, 90, 80), turn, origin=(50, 50), use_radians=True)
    shared = polygon(rboxes).intersection(window)
    assert parts.shown[0] == pytest.approx(shared.area, abs=0.01)
    if shared.area > 1:
        seen = affinity.rotate(shared, -turn, origin=(50, 50), use_radians=True)
        expected = (np.array(seen.bounds) - (10, 20, 10, 20)) * 2
        np.testing.assert_allclose(parts.boxes[0], expected, atol=0.01)


@given(rbox)
def test_a_cut_object_keeps_its_direction(values: tuple[float, ...]):
    """Its box is the smallest one in the object's own direction that holds all that is seen."""
    rboxes = np.array([values], dtype=np.float32)
    parts = oriented_parts(rboxes, View((10, 20, 90, 80), (80, 60)))
    if parts.shown[0] < 1:
        return
    assert parts.rboxes is not None
    found = parts.rboxes[0].astype(float)
    off = (found[4] - values[4]) % (math.pi / 2)
    assert min(off, math.pi / 2 - off) < 1e-3  # w and h may trade places
    cut = polygon(rboxes).intersection(box(10, 20, 90, 80))
    local = affinity.rotate(cut, -found[4], origin=(0, 0), use_radians=True)
    low_x, low_y, high_x, high_y = local.bounds
    np.testing.assert_allclose(found[2:4], (high_x - low_x, high_y - low_y), atol=0.02)
    corners = rboxes_to_quads(torch.tensor(found[None]))[0].numpy() + np.array([10, 20])
    shifted = Polygon(corners)
    assert cut.difference(shifted.buffer(0.02)).area < 1e-6


@given(st.tuples(coordinate, coordinate, side, side, angle))
def test_an_upright_box_shows_the_same_either_way(values: tuple[float, ...]):
    cx, cy, w, h, _ = values
    view = View((10, 20, 90, 80), (120, 60))
    upright = upright_parts(
        np.array([[cx - w / 2, cy - h / 2, cx + w / 2, cy + h / 2]], dtype=np.float32), view
    )
    oriented = oriented_parts(np.array([[cx, cy, w, h, 0]], dtype=np.float32), view)
    assert oriented.shown[0] == pytest.approx(upright.shown[0], rel=1e-4, abs=0.01)
    assert oriented.whole[0] == pytest.approx(upright.whole[0], rel=1e-4)
    if upright.shown[0] > 0:
        np.testing.assert_allclose(oriented.boxes, upright.boxes, atol=1e-3)


def test_unequal_scaling_keeps_area_and_the_long_axis():
    """A needle at 45 degrees, stretched twice along x."""
    rboxes = np.array([[50, 50, 40, 4, math.pi / 4]], dtype=np.float32)
    parts = oriented_parts(rboxes, View((0, 0, 100, 100), (200, 100)))
    assert parts.rboxes is not None
    cx, cy, w, h, turned = parts.rboxes[0].tolist()
    assert (cx, cy) == pytest.approx((100, 50))
    assert turned == pytest.approx(math.atan2(1, 2))
    assert w == pytest.approx(40 * math.sqrt(2.5))
    assert w * h == pytest.approx(2 * 160)


def test_a_quarter_turn_of_the_view_turns_boxes_back():
    """Clockwise on the screen: what was right of the middle stands above it."""
    rboxes = np.array([[70, 50, 20, 6, 0.3]], dtype=np.float32)
    parts = oriented_parts(rboxes, View((0, 0, 100, 100), (100, 100), math.pi / 2))
    expected = torch.tensor([[50, 30, 20, 6, 0.3 - math.pi / 2]])
    assert parts.rboxes is not None
    assert rotated_iou(torch.from_numpy(parts.rboxes), expected).item() == pytest.approx(
        1, abs=1e-4
    )
    box_ = upright_parts(np.array([[65, 45, 75, 55]], dtype=np.float32),
                         View((0, 0, 100, 100), (100, 100), math.pi / 2)).boxes  # fmt: skip
    np.testing.assert_allclose(box_, [[45, 25, 55, 35]], atol=1e-4)


def test_a_turned_upright_box_is_that_round_an_ellipse():
    """The corners of a box that nobody has looked at do not count: a disc stays a disc."""
    view = View((0, 0, 100, 100), (100, 100), 0.7)
    parts = upright_parts(np.array([[40, 40, 60, 60]], dtype=np.float32), view)
    np.testing.assert_allclose(parts.boxes, [[40, 40, 60, 60]], atol=1e-4)


def test_the_extent_of_a_turned_picture_is_held_within_the_tile():
    view = View((-50, 0, 50, 100), (200, 200), math.pi / 2)
    # The picture is the right half of the window, and so the upper half of the tile.
    np.testing.assert_allclose(extent_in_view(1000, 1000, view), [0, 0, 200, 100], atol=1e-3)
