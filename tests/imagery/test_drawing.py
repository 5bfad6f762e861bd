"""Drawing: colours that differ, outlines that hide nothing, text that stands out."""

import numpy as np
import pytest
from PIL import Image, ImageDraw

from smalldet.imagery.drawing import (
    class_colours,
    outline_boxes,
    outline_rboxes,
    picture_of,
    write_text,
)

RED, BLUE = (255, 0, 0), (0, 0, 255)


def test_colours_of_neighbouring_classes_differ():
    colours = np.array(class_colours(12))
    assert len({tuple(c) for c in colours.tolist()}) == 12
    assert np.abs(np.diff(colours, axis=0)).max(axis=1).min() > 100


@pytest.mark.parametrize("line_px", [1, 3])
def test_outlines_lie_outside_the_boxes(line_px: int):
    picture = Image.new("RGB", (40, 40))
    outline_boxes(ImageDraw.Draw(picture), [[10.4, 12, 20.2, 13]], [RED], line_px)
    drawn = np.asarray(picture)[:, :, 0] == 255
    expected = np.zeros((40, 40), dtype=bool)
    expected[12 - line_px : 13 + line_px, 10 - line_px : 21 + line_px] = True
    expected[12:13, 10:21] = False
    assert (drawn == expected).all()


def test_boxes_of_no_size_and_of_none_can_be_drawn():
    picture = Image.new("RGB", (40, 40))
    outline_boxes(ImageDraw.Draw(picture), np.zeros((0, 4)), [])
    assert not np.asarray(picture).any()
    # shrunk by a pixel on each side, as frames inside a tile are, a small box turns inside out
    outline_boxes(ImageDraw.Draw(picture), [[11.0, 11.0, 9.5, 9.5]], [BLUE])
    assert (np.asarray(picture)[10, 10] == BLUE).all()


def test_oriented_outlines_lie_outside_the_boxes():
    picture = Image.new("RGB", (60, 60))
    draw = ImageDraw.Draw(picture)
    outline_rboxes(draw, [[30, 30, 24, 10, np.pi / 4]], [RED])
    drawn = np.asarray(picture)[:, :, 0] == 255
    y, x = np.mgrid[:60, :60] + 0.5 - 30
    along, across = np.abs(x + y) / np.sqrt(2), np.abs(y - x) / np.sqrt(2)
    assert drawn.sum() > 50 and not drawn[(along < 12) & (across < 5)].any()
    assert not drawn[(along > 15) | (across > 8)].any()
    # shrunk as frames inside a tile are, a small one is a point, and none is nothing
    outline_rboxes(draw, [[10, 10, -1.5, -1.5, 0.3]], [BLUE])
    outline_rboxes(draw, np.zeros((0, 5)), [])
    assert (np.asarray(picture)[8:12, 8:12] == BLUE).all(axis=2).any()


def test_grey_coloured_and_many_banded_pixels_are_pictures():
    for bands in (1, 2, 3, 5):
        pixels = np.arange(bands, dtype=np.uint8)[:, None, None].repeat(6, 1).repeat(8, 2)
        picture = picture_of(pixels)
        assert picture.size == (8, 6) and picture.mode == "RGB"
        assert picture.getpixel((0, 0)) == ((0, 1, 2) if bands >= 3 else (0, 0, 0))


@pytest.mark.parametrize("ground", ["white", "black", "yellow"])
def test_text_stands_out_from_any_ground(ground: str):
    """Letters in the colour of the ground are read by their rim, or by themselves."""
    picture = Image.new("RGB", (60, 20), ground)
    width = write_text(ImageDraw.Draw(picture), (2, 2), "plane", (255, 255, 0))
    assert 10 < width < 60
    grey = np.asarray(picture.convert("L")).astype(int)
    assert np.ptp(grey[:, : int(width)]) > 150
    assert np.ptp(grey[:, int(width) + 6 :]) == 0
