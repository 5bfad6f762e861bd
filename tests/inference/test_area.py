"""`--area` looks and counts inside of polygons only, and finds there what is found without it."""

from __future__ import annotations

import json
import logging
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pyogrio.raw
import pytest
import rasterio
import shapely
from affine import Affine
from PIL import Image

from smalldet.imagery import open_scene
from smalldet.inference.area import Area, OutsideAreaError, SceneInside
from smalldet.inference.options import PredictOptions
from smalldet.inference.predict import Listener, predict_sources
from smalldet.inference.prediction_checkpoint import OtherRunError
from smalldet.inference.predictor import Predictor

PLACE = Affine(0.5, 0, 500_000, 0, -0.5, 5_400_000)


@pytest.fixture
def scene(tmp_path, draw_squares):
    """A georeferenced scene of 700 x 500 px, a copy of it without a place, and its objects."""
    pixels, truth = draw_squares(700, 500, 120, max_side=12)
    options = {"driver": "GTiff", "count": 3, "height": 500, "width": 700, "dtype": "uint8"}
    with rasterio.open(
        tmp_path / "a.tif", "w", crs="EPSG:32633", transform=PLACE, **options
    ) as file:
        file.write(pixels.transpose(2, 0, 1))
    Image.fromarray(pixels).save(tmp_path / "plain.png")
    return tmp_path / "a.tif", tmp_path / "plain.png", truth


def write_polygons(path, shapes, crs="EPSG:32633", driver="GPKG"):
    pyogrio.raw.write(
        path,
        geometry=shapely.to_wkb(np.array(shapes, dtype=object)),
        field_data=[],
        fields=[],
        layer="area",
        driver=driver,
        geometry_type="Polygon",
        crs=crs,
    )
    return path


def on_map(shape):
    return shapely.transform(shape, lambda xy: xy * [0.5, -0.5] + [500_000, 5_400_000])


# A slanted quadrilateral, and a square apart from it.
INSIDE = [
    shapely.Polygon([(50, 60), (210, 20), (260, 300), (90, 330)]),
    shapely.box(500, 380, 640, 470),
]


def centres(boxes):
    return (boxes[:, :2] + boxes[:, 2:]).numpy() / 2


def expected(truth):
    x, y = centres(truth.boxes).T
    return truth[np.asarray(shapely.intersects_xy(shapely.union_all(INSIDE), x, y)).tolist()]


@pytest.mark.parametrize("scout", [False, True])
@pytest.mark.parametrize("crs", ["EPSG:32633", "EPSG:4326", "EPSG:3857"])
def test_the_same_objects_are_found_inside_and_none_outside(finder, scene, tmp_path, crs, scout):
    """In several polygons of any coordinate system; tiles that touch none are not visited."""
    path, _, truth = scene
    placed = [on_map(shapely.segmentize(shape, 20)) for shape in INSIDE]
    x = [rasterio.warp.transform("EPSG:32633", crs, *shapely.get_coordinates(s).T) for s in placed]
    area = write_polygons(
        tmp_path / "area.gpkg", [shapely.Polygon(np.stack(xy, axis=1)) for xy in x], crs
    )
    tiles = []
    options = PredictOptions(tile_px=128, overlap_frac=0.3, area=area, scout=scout)
    found = Predictor(finder, options).predict(path, on_progress=lambda *n: tiles.append(n))
    whole = Predictor(finder, PredictOptions(tile_px=128, overlap_frac=0.3)).predict(path)
    wanted = expected(whole)
    assert len(whole) == len(truth) and 20 < len(wanted) < 60
    if not scout:  # which overlooks some
        assert np.array_equal(found.boxes.numpy(), wanted.boxes.numpy())
        assert np.array_equal(found.scores.numpy(), wanted.scores.numpy())
        assert tiles[-1][1] < 25  # of 48
    assert {tuple(b) for b in found.boxes.tolist()} <= {tuple(b) for b in wanted.boxes.tolist()}


def test_many_threads_ask_at_once(scene):
    """Tiles are read by several threads; GEOS alone would crash the process."""
    path, *_ = scene
    turn = np.linspace(0, 2 * np.pi, 20_000, endpoint=False)
    around = [350 + 300 * np.cos(turn), 250 + (200 + 5 * np.cos(90 * turn)) * np.sin(turn)]
    polygon = shapely.Polygon(np.stack(around, axis=1))
    corner = np.random.default_rng(0).integers(0, 440, (64, 2))
    windows = np.concatenate((corner, corner + 60), axis=1)
    with open_scene(path) as opened:
        wanted = shapely.intersects(polygon, shapely.box(*windows.T))
        for _ in range(20):
            inside = SceneInside(opened, shapely.from_wkb(shapely.to_wkb(polygon)))
            with ThreadPoolExecutor(8) as threads:
                for answer in threads.map(inside.has_data, [windows] * 8):
                    assert np.array_equal(answer, wanted)


