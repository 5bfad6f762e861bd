"""Sprites: what is set on the picture lies in the box that stands for it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from smalldet.demo.sprites import airplane, bus, car, rbox_of, stamp, tree, turned


@settings(deadline=None, max_examples=25)
@given(
    st.floats(0, 6.3), st.floats(18, 50), st.sampled_from([airplane, car, bus]), st.integers(0, 9)
)
def test_box_holds_the_sprite_whatever_its_turn(heading, length_px, draw, seed) -> None:
    sprite = turned(draw(np.random.default_rng(seed), length_px), heading)
    picture = Image.new("RGB", (140, 140), (255, 0, 255))
    box = stamp(picture, sprite, 70, 70, height_px=0)
    x1, y1, x2, y2 = box.astype(int)
    assert max(x2 - x1, y2 - y1) <= 1.1 * length_px + 2
    assert min(x2 - x1, y2 - y1) >= 0.15 * length_px
    # Away from the box and its soft edge the ground is as it was, and nothing was cut off.
    ground = np.array(picture)
    ground[y1 - 4 : y2 + 4, x1 - 4 : x2 + 4] = (255, 0, 255)
    assert (ground == (255, 0, 255)).all()
    edge = np.array(sprite.getchannel("A"))
    assert not edge[[0, -1]].any() and not edge[:, [0, -1]].any()


@settings(deadline=None, max_examples=40)
@given(
    st.floats(-7, 7), st.floats(18, 50), st.sampled_from([airplane, car, bus]), st.integers(0, 9)
)
def test_the_oriented_box_is_round_the_sprite_along_its_heading(heading, length_px, draw, seed):
    sheet = draw(np.random.default_rng(seed), length_px)
    sprite = turned(sheet, heading)
    picture = Image.new("RGB", (140, 140), (255, 0, 255))
    stamp(picture, sprite, 70.3, 69.8, height_px=0)
    cx, cy, w, h, angle = rbox_of(sheet, sprite, 70.3, 69.8, heading)
    alpha = np.zeros((140, 140))
    left, top = round(70.3 - sprite.width / 2), round(69.8 - sprite.height / 2)
    own = np.asarray(sprite.getchannel("A"))
    alpha[top : top + sprite.height, left : left + sprite.width] = own
    y, x = np.argwhere(alpha > 127).T + 0.5
    along = (x - cx) * np.cos(angle) + (y - cy) * np.sin(angle)
    across = (y - cy) * np.cos(angle) - (x - cx) * np.sin(angle)
    for values, side in ((along, w), (across, h)):
        # what is seen ends where the box does, but for thin tips that fade
        assert -side / 2 - 0.8 < values.min() < -side / 2 + 2.5
        assert side / 2 - 2.5 < values.max() < side / 2 + 0.8


def test_heading_turns_the_nose_clockwise_on_screen() -> None:
    """An airplane's wings lie behind its middle: most of it is on the tail's side."""
    sheet = airplane(np.random.default_rng(0), 40)
    down = np.array(turned(sheet, np.pi / 2).getchannel("A"), dtype=float)
    right = np.array(turned(sheet, 0.0).getchannel("A"), dtype=float)
    rows, columns = np.arange(down.shape[0]), np.arange(right.shape[1])
    middle = (down.shape[0] - 1) / 2
    assert (down.sum(1) @ rows) / down.sum() < middle - 1
    assert (right.sum(0) @ columns) / right.sum() < middle - 1


def test_shadow_darkens_the_ground_away_from_the_sun() -> None:
    picture = Image.new("RGB", (100, 100), (200, 200, 200))
    stamp(picture, tree(np.random.default_rng(0), 14), 50, 50, height_px=14)
    pixels = np.array(picture).mean(axis=2)
    assert pixels[:40, :40].min() < 120
    assert pixels[80:, 80:].min() == 200


def test_an_empty_sprite_is_refused() -> None:
    with pytest.raises(ValueError, match="empty sprite"):
        stamp(Image.new("RGB", (20, 20)), Image.new("RGBA", (8, 8)), 10, 10, 0)
