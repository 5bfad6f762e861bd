"""Boxes over the date line and the poles are whole shapes of the right size in every map format."""

from __future__ import annotations

import csv

import numpy as np
import pytest
import shapely
from affine import Affine
from pyogrio import raw

from smalldet.inference.options import MapOptions
from smalldet.inference.writers.geojson import write_geojson
from smalldet.inference.writers.geopackage import write_geopackage
from smalldet.inference.writers.tables import write_csv

OVER_LINE = [[100, 100, 300, 200], [900, 100, 1100, 200]]
"""The second one lies on the date line in each of these pictures."""
PICTURES = {
    "UTM 60": ("EPSG:32660", Affine(10, 0, 824_000, 0, -10, 10_000)),
    "degrees": ("EPSG:4326", Affine(1e-4, 0, 179.9, 0, -1e-4, 10)),
    "degrees in the west": ("EPSG:4326", Affine(1e-4, 0, -180.1, 0, -1e-4, 10)),
}


def shapes_of(path):
    meta, _, shapes, _ = raw.read(path, layer=0)
    return meta["geometry_type"], shapely.from_wkb(shapes)


@pytest.mark.parametrize("picture", PICTURES)
@pytest.mark.parametrize("crs", ["EPSG:4326", "EPSG:3857"])
def test_boxes_on_the_date_line_are_cut(make_result, tmp_path, picture, crs):
    own, transform = PICTURES[picture]
    result = make_result(OVER_LINE, crs=own, transform=transform)
    half = 180 if crs == "EPSG:4326" else 20_037_508.35
    for write, name in ((write_geopackage, "a.gpkg"), (write_geojson, "a.geojson")):
        write(tmp_path / name, [result], MapOptions(crs=crs))
        _, shapes = shapes_of(tmp_path / name)
        assert all(shape.is_valid for shape in shapes)
        assert [len(shapely.get_parts(shape)) for shape in shapes] == [1, 2]
        areas = shapely.area(shapes)
        assert areas[0] == pytest.approx(areas[1], rel=0.02)
        west, _, east, _ = shapely.total_bounds(shapes)
        assert -half <= west and east <= half
        assert shapely.bounds(shapely.get_parts(shapes[1])[0])[2] == pytest.approx(half)
    write_csv(tmp_path / "a.csv", [result], MapOptions(crs=crs))
    rows = list(csv.DictReader((tmp_path / "a.csv").read_text().splitlines()))
    assert all(-half <= float(row["map_x"]) <= half for row in rows)


def test_a_layer_holds_one_type_of_shape(make_result, tmp_path):
    result = make_result(OVER_LINE, crs="EPSG:32660", transform=PICTURES["UTM 60"][1])
    write_geopackage(tmp_path / "a.gpkg", [result], MapOptions(crs="EPSG:4326"))
    assert shapes_of(tmp_path / "a.gpkg")[0] == "MultiPolygon"
    write_geopackage(tmp_path / "own.gpkg", [result], MapOptions())
    kind, shapes = shapes_of(tmp_path / "own.gpkg")
    assert kind == "Polygon" and np.allclose(shapely.area(shapes), 200 * 100 * 100)


def test_a_map_that_goes_on_over_the_line_is_not_cut(make_result, tmp_path):
    result = make_result(OVER_LINE, crs="EPSG:4326", transform=PICTURES["degrees"][1])
    write_geopackage(tmp_path / "a.gpkg", [result], MapOptions(crs="EPSG:3832"))  # the Pacific
    kind, shapes = shapes_of(tmp_path / "a.gpkg")
    areas = shapely.area(shapes)
    assert kind == "Polygon" and areas[0] == pytest.approx(areas[1], rel=0.02)


@pytest.mark.parametrize(("crs", "pole"), [("EPSG:3413", 90), ("EPSG:3031", -90)])
def test_a_box_round_a_pole_reaches_to_it(make_result, tmp_path, crs, pole):
    result = make_result(
        [[900, 900, 1100, 1100], [0, 0, 50, 50]],
        crs=crs,
        transform=Affine(100, 0, -100_000, 0, -100, 100_000),
        height=2000,
    )
    for write, name in ((write_geopackage, "a.gpkg"), (write_geojson, "a.geojson")):
        write(tmp_path / name, [result], MapOptions(crs="EPSG:4326"))
        _, shapes = shapes_of(tmp_path / name)
        assert all(shape.is_valid for shape in shapes)
        west, south, east, north = shapes[0].bounds
        assert (west, east) == (-180, 180) and pole in (south, north)
        # seen from above the square has 20 km a side
        sides = shapely.get_coordinates(shapes[0])
        sides = sides[np.abs(sides[:, 1]) < 89.999]
        away_m = np.radians(90 - np.abs(sides[:, 1])) * 6_371_000
        assert away_m.min() == pytest.approx(10_000, rel=0.05)
        assert away_m.max() == pytest.approx(14_142, rel=0.05)
