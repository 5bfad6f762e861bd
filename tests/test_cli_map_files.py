"""Maps through the real command line, of a real picture with a place."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import rasterio
import shapely
from pyogrio import raw

from smalldet.cli import main


@pytest.fixture(scope="module")
def picture(shared_dir: Path) -> Path:
    """An aerial picture of 0.6 m a pixel in EPSG:26910."""
    return shared_dir / "data" / "naip_trees_dates" / "images" / "chico_2018_26.tif"


def predict(picture: Path, out: Path, *words: str | Path) -> None:
    given = ["--out", str(out), "--device", "cpu", "--conf", "0.05", *map(str, words)]
    with pytest.raises(SystemExit) as stop:
        main(["predict", str(picture), *given])
    assert stop.value.code == 0


def layer(path: Path, name: str | None = None):
    meta, _, codes, values = raw.read(path, layer=name)
    return meta["crs"], shapely.from_wkb(codes), dict(zip(meta["fields"], values, strict=True))


def test_one_prediction_in_every_vector_format(picture: Path, tmp_path: Path) -> None:
    """GDAL reads the same objects at the same places, whatever the format."""
    predict(picture, tmp_path / "a.gpkg", "--crs", "EPSG:4326")
    crs, shapes, columns = layer(tmp_path / "a.gpkg", "detections")
    assert crs == "EPSG:4326" and len(shapes) > 5
    assert columns["id"].tolist() == list(range(1, len(shapes) + 1))
    with rasterio.open(picture) as file:
        west, south, east, north = rasterio.warp.transform_bounds(file.crs, crs, *file.bounds)
    assert ((west < columns["longitude"]) & (columns["longitude"] < east)).all()
    assert ((south < columns["latitude"]) & (columns["latitude"] < north)).all()
    area = shapely.area(shapes) * 111_200**2 * np.cos(np.radians(39.77))
    assert np.allclose(area, columns["area_m2"], rtol=5e-3)
    assert np.allclose(columns["length_m"] * columns["width_m"], columns["area_m2"], rtol=1e-3)
    for suffix in (".fgb", ".shp", ".kml", ".geojson"):
        predict(picture, tmp_path / f"a{suffix}", *(("--crs", "EPSG:4326") * (suffix != ".kml")))
        crs, others, told = layer(tmp_path / f"a{suffix}")
        ids = told["id2" if suffix == ".kml" else "id"].astype(int)
        order = np.argsort(ids)
        assert crs == "EPSG:4326"
        assert np.abs(shapely.bounds(others[order]) - shapely.bounds(shapes)).max() < 2e-9
        assert np.array_equal(told["length_m"][order].astype(float), columns["length_m"])
    predict(picture, tmp_path / "a.csv", "--geometry", "point")
    with (tmp_path / "a.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [float(row["area_m2"]) for row in rows] == columns["area_m2"].tolist()


def test_points_in_geoparquet(picture: Path, tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    predict(picture, tmp_path / "a.parquet", "--geometry", "point")
    table = parquet.read_table(tmp_path / "a.parquet")
    geo = json.loads(table.schema.metadata[b"geo"])["columns"]["geometry"]
    assert geo["geometry_types"] == ["Point"]
    assert geo["crs"]["id"] == {"authority": "EPSG", "code": 26910}
    assert table.num_rows > 5


def test_an_area_and_counts(
    picture: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What is found in the west half, counted in squares of 40 m; every object is counted once."""
    predict(picture, tmp_path / "all.gpkg")
    _, shapes, columns = layer(tmp_path / "all.gpkg", "detections")
    with rasterio.open(picture) as file:
        left, bottom, right, top = file.bounds
        west = shapely.box(left, bottom, (left + right) / 2, top)
        crs = file.crs.to_string()
    raw.write(
        tmp_path / "west.fgb", shapely.to_wkb(np.array([west])), [], [],
        driver="FlatGeobuf", geometry_type="Polygon", crs=crs,
    )  # fmt: skip
    predict(
        picture, tmp_path / "a.gpkg", "--area", tmp_path / "west.fgb",
        "--count-in", "grid:40m", "--classes", "car", "airplane",
    )  # fmt: skip
    err = capsys.readouterr().err
    assert "50% of it lies in" in err and "west.fgb" in err
    inside = shapely.intersects(west, shapely.centroid(shapes))
    _, found, _ = layer(tmp_path / "a.gpkg", "detections")
    assert 0 < len(found) < len(shapes)
    assert len(found) == (inside & np.isin(columns["class"], ["car", "airplane"])).sum()
    crs, squares, counts = layer(tmp_path / "a.gpkg", "counts")
    assert list(counts) == ["x", "y", "num_all", "num_airplane", "num_car"]
    assert crs == "EPSG:26910" and counts["num_all"].sum() == len(found)
    assert (counts["num_car"] + counts["num_airplane"] == counts["num_all"]).all()
    for square, number in zip(squares, counts["num_all"], strict=True):
        assert shapely.intersects(square, shapely.centroid(found)).sum() == number


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--geometry", "line"), "--geometry: Input should be 'polygon' or 'point', not line"),
        (("--count-in", "grid:9"), "--count-in: 'grid:9' is none of grid:100m, grid:1km"),
        (("--counts", "a.csv"), "--counts: say what to count in with --count-in"),
        (("--count-in", "gone.gpkg"), "gone.gpkg: no such file"),
        (("--area", "gone.gpkg"), "gone.gpkg: no such file"),
    ],
)
def test_wrong_options_are_named(
    words: tuple[str, ...],
    message: str,
    tmp_path: Path,
    draw_set,
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder = draw_set().parent / "images"
    with pytest.raises(SystemExit) as stop:
        main(["predict", str(folder), "--out", str(tmp_path / "x.json"), "--device", "cpu", *words])
    assert stop.value.code == 1
    assert f"error: {message}" in capsys.readouterr().err
