"""Predictions are read from every format that they are written in, and from those of others."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import rasterio
import shapely
from pyogrio import raw

from smalldet.changing.plane import common_map, on_map
from smalldet.changing.prediction_files import is_predictions, read_predictions
from smalldet.inference.options import MapOptions
from smalldet.inference.writers import write
from tests.inference.conftest import TRANSFORM

BOXES = [[10, 20, 30, 60], [1000, 500, 1003, 503], [20, 20, 40, 60]]
MIDDLES = np.array([[20, 40], [1001.5, 501.5], [30, 40]]) * [0.5, -0.5] + [500_000, 5_400_000]
FORMATS = (".gpkg", ".geojson", ".fgb", ".shp", ".parquet", ".csv", ".json")


def picture(folder: Path, name: str = "scene.tif") -> Path:
    """A picture whose predictions `make_result` makes."""
    with rasterio.open(
        folder / name, "w", driver="GTiff", width=2000, height=1000, count=1, dtype="uint8",
        crs="EPSG:32633", transform=TRANSFORM,
    ) as file:  # fmt: skip
        file.write(np.ones((1000, 2000), np.uint8), 1)
    return folder / name


@pytest.mark.parametrize("geometry", ["polygon", "point"])
@pytest.mark.parametrize("suffix", FORMATS)
def test_every_format_comes_back(tmp_path, make_result, suffix, geometry):
    if suffix == ".parquet":
        pytest.importorskip("pyarrow")
    result = make_result(BOXES, str(picture(tmp_path)))
    path = tmp_path / f"a{suffix}"
    write(path, [result], MapOptions(geometry=geometry))
    assert is_predictions(path)
    reading = read_predictions(path, None)
    plane = common_map([reading])
    found = on_map(reading, plane, ("car", "Other Vehicle"))
    order = np.argsort(-found.scores)  # a FlatGeobuf has an order of its own
    assert plane.crs.to_epsg() == 32633
    expected = MIDDLES[np.argsort(-result.detections.scores.numpy())]
    assert np.abs(found.xy[order] - expected).max() < 0.01
    assert np.allclose(found.scores[order], [0.9, 0.7, 0.5], atol=1e-4)
    assert found.labels[order].tolist() == [0, 1, 0]
    assert found.side_m[order] == pytest.approx(np.sqrt([200, 2.25, 200]), rel=2e-3)
    if suffix != ".json":
        assert found.ids[order].tolist() == ["1", "2", "3"]
    assert {Path(name).name for name in found.sources} == {"scene.tif"}


@pytest.mark.parametrize("suffix", FORMATS)
def test_a_date_without_objects(tmp_path, make_result, suffix):
    if suffix == ".parquet":
        pytest.importorskip("pyarrow")
    write(tmp_path / f"a{suffix}", [make_result([], str(picture(tmp_path)))], MapOptions())
    assert len(read_predictions(tmp_path / f"a{suffix}", None)) == 0


def test_layers_of_others(tmp_path):
    """One class, no scores, names of their own; the layer of detections among several."""
    shapes = shapely.box([0, 10], [0, 10], [4, 16], [4, 16])
    options = {"driver": "GPKG", "geometry_type": "Polygon", "crs": "EPSG:32633"}
    raw.write(
        tmp_path / "a.gpkg", geometry=shapely.to_wkb(shapes), field_data=[np.array([3, 9])],
        fields=["num"], **options,
    )  # fmt: skip
    reading = read_predictions(tmp_path / "a.gpkg", None)
    assert reading.classes.tolist() == ["object", "object"] and reading.scores.tolist() == [1, 1]
    assert [text.split(":")[0] for text in reading.remarks] == [
        "names no classes",
        "has no scores",
    ]
    confidence = np.array([0.5, 0.25])
    for layer in ("zones", "detections"):
        raw.write(
            tmp_path / "b.gpkg", geometry=shapely.to_wkb(shapes), layer=layer,
            field_data=[np.array(["ship", layer], dtype=object), confidence],
            fields=["Label", "Confidence"], append=layer == "detections", **options,
        )  # fmt: skip
    reading = read_predictions(tmp_path / "b.gpkg", None)
    assert reading.classes.tolist() == ["ship", "detections"]
    assert reading.scores.tolist() == [0.5, 0.25]


def test_labels_are_predictions_of_score_1(tmp_path):
    """Crowds are none."""
    picture(tmp_path)
    box = {"image_id": 1, "category_id": 5, "bbox": [10, 20, 20, 40], "area": 800}
    content = {
        "images": [{"id": 1, "file_name": "scene.tif", "width": 2000, "height": 1000}],
        "categories": [{"id": 5, "name": "tree"}, {"id": 6, "name": "bush"}],
        "annotations": [{"id": 1, "iscrowd": 0, **box}, {"id": 2, "iscrowd": 1, **box}],
    }
    path = tmp_path / "a.json"
    path.write_text(json.dumps(content))
    reading = read_predictions(path, None)
    assert reading.scores.tolist() == [1.0] and reading.class_names == ("tree", "bush")
    assert reading.pictures == (str(tmp_path / "scene.tif"),)
    content["annotations"][0]["score"] = 2
    path.write_text(json.dumps(content))
    with pytest.raises(ValueError, match=r"a\.json: a score of its annotations"):
        read_predictions(path, None)


def test_what_has_no_place_is_refused(tmp_path, make_result):
    flat = make_result(BOXES, "flat.png", crs=None, transform=None)
    for name, words in (("a.geojson", "is in pixels"), ("a.csv", "has no column map_x, map_y")):
        write(tmp_path / name, [flat], MapOptions())
        with pytest.raises(ValueError, match=rf"{name}: {words}"):
            read_predictions(tmp_path / name, None)
    path = tmp_path / "b.csv"
    path.write_text("class,score,map_x,map_y,crs\ncar,0.5,1,2,EPSG:32633\ncar,0.5,,,\n")
    with pytest.raises(ValueError, match=r"b\.csv: row 3 has no place on a map"):
        read_predictions(path, None)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("class,score,map_x,map_y,crs\ncar,95,1,2,EPSG:32633\n", "object 1 has the score 95"),
        ("class,score,map_x,map_y,crs\ncar,x,1,2,EPSG:32633\n", "object 1 has the score nan"),
        ("class,score,map_x,map_y,crs\ncar,1,1,2,nonsense\n", "its crs is not understood"),
        ("class,score,map_x,map_y,crs\ncar,1,1\n", "row 2 has 3 fields, not 5"),
    ],
)
def test_damaged_tables_are_named(tmp_path, text, words):
    path = tmp_path / "a.csv"
    path.write_text(text)
    with pytest.raises(ValueError, match=rf"a\.csv: {words}"):
        read_predictions(path, None)


def test_damaged_parquet_is_named(tmp_path):
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    (tmp_path / "a.parquet").write_bytes(b"PAR1 and no more")
    parquet.write_table(pyarrow.table({"x": [1]}), tmp_path / "b.parquet")
    for name, words in (("a", "cannot be read as GeoParquet"), ("b", "is no GeoParquet")):
        with pytest.raises(ValueError, match=rf"{name}\.parquet: {words}"):
            read_predictions(tmp_path / f"{name}.parquet", None)
