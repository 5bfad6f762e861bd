"""A drawn picture shows outlines around the objects, not over them."""

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from smalldet.imagery.drawing import class_colours
from smalldet.inference.options import MapOptions
from smalldet.inference.writers.picture import write_picture

MAPS = MapOptions()


def test_outlines_surround_the_boxes(tmp_path, make_result):
    result = make_result([[1500, 800, 1503, 803]])
    write_picture(tmp_path / "a.png", [result], MAPS)
    pixels = np.asarray(Image.open(tmp_path / "a.png"))
    assert pixels.shape == (1000, 2000, 3)
    assert not pixels[800:803, 1500:1503].any()  # the object stays visible
    colour = class_colours(2)[0]
    for y, x in ((799, 1501), (803, 1501), (801, 1499), (801, 1503), (798, 1498)):
        assert tuple(pixels[y, x]) == colour
    assert not pixels[790:810, 1490:1497].any()


def test_outlines_surround_oriented_boxes(tmp_path, make_oriented):
    write_picture(
        tmp_path / "a.png", [make_oriented([[1500, 600, 60, 12, np.pi / 4]])], MapOptions()
    )
    pixels = np.asarray(Image.open(tmp_path / "a.png"))
    y, x = np.mgrid[:1000, :2000] + 0.5 - np.array([600, 1500])[:, None, None]
    along, across = np.abs(x + y) / np.sqrt(2), np.abs(y - x) / np.sqrt(2)
    drawn = np.asarray(pixels.any(axis=2))
    drawn[:150, :300] = False  # the legend
    assert not drawn[(along < 29) & (across < 5)].any()  # the object stays visible
    assert not drawn[(along > 35) | (across > 11)].any()
    assert drawn[(along < 30) & (np.abs(across - 7.5) < 0.5)].mean() > 0.7
    assert drawn[(across < 6) & (np.abs(along - 31.5) < 0.5)].mean() > 0.7


def test_large_pictures_are_scaled_with_their_boxes(tmp_path, make_result):
    result = make_result([[6000, 1000, 6040, 1040]], width=8000, height=1600)
    scene = np.zeros((1600, 8000, 3), np.uint8)
    scene[1000:1040, 6000:6040] = 200
    write_picture(
        tmp_path / "a.jpg", [replace(result, picture=scene, bands=(1, 2, 3))], MapOptions()
    )
    pixels = np.asarray(Image.open(tmp_path / "a.jpg")).astype(int)
    assert pixels.shape == (800, 4000, 3)
    assert np.abs(pixels[505:515, 3005:3015] - 200).max() < 15
    assert np.ptp(pixels[497, 3010]) > 60  # coloured outline above


def test_the_legend_counts_what_was_found(tmp_path, make_result):
    write_picture(tmp_path / "few.png", [make_result([[1500, 800, 1503, 803]])], MAPS)
    write_picture(tmp_path / "two.png", [make_result([[1500, 800, 1503, 803]] * 2)], MAPS)
    first, second = class_colours(2)
    legends = [np.asarray(Image.open(tmp_path / n))[:150, :300] for n in ("few.png", "two.png")]
    shown = [
        [(legend == colour).all(axis=2).any() for colour in (first, second)] for legend in legends
    ]
    assert shown == [[True, False], [True, True]]


def test_one_and_five_band_pictures_can_be_drawn(tmp_path, make_result):
    for bands in ((1,), (5, 4, 3, 2, 1)):
        scene = np.full((50, 60, 5), 90, np.uint8)
        result = make_result([[30, 30, 40, 40]], width=60, height=50)
        write_picture(
            tmp_path / "a.png", [replace(result, picture=scene, bands=bands)], MapOptions()
        )
        assert np.asarray(Image.open(tmp_path / "a.png")).shape == (50, 60, 3)


def test_one_picture_cannot_show_several(tmp_path, make_result):
    with pytest.raises(ValueError, match="name a directory"):
        write_picture(tmp_path / "a.png", [make_result([])] * 2, MAPS)
