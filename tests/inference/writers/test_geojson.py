"""GeoJSON puts every box where it lies, in the layout that RFC 7946 asks."""

import json
from pathlib import Path

import numpy as np
import pytest
from affine import Affine
from rasterio.crs import CRS
from rasterio.warp import transform as reproject

from smalldet.imagery import open_scene
from smalldet.inference.options import MapOptions
from smalldet.inference.writers.geojson import write_geojson
from smalldet.inference.writers.placing import box_rings, pixel_points

MAPS = MapOptions()

BOXES = [[10, 20, 30, 60], [1000, 500, 1003, 503], [1960, 990, 2000, 1000]]


def rings_of(path):
    features = json.loads(path.read_text())["features"]
    return np.array([feature["geometry"]["coordinates"][0] for feature in features])


def signed_areas(rings):
    x, y = np.moveaxis(rings - rings[:, :1], 2, 0)
    return (x[:, :-1] * y[:, 1:] - x[:, 1:] * y[:, :-1]).sum(axis=1) / 2


def back_to_pixels(rings, result, crs):
    """Enclosing boxes (N, 4) in pixels of rings in a coordinate system."""
    x, y = reproject(crs, result.crs, *rings.reshape(-1, 2).T.tolist())[:2]
    columns, rows = ~result.transform * (np.array(x), np.array(y))
    points = np.stack((columns, rows), axis=1).reshape(-1, 5, 2)
    return np.concatenate((points.min(axis=1), points.max(axis=1)), axis=1)


def test_longitude_and_latitude(tmp_path, make_result):
    path, result = tmp_path / "a.geojson", make_result(BOXES)
    write_geojson(path, [result], MAPS)
    collection = json.loads(path.read_text())
    assert collection["type"] == "FeatureCollection" and "crs" not in collection
    properties = [feature["properties"] for feature in collection["features"]]
    # at the central meridian of a UTM zone the ground is 1 / 0.9996 as wide as the map
    assert properties[1] == {
        "id": 2,
        "class": "other-vehicle",
        "score": 0.7,
        "source": "scene.tif",
        "longitude": pytest.approx(15.0068, abs=1e-4),
        "latitude": pytest.approx(48.7508, abs=1e-4),
        "length_m": pytest.approx(1.5 / 0.9996, abs=1e-3),
        "width_m": pytest.approx(1.5 / 0.9996, abs=1e-3),
        "area_m2": pytest.approx(2.25 / 0.9996**2, abs=1e-3),
    }
    rings = rings_of(path)
    assert (rings[:, 0] == rings[:, -1]).all()  # closed
    assert (signed_areas(rings) > 0).all()  # right-hand rule
    # zone 33 has its central meridian at 15 degrees east, and 5,400 km lie near 48.75 north
    assert np.abs(rings - [15, 48.75]).max() < 0.02
    assert np.abs(back_to_pixels(rings, result, "EPSG:4326") - BOXES).max() < 0.01


@pytest.mark.parametrize(
    ("crs", "authority"), [("source", "EPSG::32633"), ("EPSG:3857", "EPSG::3857")]
)
def test_other_coordinate_systems_are_named(tmp_path, make_result, crs, authority):
    path, result = tmp_path / "a.geojson", make_result(BOXES)
    write_geojson(path, [result], MapOptions(crs=crs))
    named = json.loads(path.read_text())["crs"]
    assert named == {"type": "name", "properties": {"name": f"urn:ogc:def:crs:{authority}"}}
    code = authority.replace("::", ":")
    assert np.abs(back_to_pixels(rings_of(path), result, code) - BOXES).max() < 0.01


def test_pictures_that_lie_nowhere_give_pixels(tmp_path, make_result):
    path, result = tmp_path / "a.geojson", make_result(BOXES, crs=None, transform=None)
    write_geojson(path, [result], MAPS)
    assert json.loads(path.read_text())["coordinates"] == "pixels"
    rings = rings_of(path)
    assert np.concatenate((rings.min(axis=1), rings.max(axis=1)), axis=1).tolist() == BOXES
    for crs in ("source", "EPSG:3857"):
        with pytest.raises(ValueError, match=r"scene\.tif: has no georeference"):
            write_geojson(path, [result], MapOptions(crs=crs))


def test_mirrored_and_turned_transforms_keep_the_right_hand_rule(tmp_path, make_result):
    south_up = Affine(0.5, 0, 500_000, 0, 0.5, 5_400_000)
    turned = Affine.translation(500_000, 5_400_000) * Affine.rotation(30) * Affine.scale(0.5, -0.5)
    for transform in (south_up, turned):
        path, result = tmp_path / "a.geojson", make_result(BOXES, transform=transform)
        write_geojson(path, [result], MapOptions(crs="source"))
        assert (signed_areas(rings_of(path)) > 0).all()


DATE_LINE = {"crs": "EPSG:4326", "transform": Affine(0.5, 0, 179.5, 0, -0.5, 10)}
FIJI = {"crs": "EPSG:3460", "transform": Affine(9e3, 0, 2e6, 0, -9e3, 4e6)}


