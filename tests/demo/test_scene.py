"""The drawn scene: a real GeoTIFF, and truth that lies where the objects are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import rasterio
import torch
from numpy.typing import NDArray

from smalldet.data.index import Index
from smalldet.demo.plan import AIRPLANE, CAR, CLASS_NAMES
from smalldet.demo.scene import GSD_M, draw_scene
from smalldet.geometry.oriented import enclosing_boxes

SIDE_PX = 2000


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> tuple[Index, NDArray[np.uint8]]:
    path = tmp_path_factory.mktemp("scene") / "deeper" / "scene.tif"
    truth = draw_scene(path, width=SIDE_PX, height=SIDE_PX, seed=3)
    with rasterio.open(path) as file:
        return truth, file.read()


def test_is_a_tiled_georeferenced_picture(drawn: tuple[Index, NDArray[np.uint8]]) -> None:
    truth, pixels = drawn
    assert pixels.shape == (3, SIDE_PX, SIDE_PX)
    with rasterio.open(truth.records[0].path) as file:
        assert file.crs.to_epsg() == 32633
        assert file.res == (GSD_M, GSD_M)
        assert file.block_shapes[0] == (256, 256)
        assert file.overviews(1)


def test_truth_has_every_class_at_small_sizes(drawn: tuple[Index, NDArray[np.uint8]]) -> None:
    truth, _ = drawn
    (record,) = truth.records
    assert truth.class_names == CLASS_NAMES
    assert all(count > 0 for count in truth.counts().values())
    assert (record.boxes[:, :2] >= 0).all()
    assert (record.boxes[:, 2:] <= SIDE_PX).all()
    sides = np.sqrt(np.prod(record.boxes[:, 2:] - record.boxes[:, :2], axis=1))
    assert sides.min() > 8
    assert sides.max() < 64


def test_oriented_boxes_hold_the_upright_ones(drawn: tuple[Index, NDArray[np.uint8]]) -> None:
    """Cars stand at any angle; what is seen of an object lies in the upright box round its own."""
    (record,) = drawn[0].records
    assert record.rboxes is not None
    around = enclosing_boxes(torch.from_numpy(record.rboxes)).numpy()
    assert (around[:, :2] - record.boxes[:, :2]).max() < 1.5
    assert (record.boxes[:, 2:] - around[:, 2:]).max() < 1.5
    of_cars = record.rboxes[record.labels == CAR]
    assert np.abs(of_cars[:, 2] - 23).max() < 3 and np.abs(of_cars[:, 3] - 9.8).max() < 1.5
    assert (np.abs(np.sin(2 * of_cars[:, 4])) > 0.05).mean() > 0.5
    planes = around[record.labels == AIRPLANE] - record.boxes[record.labels == AIRPLANE]
    assert np.abs(planes).max() < 25, "wings leave the corners of the box free"


def test_boxes_lie_on_the_objects(drawn: tuple[Index, NDArray[np.uint8]]) -> None:
    """White airplanes on dull ground: the box is brighter than what is round about."""
    truth, pixels = drawn
    (record,) = truth.records
    grey = pixels.mean(axis=0)
    brighter = []
    for x1, y1, x2, y2 in record.boxes[record.labels == AIRPLANE].astype(int):
        around = grey[y1 - 6 : y2 + 6, x1 - 6 : x2 + 6]
        inside = np.zeros(around.shape, dtype=bool)
        inside[6:-6, 6:-6] = True
        brighter.append(np.quantile(around[inside], 0.9) - np.quantile(around[~inside], 0.9))
        # The sprite reaches all four sides of its box: what is there differs from the ground.
        assert np.ptp(around[inside]) > 40
    assert len(brighter) > 10
    assert np.mean(np.array(brighter) > 8) > 0.9


def test_same_seed_same_scene(tmp_path: Path) -> None:
    first = draw_scene(tmp_path / "a.tif", width=1200, height=1300, seed=1)
    again = draw_scene(tmp_path / "b.tif", width=1200, height=1300, seed=1)
    other = draw_scene(tmp_path / "c.tif", width=1200, height=1300, seed=2)
    assert (tmp_path / "a.tif").read_bytes() == (tmp_path / "b.tif").read_bytes()
    np.testing.assert_array_equal(first.records[0].boxes, again.records[0].boxes)
    assert (tmp_path / "a.tif").read_bytes() != (tmp_path / "c.tif").read_bytes()
    assert len(other.records[0].boxes) > 0


def test_too_small_a_scene_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="1200 px a side"):
        draw_scene(tmp_path / "scene.tif", width=800, height=4000)
