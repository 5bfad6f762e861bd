"""Counts: every object once, in the zone, square or cell in which its centre lies."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest
import shapely
from affine import Affine
from pyogrio import raw

from smalldet.inference.options import MapOptions
from smalldet.inference.writers import write
from smalldet.inference.writers.counting import grid_map

# Centres at (20, 40), (1001.5, 501.5), (30, 40) and (1199, 551) px: half a metre each.
BOXES = [[10, 20, 30, 60], [1000, 500, 1003, 503], [20, 20, 40, 60], [1198, 550, 1200, 552]]


def rows(path, layer="counts"):
    meta, _, codes, values = raw.read(path, layer=layer)
    return meta, shapely.from_wkb(codes), dict(zip(meta["fields"], values, strict=True))


def test_squares_on_the_ground_are_a_second_layer(tmp_path, make_result):
    write(tmp_path / "a.gpkg", [make_result(BOXES)], MapOptions(count_in="grid:100m"))
    meta, shapes, columns = rows(tmp_path / "a.gpkg")
    assert meta["crs"] == "EPSG:32633"
    corners = [columns["x"].tolist(), columns["y"].tolist()]
    assert corners == [[500_000, 500_500], [5_399_900, 5_399_700]]
    assert columns["num_all"].tolist() == [2, 2]
    assert columns["num_Car"].tolist() == [2, 0]
    assert columns["num_other-vehicle"].tolist() == [0, 2]
    assert shapely.area(shapes).tolist() == [10_000, 10_000]
    _, _, found = rows(tmp_path / "a.gpkg", "detections")
    assert len(found["id"]) == 4


@pytest.mark.parametrize(
    ("crs", "place", "expected"),
    [
        ("EPSG:3857", Affine(1, 0, 1_669_792, 0, -1, 6_280_000), "EPSG:32633"),  # stretched by 1.5
        ("EPSG:4326", Affine(1e-5, 0, -70.5, 0, -1e-5, -20), "EPSG:32719"),
        ("EPSG:2230", Affine(1, 0, 6_300_000, 0, -1, 1_850_000), "EPSG:2230"),  # feet
    ],
)
def test_squares_are_true_metres(tmp_path, make_result, crs, place, expected):
    result = make_result(BOXES, crs=crs, transform=place)
    assert grid_map([result]).crs.to_string() == expected
    write(tmp_path / "a.gpkg", [result], MapOptions(count_in="grid:0.2km"))
    meta, shapes, columns = rows(tmp_path / "a.gpkg")
    assert meta["crs"] == expected and sum(columns["num_all"]) == 4
    unit = 0.3048006 if expected == "EPSG:2230" else 1
    assert shapely.area(shapes) * unit**2 == pytest.approx(200**2, rel=1e-3)


def draw_zones(path, crs="EPSG:32633"):
    """Two zones that overlap in part and one apart, with a name, a number and a taken name."""
    shapes = [
        shapely.box(500_000, 5_399_900, 500_015, 5_400_000),
        shapely.box(500_005, 5_399_900, 500_700, 5_400_000),
        shapely.box(500_700, 5_399_900, 500_800, 5_400_000),
    ]
    raw.write(
        path,
        geometry=shapely.to_wkb(shapes),
        field_data=[np.array(["n", None, "é"], dtype=object), np.array([5, 6, 7])],
        fields=["name", "zone"],
        layer="zones",
        driver="GPKG",
        geometry_type="Polygon",
        crs=crs,
    )
    return path


def test_zones_of_a_file_keep_their_attributes(tmp_path, make_result):
    """Those without an object too; zones that overlap count an object each."""
    zones = draw_zones(tmp_path / "zones.gpkg")
    written = write(tmp_path / "a.geojson", [make_result(BOXES)], MapOptions(count_in=str(zones)))
    assert written == [tmp_path / "a.geojson", tmp_path / "a_counts.geojson"]
    counts = json.loads(written[1].read_text())
    told = [feature["properties"] for feature in counts["features"]]
    assert [t["zone"] for t in told] == [1, 2, 3] and [t["zone_zone"] for t in told] == [5, 6, 7]
    assert [t["name"] for t in told] == ["n", None, "é"]
    assert [t["num_all"] for t in told] == [2, 2, 0]
    assert "crs" not in counts
    x, y = counts["features"][0]["geometry"]["coordinates"][0][0]
    assert (x, y) == (pytest.approx(15, abs=0.1), pytest.approx(48.75, abs=0.1))


def test_cells_of_h3(tmp_path, make_result):
    h3 = pytest.importorskip("h3")
    options = MapOptions(count_in="h3:9", counts=tmp_path / "cells.csv")
    results = [make_result(BOXES), make_result(BOXES[:1], crs="EPSG:32634")]
    assert write(tmp_path / "a.shp", results, options)[1] == tmp_path / "cells.csv"
    with (tmp_path / "cells.csv").open(encoding="utf-8") as file:
        told = list(csv.DictReader(file))
    assert sum(int(row["num_all"]) for row in told) == 5
    assert all(h3.get_resolution(row["h3"]) == 9 for row in told)
    write(tmp_path / "a.gpkg", results, MapOptions(count_in="h3:9"))
    meta, shapes, columns = rows(tmp_path / "a.gpkg")
    assert meta["crs"] == "EPSG:4326" and shapely.is_ccw(shapely.get_exterior_ring(shapes)).all()
    middles = np.array([h3.cell_to_latlng(cell)[::-1] for cell in columns["h3"]])
    assert shapely.contains_xy(shapes, *middles.T).all()


def test_pictures_without_a_place_are_counted_in_pixels(tmp_path, make_result):
    flat = [make_result(BOXES, name, crs=None, transform=None) for name in ("a.png", "b.png")]
    written = write(tmp_path / "a.csv", flat, MapOptions(count_in="grid:256px"))
    with written[1].open(encoding="utf-8") as file:
        told = list(csv.DictReader(file))
    assert written[1].name == "a_counts.csv"
    assert [(t["source"], t["x"], t["y"], t["num_all"]) for t in told[:3]] == [
        ("a.png", "0.0", "0.0", "2"),
        ("a.png", "768.0", "256.0", "1"),
        ("a.png", "1024.0", "512.0", "1"),
    ]
    write(tmp_path / "a.json", flat, MapOptions(count_in="grid:256px"))
    assert json.loads((tmp_path / "a_counts.geojson").read_text())["coordinates"] == "pixels"


def test_units_that_do_not_fit_the_pictures_are_named(tmp_path, make_result):
    flat = make_result(BOXES, "flat.png", crs=None, transform=None)
    with pytest.raises(ValueError, match=r"flat\.png: has no place .*--count-in grid:256px"):
        write(tmp_path / "a.csv", [flat], MapOptions(count_in="grid:100m"))
    with pytest.raises(ValueError, match=r"scene\.tif: has a place .*--count-in grid:100m"):
        write(tmp_path / "a.csv", [make_result(BOXES)], MapOptions(count_in="grid:256px"))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"count_in": "grid:100"}, "is none of grid:100m, grid:1km, grid:256px and h3:9"),
        ({"count_in": "grid:0m"}, "the side must lie from 0.01"),
        ({"count_in": "h3:16"}, "resolutions of H3 go from 0 to 15"),
        ({"counts": "a.csv"}, "say what to count in with --count-in"),
    ],
)
def test_wrong_words_are_refused_at_once(options, words):
    with pytest.raises(ValueError, match=words):
        MapOptions(**options)


def test_what_cannot_be_written_is_found_before_the_work(tmp_path, make_result, monkeypatch):
    results = [make_result(BOXES)]
    with pytest.raises(FileNotFoundError, match=r"gone\.gpkg"):
        write(tmp_path / "a.gpkg", results, MapOptions(count_in=str(tmp_path / "gone.gpkg")))
    for name, words in (("c.png", "counts cannot be written so"), ("a.gpkg", "is the file of the")):
        options = MapOptions(count_in="grid:1m", counts=tmp_path / name)
        with pytest.raises(ValueError, match=words):
            write(tmp_path / "a.gpkg", results, options)
    zones = draw_zones(tmp_path / "zones.gpkg")
    for out, counts in (("a.csv", zones), ("zones.gpkg", None)):
        options = MapOptions(count_in=str(zones), counts=counts)
        with pytest.raises(ValueError, match=r"zones\.gpkg: would be overwritten"):
            write(tmp_path / out, results, options)
    zones.unlink()
    monkeypatch.setattr("smalldet.inference.writers.zoning.find_spec", lambda name: None)
    with pytest.raises(ValueError, match=r"h3:9: needs h3: pip install 'smalldet\[h3\]'"):
        write(tmp_path / "a.gpkg", results, MapOptions(count_in="h3:9"))
    assert list(tmp_path.iterdir()) == []


def test_nothing_found_is_an_empty_layer(tmp_path, make_result):
    for zones in ("grid:100m", "h3:9"):
        if zones == "h3:9":
            pytest.importorskip("h3")
        write(tmp_path / "a.gpkg", [make_result([])], MapOptions(count_in=zones))
        assert len(rows(tmp_path / "a.gpkg")[1]) == 0
