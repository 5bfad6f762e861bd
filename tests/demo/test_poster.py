"""The demo's picture: the crop is where the objects are, and boxes stand on them."""

from __future__ import annotations

import numpy as np
import torch

from smalldet.demo.poster import PANEL_PX, busiest_window, draw_poster
from smalldet.detections import Detections
from smalldet.geometry.oriented import enclosing_boxes
from smalldet.imagery import open_scene
from smalldet.imagery.drawing import class_colours


def found_at(corners: list[tuple[float, float]]) -> Detections:
    boxes = torch.tensor([[x, y, x + 20, y + 20] for x, y in corners]).float()
    num = len(corners)
    return Detections(boxes, torch.ones(num), torch.zeros(num, dtype=torch.long), ("car", "bus"))


def test_busiest_window_holds_the_crowd() -> None:
    crowd = [(3000.0 + 25 * i, 2000.0 + 10 * (i % 7)) for i in range(20)]
    found = found_at([(100.0, 100.0), (400.0, 3000.0), *crowd])
    x1, y1, x2, y2 = busiest_window(found, 5000, 4000, 900, 600)
    assert (x2 - x1, y2 - y1) == (900, 600)
    assert x1 <= 3000 and x2 >= 3500 and y1 <= 2000 and y2 >= 2080


def test_window_fits_small_and_empty_scenes() -> None:
    assert busiest_window(found_at([(5.0, 5.0)]), 300, 200, 900, 900) == (0, 0, 300, 200)
    x1, y1, x2, y2 = busiest_window(Detections.empty(("car",)), 2000, 950, 900, 900)
    assert 0 <= x1 < x2 <= 2000 and 0 <= y1 < y2 <= 950


def test_poster_shows_boxes_in_the_class_colour() -> None:
    pixels = np.full((1000, 3000, 3), 90, dtype=np.uint8)
    found = found_at([(2500.0, 500.0), (2600.0, 520.0)])
    with open_scene(pixels) as scene:
        poster = np.array(draw_poster(scene, found))
    x, y, *_ = busiest_window(found, 3000, 1000, PANEL_PX, PANEL_PX // 2)
    crop = poster[:, -PANEL_PX:]
    assert tuple(crop[499 - y, 2510 - x]) == class_colours(2)[0]
    assert tuple(crop[510 - y, 2510 - x]) == (90, 90, 90)
    assert poster.shape[1] > 1.5 * PANEL_PX


def test_poster_shows_oriented_boxes_as_they_lie() -> None:
    pixels = np.full((1000, 3000, 3), 90, dtype=np.uint8)
    rboxes = torch.tensor([[2520.0, 520, 60, 12, np.pi / 4]])
    found = Detections(
        enclosing_boxes(rboxes), torch.ones(1), torch.zeros(1, dtype=torch.long), ("car",), rboxes
    )
    with open_scene(pixels) as scene:
        poster = np.array(draw_poster(scene, found))
    x, y, *_ = busiest_window(found, 3000, 1000, PANEL_PX, PANEL_PX // 2)
    drawn = (poster[:490, -PANEL_PX:] == class_colours(1)[0]).all(axis=2)
    rows, columns = np.nonzero(drawn)
    across = np.abs((rows + y - 520) - (columns + x - 2520)) / np.sqrt(2)
    assert len(rows) > 80 and across.max() < 9, "it lies along the diagonal"


def test_poster_of_nothing_found() -> None:
    with open_scene(np.full((400, 300), 90, dtype=np.uint8)) as scene:
        poster = draw_poster(scene, Detections.empty(("car",)))
    assert poster.width > 300
