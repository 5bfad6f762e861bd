"""What a date has seen: pixels with data, less what a mask hides."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import rasterio
import shapely
from affine import Affine
from pyogrio import raw
from rasterio.crs import CRS

from smalldet.changing.seen_ground import (
    MaskRaster,
    Pictures,
    Polygons,
    SeenGround,
    ground_of,
    mask_of,
)
from smalldet.config.imagery import USUAL, ImageryOptions
from smalldet.inference.writers.metric_map import MetricMap

UTM = CRS.from_epsg(32633)
PLANE = MetricMap(UTM, 1.0)
WEST, NORTH, GSD = 500_000.0, 5_400_000.0, 0.5


def save(path: Path, values, *, nodata=None, crs: object = UTM, west=WEST, gsd=GSD) -> Path:
    """A grey GeoTIFF of values (H, W)."""
    height, width = values.shape
    with rasterio.open(
        path, "w", driver="GTiff", width=width, height=height, count=1, dtype=values.dtype,
        nodata=nodata, crs=crs, transform=Affine(gsd, 0, west, 0, -gsd, NORTH),
    ) as file:  # fmt: skip
        file.write(values, 1)
    return path


def at(*pixels: tuple[float, float]):
    """Places of pixels on the map."""
    return np.array(pixels) * [GSD, -GSD] + [WEST, NORTH]


def polygons(path: Path, *shapes, crs="EPSG:32633") -> Path:
    raw.write(
        path, geometry=shapely.to_wkb(np.array(shapes, dtype=object)), field_data=[], fields=[],
        driver="GPKG", geometry_type="Polygon", crs=crs,
    )  # fmt: skip
    return path


def test_pixels_without_data_were_not_seen(tmp_path):
    values = np.full((1200, 2200), 7, dtype=np.uint8)
    values[:, 1100:1500] = 0
    path = save(tmp_path / "a.tif", values, nodata=0)
    seen = Pictures([str(path)], PLANE, USUAL)
    points = at(
        (3, 3), (1099.5, 9), (1100.5, 9), (1499, 1199), (1500.5, 1199), (2199, 5), (2201, 5)
    )
    assert seen.holds(points).tolist() == [True, True, False, False, True, True, False]
    assert not seen.holds(at((-1, 5), (5, -1), (5, 1201))).any()
    assert Pictures([str(path)], PLANE, ImageryOptions(nodata=7)).holds(points).sum() == 2


def test_several_pictures_in_other_coordinate_systems(tmp_path):
    """Where they overlap, one that has data is enough."""
    hole = np.full((100, 100), 7, dtype=np.uint8)
    hole[:50] = 0
    first = save(tmp_path / "a.tif", hole, nodata=0)
    whole = np.full((100, 100), 9, dtype=np.uint8)
    second = save(tmp_path / "b.tif", whole, west=WEST + 25)
    seen = Pictures([str(first), str(second)], PLANE, USUAL)
    assert seen.holds(at((10, 10), (10, 60), (60, 10), (140, 10))).tolist() == [0, 1, 1, 1]
    degrees = tmp_path / "c.tif"
    with rasterio.open(
        degrees, "w", driver="GTiff", width=100, height=100, count=1, dtype="uint8",
        crs="EPSG:4326", transform=Affine(1e-5, 0, 15.0, 0, -1e-5, 48.75),
    ) as file:  # fmt: skip
        file.write(whole, 1)
    points = PLANE.metres(np.array([[15.0005, 48.7495], [15.002, 48.7495]]), CRS.from_epsg(4326))
    assert Pictures([str(degrees)], PLANE, USUAL).holds(points).tolist() == [True, False]


def test_a_picture_without_a_place_is_named(tmp_path):
    path = save(tmp_path / "a.tif", np.ones((8, 8), np.uint8), crs=None)
    with pytest.raises(ValueError, match=r"a\.tif: has no place on a map"):
        ground_of(str(path), USUAL)
    assert ground_of(str(path), ImageryOptions(assume_crs="EPSG:32633")).width == 8


def test_clouds_by_polygons_and_by_rasters(tmp_path):
    cloud = polygons(tmp_path / "c.gpkg", shapely.box(WEST, NORTH - 20, WEST + 10, NORTH))
    assert mask_of(cloud, PLANE, ()).holds(at((5, 5), (25, 5))).tolist() == [True, False]
    classes = np.zeros((10, 10), dtype=np.uint8)
    classes[:, 2], classes[:, 3] = 8, 4
    raster = save(tmp_path / "c.tif", classes, gsd=2.0)
    points = at((1, 1), (9, 1), (13, 1), (99, 1))
    assert mask_of(raster, PLANE, ()).holds(points).tolist() == [False, True, True, False]
    assert mask_of(raster, PLANE, (3, 8)).holds(points).tolist() == [False, True, False, False]
    nowhere = save(tmp_path / "n.tif", classes, crs=None)
    with pytest.raises(ValueError, match=r"n\.tif: is a mask without a place"):
        MaskRaster(nowhere, PLANE, ())


def test_an_object_is_seen_where_half_of_it_is(tmp_path, objects_at):
    area = Polygons(polygons(tmp_path / "a.gpkg", shapely.box(0, 0, 100, 100)), PLANE)
    ground = SeenGround(None, area, None)
    objects = objects_at([[50, 50], [98.1, 50], [101.1, 50], [99.5, 100.5]], side_m=4)
    assert ground.shows(objects).tolist() == [True, True, False, False]
    cloud = polygons(tmp_path / "c.gpkg", shapely.box(40, 40, 60, 60))
    assert not SeenGround(None, area, mask_of(cloud, PLANE, ())).shows(objects)[0]
    assert SeenGround(None, None, None).shows(objects).all()
    assert ground.shows(objects_at([])).tolist() == []
