"""Reading ahead keeps the order, holds few tiles in memory, and stops at a failure."""

import threading
import time

import numpy as np
import pytest

from smalldet.imagery import open_scene
from smalldet.inference.read_tiles import batches_ahead, tiles_ahead
from smalldet.inference.tiling import Tile


def row_of_tiles(lefts, side=64):
    return [Tile(i, (x, 0, x + side, side), (side, side)) for i, x in enumerate(lefts)]


def test_order_and_bounds(draw_squares):
    pixels, _ = draw_squares(640, 64, 10)
    with open_scene(pixels) as scene:
        started: list[int] = []
        lock, read = threading.Lock(), scene.read_data

        def slow_read(window, shape=None):
            with lock:
                started.append(window[0])
            time.sleep(0.02 if window[0] % 128 else 0)  # every second tile comes late
            return read(window, shape)

        scene.read_data = slow_read
        tiles = row_of_tiles(range(0, 640, 64))
        for row, (tile, read_pixels) in enumerate(tiles_ahead(scene, tiles, num_ahead=3)):
            assert tile.row == row
            assert read_pixels is not None and np.array_equal(
                read_pixels, np.moveaxis(pixels[:, row * 64 : row * 64 + 64], 2, 0)
            )
            assert len(started) <= row + 1 + 3


def test_a_failing_read_stops_the_reading(draw_squares):
    pixels, _ = draw_squares(640, 64, 10)
    with (
        open_scene(pixels) as scene,
        pytest.raises(ValueError, match="leaves"),
    ):
        list(tiles_ahead(scene, row_of_tiles([600, 0]), num_ahead=3))


def test_batches_hold_one_shape_and_pass_over_tiles_without_data():
    pixels = np.full((64, 640), 1.0, np.float32)
    pixels[:, 128:192] = np.nan
    tiles = row_of_tiles(range(0, 640, 64))
    tiles[5] = tiles[5]._replace(shape=(32, 32))
    with open_scene(pixels) as scene:
        batches = list(batches_ahead(scene, tiles, size=2))
    rows = [[tile.row for tile, _ in batch] for batch in batches]
    assert rows == [[0, 1], [3, 4], [5], [6, 7], [8, 9]]
    assert [batch[0][1].shape for batch in batches[1:3]] == [(3, 64, 64), (3, 32, 32)]
