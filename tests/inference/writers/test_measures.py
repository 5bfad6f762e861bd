"""Sizes are those on the ground: held to geodesic ones, in maps that stretch and in degrees."""

from __future__ import annotations

import math

import numpy as np
import pytest
from affine import Affine
from pyogrio import raw
from rasterio.warp import transform

from smalldet.inference.options import MapOptions
from smalldet.inference.writers import write
from smalldet.inference.writers.measures import measures
from smalldet.inference.writers.placing import WGS84, pixel_points, quads

LOCAL = 'LOCAL_CS["site",LOCAL_DATUM["site",0],UNIT["metre",1],AXIS["x",EAST],AXIS["y",NORTH]]'
PLACES = [
    ("EPSG:32633", Affine(0.5, 0, 700_000, 0, -0.5, 7_400_000)),
    ("EPSG:3857", Affine(0.3, 0, 1_669_792, 0, -0.3, 8_390_000)),  # twice as large as on the ground
    ("EPSG:4326", Affine(4e-6, 1e-6, -70.5, 1e-6, -3e-6, -33)),  # turned and sheared
    ("EPSG:2230", Affine(1, 0, 6_300_000, 0, -1, 1_850_000)),  # feet
    ("EPSG:3031", Affine(10, 0, 1_000_000, 0, -10, 1_000_000)),  # round the south pole
    ("EPSG:4326", Affine(0.0005, 0, 179.9, 0, -0.0005, 60)),  # over the date line
]


def on_the_ground(result, row):
    """Corners (4, 2) of a box in metres round its centre, where distances are geodesic."""
    corners = quads(result)[row]
    x, y = pixel_points(result, corners.mean(axis=0, keepdims=True), WGS84)[0].tolist()
    local = f"+proj=aeqd +lat_0={y} +lon_0={x} +datum=WGS84 +units=m"
    return np.array(transform(WGS84, local, *pixel_points(result, corners, WGS84).T)).T


@pytest.mark.parametrize(("crs", "place"), PLACES)
def test_sizes_are_geodesic(make_oriented, crs, place):
    boxes = [[300, 200, 40, 12, 0.6], [900, 700, 3, 3, 0], [400, 900, 300, 90, -1.2]]
    result = make_oriented(boxes, crs=crs, transform=place)
    found = measures(result)
    for row in range(len(boxes)):
        corners = on_the_ground(result, row)
        sides = np.linalg.norm(np.diff(corners, axis=0, append=corners[:1]), axis=1)
        pair = sorted([(sides[0] + sides[2]) / 2, (sides[1] + sides[3]) / 2])
        x, y = corners.T
        area = abs((x * np.roll(y, -1) - y * np.roll(x, -1)).sum()) / 2
        assert [found["width_m"][row], found["length_m"][row]] == pytest.approx(
            pair, rel=3e-4, abs=1e-3
        )
        assert found["area_m2"][row] == pytest.approx(area, rel=6e-4, abs=1e-3)
    assert (np.abs(found["longitude"]) <= 180).all()


def test_a_box_is_measured_where_there_is_no_oriented_one(make_result):
    found = measures(make_result([[10, 20, 30, 60]]))
    assert found["length_m"][0] == pytest.approx(20 / 0.9996, abs=2e-3)
    assert found["width_m"][0] == pytest.approx(10 / 0.9996, abs=2e-3)


def test_what_has_no_place_on_earth_has_no_measures(make_result):
    found = measures(make_result([[10, 20, 30, 60]], crs=LOCAL))
    assert all(math.isnan(values[0]) for values in found.values())


def test_a_map_without_a_place_on_earth_is_written_without_measures(tmp_path, make_result):
    write(tmp_path / "a.gpkg", [make_result([[10, 20, 30, 60]], crs=LOCAL)])
    meta, _, _, values = raw.read(tmp_path / "a.gpkg", layer="detections")
    assert np.isnan(dict(zip(meta["fields"], values, strict=True))["length_m"]).all()
    with pytest.raises(ValueError, match=r"scene\.tif: lies where EPSG:4326 has no coordinates"):
        write(
            tmp_path / "a.gpkg",
            [make_result([[10, 20, 30, 60]], crs=LOCAL)],
            MapOptions(count_in="grid:9m"),
        )
