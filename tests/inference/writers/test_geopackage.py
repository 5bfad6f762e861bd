"""A GeoPackage opens in GIS programs with its coordinate system and properties."""

import numpy as np
import pyogrio
import pytest
import shapely
from pyogrio import raw

from smalldet.inference.options import MapOptions
from smalldet.inference.writers.geopackage import write_geopackage

MAPS = MapOptions()

BOXES = [[10, 20, 30, 60], [1000, 500, 1003, 503]]


def read(path):
    """Coordinate system, bounds (N, 4) and fields of the layer."""
    meta, _, _, fields = raw.read(path, layer="detections")
    _, bounds = pyogrio.read_bounds(path, layer="detections")
    return meta, bounds.T, dict(zip(meta["fields"], fields, strict=True))


def test_the_pictures_own_coordinates(tmp_path, make_result):
    results = [make_result(BOXES, "a.tif"), make_result(BOXES[:1], "b.tif")]
    write_geopackage(tmp_path / "a.gpkg", results, MAPS)
    meta, bounds, fields = read(tmp_path / "a.gpkg")
    assert meta["crs"] == "EPSG:32633" and meta["geometry_type"] == "Polygon"
    boxes = np.array([*BOXES, BOXES[0]])
    expected = boxes[:, [0, 3, 2, 1]] * [0.5, -0.5, 0.5, -0.5] + [500_000, 5_400_000] * 2
    assert np.abs(bounds - expected).max() < 1e-6
    assert fields["class"].tolist() == ["Car", "other-vehicle", "Car"]
    assert fields["source"].tolist() == ["a.tif", "a.tif", "b.tif"]
    assert np.allclose(fields["score"], [0.9, 0.5, 0.9])


def test_oriented_boxes_are_their_four_corners(tmp_path, make_oriented):
    write_geopackage(tmp_path / "a.gpkg", [make_oriented([[500, 400, 40, 10, 0.5]])], MAPS)
    _, _, geometry, _ = raw.read(tmp_path / "a.gpkg", layer="detections")
    polygon = shapely.from_wkb(geometry[0])
    assert polygon.area == pytest.approx(20 * 5, rel=1e-6)
    assert [polygon.centroid.x, polygon.centroid.y] == pytest.approx([500_250, 5_399_800])
    long_side = polygon.minimum_rotated_rectangle.length / 2 - 5
    assert long_side == pytest.approx(20, rel=1e-4)


def test_pictures_of_different_systems_meet_in_degrees(tmp_path, make_result):
    results = [make_result(BOXES), make_result(BOXES, crs="EPSG:32634")]
    write_geopackage(tmp_path / "a.gpkg", results, MAPS)
    meta, bounds, _ = read(tmp_path / "a.gpkg")
    assert meta["crs"] == "EPSG:4326"
    assert np.abs(bounds[:2, ::2] - 15).max() < 0.02 and np.abs(bounds[2:, ::2] - 21).max() < 0.02


def test_a_named_system_and_no_detections(tmp_path, make_result):
    write_geopackage(tmp_path / "a.gpkg", [make_result([])], MapOptions(crs="EPSG:3857"))
    meta, bounds, _ = read(tmp_path / "a.gpkg")
    assert meta["crs"] == "EPSG:3857" and len(bounds) == 0


def test_pictures_that_lie_nowhere_are_refused(tmp_path, make_result):
    with pytest.raises(ValueError, match=r"scene\.tif: has no georeference, which \.gpkg needs"):
        write_geopackage(tmp_path / "a.gpkg", [make_result(BOXES, crs=None)], MAPS)