def test_pictures_without_a_place_take_pixels_and_say_so(finder, scene, tmp_path, caplog):
    _, plain, truth = scene
    area = tmp_path / "area.geojson"
    features = [
        {"type": "Feature", "properties": {}, "geometry": shapely.geometry.mapping(s)}
        for s in INSIDE
    ]
    area.write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    with caplog.at_level(logging.INFO, "smalldet"):
        found = Predictor(finder, PredictOptions(overlap_frac=0.4, area=area)).predict(plain)
    assert len(found) == len(expected(truth))
    assert "plain.png: 17% of it lies in" in caplog.text and "taken as pixels" in caplog.text


def test_the_strongest_are_chosen_inside(finder, scene, tmp_path):
    """`max_detections` counts after the area, not before."""
    path, _, truth = scene
    area = write_polygons(tmp_path / "area.gpkg", [on_map(s) for s in INSIDE])
    options = PredictOptions(overlap_frac=0.4, area=area, max_detections=5)
    found = Predictor(finder, options).predict(path)
    assert found.scores.tolist() == expected(truth).scores[:5].tolist()


def test_a_picture_outside_is_passed_over_in_a_line(finder, scene, tmp_path):
    path, *_ = scene
    far = tmp_path / "far.tif"
    with rasterio.open(path) as file:
        options = file.profile | {"transform": Affine(0.5, 0, 600_000, 0, -0.5, 5_400_000)}
        pixels = file.read()
    with rasterio.open(far, "w", **options) as file:
        file.write(pixels)
    area = write_polygons(tmp_path / "area.gpkg", [on_map(s) for s in INSIDE])
    lines = []
    listener = Listener(on_outside=lambda *words: lines.append(words))
    options = PredictOptions(overlap_frac=0.4, area=area)
    outcome = predict_sources(finder, [path, far], tmp_path / "a.gpkg", options, listener=listener)
    assert outcome.exit_code == 0 and [r.name for r in outcome.results] == [str(path)]
    assert lines == [(str(far), f"{far}: lies outside of {area}")]
    with pytest.raises(ValueError, match=r"area\.gpkg: no picture shows any of it; is it"):
        predict_sources(finder, [far], tmp_path / "b.gpkg", options)
    with pytest.raises(OutsideAreaError):
        Predictor(finder, options).predict(far)


def test_files_that_are_no_area_are_refused_before_the_work(tmp_path):
    empty = tmp_path / "empty.geojson"
    empty.write_text('{"type": "FeatureCollection", "features": []}')
    points = tmp_path / "points.geojson"
    feature = {"type": "Feature", "properties": {}}
    feature["geometry"] = {"type": "Point", "coordinates": [1, 2]}
    points.write_text(json.dumps({"type": "FeatureCollection", "features": [feature]}))
    text = tmp_path / "a.gpkg"
    text.write_text("hello")
    with pytest.raises(ValueError, match=r"empty\.geojson: has no polygon; draw one"):
        Area(empty)
    with pytest.raises(ValueError, match=r"points\.geojson: shape 1 is no polygon"):
        Area(points)
    with pytest.raises(ValueError, match=r"a\.gpkg: is no GeoJSON, GeoPackage"):
        Area(text)
    with pytest.raises(FileNotFoundError, match="gone"):
        Area(tmp_path / "gone.gpkg")


def test_a_stopped_run_goes_on_in_the_same_area_only(finder, scene, tmp_path):
    """The file's polygons count, not its name: it may have been drawn anew."""
    path, *_ = scene
    area = write_polygons(tmp_path / "area.gpkg", [on_map(s) for s in INSIDE])
    options, folder = PredictOptions(overlap_frac=0.4, area=area), tmp_path / "part"
    first = Predictor(finder, options).predict(path, checkpoint=folder)
    tiles = []
    again = Predictor(finder, options).predict(
        path, checkpoint=folder, on_progress=lambda *n: tiles.append(n)
    )
    assert np.array_equal(first.boxes.numpy(), again.boxes.numpy()) and len(tiles) <= 1
    area.unlink()
    write_polygons(area, [on_map(INSIDE[0])])
    with pytest.raises(OtherRunError, match=r"differs in area"):
        Predictor(finder, options).predict(path, checkpoint=folder)


def test_an_area_holds_what_lies_on_its_border(scene, tmp_path, make_result):
    path, *_ = scene
    area = Area(write_polygons(tmp_path / "area.gpkg", [on_map(shapely.box(10, 10, 30, 30))]))
    with open_scene(str(path)) as opened:
        inside = area.within(opened)
    boxes = [[0, 0, 20, 20], [25, 25, 35, 35], [26, 26, 36, 36], [8, 18, 12, 22]]
    assert inside.holds(make_result(boxes).detections).tolist() == [True, True, False, True]
