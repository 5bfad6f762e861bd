"""A GeoPackage opens in GIS programs with its coordinate system and properties."""

import sqlite3
from contextlib import closing
from itertools import pairwise
from xml.etree import ElementTree

import numpy as np
import pyogrio
import pytest
import shapely
from pyogrio import raw

from smalldet.imagery.drawing import class_colours
from smalldet.inference.options import MapOptions
from smalldet.inference.writers.geopackage import write_geopackage

MAPS = MapOptions()
QGIS_COLUMNS = [
    *("id", "f_table_catalog", "f_table_schema", "f_table_name", "f_geometry_column", "styleName"),
    *("styleQML", "styleSLD", "useAsDefault", "description", "owner", "ui", "update_time"),
]

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


def styles(path):
    """Rows of the table of styles as QGIS asks for that of a layer, and of the contents."""
    with closing(sqlite3.connect(path)) as database:
        database.row_factory = sqlite3.Row
        found = database.execute(
            "SELECT * FROM layer_styles WHERE f_table_catalog = '' AND f_table_schema = '' "
            "AND f_table_name = 'detections' AND f_geometry_column = 'geom' AND useAsDefault = 1"
        ).fetchall()
        contents = database.execute("SELECT table_name, data_type FROM gpkg_contents").fetchall()
        columns = database.execute("PRAGMA table_info(layer_styles)").fetchall()
        assert database.execute("PRAGMA integrity_check").fetchall()[0][0] == "ok"
    return found, dict(map(tuple, contents)), {row["name"]: row["type"] for row in columns}


def test_qgis_draws_counts_the_darker_the_more(tmp_path, make_result):
    """Ranges of whole numbers that neither overlap nor leave one out."""
    boxes = [[200 * x, 0, 200 * x + 4, 4] for x in range(6) for _ in range(x + 1)]
    write_geopackage(tmp_path / "a.gpkg", [make_result(boxes)], MapOptions(count_in="grid:100m"))
    with closing(sqlite3.connect(tmp_path / "a.gpkg")) as database:
        [(text,)] = database.execute(
            "SELECT styleQML FROM layer_styles WHERE f_table_name = 'counts' AND useAsDefault = 1"
        ).fetchall()
    renderer = ElementTree.fromstring(text).find("renderer-v2")
    assert renderer is not None and renderer.get("attr") == "num_all"
    limits = [(int(r.get("lower")), int(r.get("upper"))) for r in renderer.iter("range")]
    assert limits[0][0] == 0 and limits[-1][1] == 6 and len(limits) == 5
    assert all(low == above + 1 for (_, above), (low, _) in pairwise(limits))
    assert len(list(renderer.iter("symbol"))) == len(limits)


@pytest.mark.parametrize("geometry", ["polygon", "point"])
def test_qgis_draws_each_class_in_the_colour_of_the_pictures(tmp_path, make_result, geometry):
    write_geopackage(tmp_path / "a.gpkg", [make_result(BOXES)], MapOptions(geometry=geometry))
    [style], contents, columns = styles(tmp_path / "a.gpkg")
    assert contents == {"detections": "features", "layer_styles": "attributes"}
    assert list(columns) == QGIS_COLUMNS and columns["useAsDefault"] == "BOOLEAN"
    renderer = ElementTree.fromstring(style["styleQML"]).find("renderer-v2")
    assert renderer is not None and renderer.get("attr") == "class"
    names = {c.get("value"): c.get("symbol") for c in renderer.iter("category")}
    assert list(names) == ["Car", "other-vehicle"]
    key = "color" if geometry == "point" else "outline_color"
    for (name, number), colour in zip(names.items(), class_colours(2), strict=True):
        [symbol] = [s for s in renderer.iter("symbol") if s.get("name") == number]
        assert symbol.get("type") == ("marker" if geometry == "point" else "fill"), name
        options = {option.get("name"): option.get("value") for option in symbol.iter("Option")}
        assert options[key] == ",".join(map(str, (*colour, 255)))