@pytest.mark.parametrize(
    ("place", "box"),
    [(DATE_LINE, [0, 0, 2, 2]), (DATE_LINE, [-3, 2, 8, 4]), (FIJI, [0, 0, 40, 40])],
)
def test_boxes_on_the_date_line_are_cut_there(tmp_path, make_result, place, box):
    """RFC 7946, section 3.1.9: two parts of one feature, each on its own side."""
    write_geojson(tmp_path / "a.geojson", [make_result([box], **place)], MAPS)
    [feature] = json.loads((tmp_path / "a.geojson").read_text())["features"]
    assert feature["geometry"]["type"] == "MultiPolygon"
    west, east = (np.array(part[0]) for part in feature["geometry"]["coordinates"])
    assert 170 < west[:, 0].min() < west[:, 0].max() == 180
    assert -180 == east[:, 0].min() < east[:, 0].max() < -170
    for half in (west, east):
        assert (half[0] == half[-1]).all() and signed_areas(half[None]) > 0
    # both halves together are the box, and meet along the same stretch of the date line
    [ring] = box_rings(make_result([box], **place), CRS.from_epsg(4326))[None]
    halves = signed_areas(west[None]) + signed_areas(east[None])
    assert halves == pytest.approx(signed_areas(ring), rel=1e-6)
    seams = [np.sort(half[np.abs(half[:, 0]) == 180, 1]) for half in (west, east)]
    assert np.unique(seams[0]).tolist() == np.unique(seams[1]).tolist()


def test_boxes_that_touch_or_lie_beyond_the_date_line_stay_whole(tmp_path, make_result):
    boxes = [[-1, 0, 1, 2], [1, 0, 3, 2]]  # 179 to 180, and 180 to 181 degrees
    write_geojson(tmp_path / "a.geojson", [make_result(boxes, **DATE_LINE)], MAPS)
    rings = rings_of(tmp_path / "a.geojson")
    assert [rings[:, :, 0].min(axis=1).tolist(), rings[:, :, 0].max(axis=1).tolist()] == [
        [179, -180],
        [180, -179],
    ]


def test_oriented_boxes_are_their_four_corners(tmp_path, make_oriented):
    """A ship at 30 degrees, clockwise on the screen: its bow lies south of east."""
    path, result = tmp_path / "a.geojson", make_oriented([[500, 400, 40, 10, np.pi / 6]])
    write_geojson(path, [result], MapOptions(crs="source"))
    [ring] = rings_of(path)
    assert (signed_areas(ring[None]) > 0).all()
    metres = ring - [500_000 + 250, 5_400_000 - 200]  # half a metre a pixel
    along, across = np.array([[np.sqrt(3) / 2, -0.5], [0.5, np.sqrt(3) / 2]])
    assert np.allclose(np.abs(metres @ along), 10, atol=1e-3)
    assert np.allclose(np.abs(metres @ across), 2.5, atol=1e-3)


def test_several_pictures_share_a_file_only_if_they_can(tmp_path, make_result):
    path = tmp_path / "a.geojson"
    north = make_result(BOXES, name="north.tif")
    east = make_result(BOXES, name="east.tif", crs="EPSG:32634")
    flat = make_result(BOXES, name="flat.jpg", crs=None, transform=None)
    write_geojson(path, [north, east], MAPS)
    assert len(rings_of(path)) == 6
    with pytest.raises(ValueError, match=r"north\.tif and east\.tif lie in different"):
        write_geojson(path, [north, east], MapOptions(crs="source"))
    with pytest.raises(ValueError, match=r"flat\.jpg: has no georeference"):
        write_geojson(path, [north, flat], MAPS)


def test_nothing_found_is_a_valid_file(tmp_path, make_result):
    write_geojson(tmp_path / "a.geojson", [make_result([])], MAPS)
    assert json.loads((tmp_path / "a.geojson").read_text())["features"] == []


def test_real_pictures_come_back_to_the_pixel(tmp_path, make_result, shared_dir: Path):
    paths = sorted((shared_dir / "data/geotiff_samples/images").glob("*.tif"))
    systems = set()
    for path in paths:
        with open_scene(path) as scene:
            w, h = scene.width, scene.height
            boxes = [[0, 0, 3, 3], [w / 2, h / 3, w / 2 + 7, h / 3 + 9], [w - 5, h - 5, w, h]]
            assert scene.crs is not None
            result = make_result(boxes, str(path), scene.crs.to_string(), scene.transform, w, h)
        systems.add(scene.crs.to_string())
        write_geojson(tmp_path / "a.geojson", [result], MAPS)
        rings = rings_of(tmp_path / "a.geojson")
        assert np.abs(back_to_pixels(rings, result, CRS.from_epsg(4326)) - boxes).max() < 0.5
        corner = pixel_points(result, np.zeros((1, 2)), CRS.from_epsg(4326))
        assert np.abs(corner).max() <= 180
    assert len(systems) == 6
