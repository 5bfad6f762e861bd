"""Every vector format is read back by GDAL with the places, classes and measures it was given."""

from __future__ import annotations

import errno
import json

import numpy as np
import pytest
import shapely
from affine import Affine
from pyogrio import raw

from smalldet.inference.options import MapOptions
from smalldet.inference.writers import write
from smalldet.inference.writers.gdal_files import short_names

BOXES = [[10, 20, 30, 60], [1000, 500, 1003, 503]]
COLUMNS = ("id", "class", "score", "source", "longitude", "latitude", "length_m", "width_m")
VECTOR = (".gpkg", ".fgb", ".shp", ".kml", ".geojson", ".parquet")


def read(path):
    """Coordinate system, shapes and columns, in the order of `id`; GeoParquet by pyarrow."""
    if path.suffix == ".parquet":
        return read_parquet(path)
    layer = None if path.suffix == ".shp" else "detections"
    meta, _, codes, values = raw.read(path, layer=layer if path.suffix == ".gpkg" else None)
    columns = dict(zip(meta["fields"], values, strict=True))
    ids = columns["id2" if path.suffix == ".kml" else "id"].astype(int)
    order = np.argsort(ids)
    columns["id"] = ids
    return meta["crs"], shapely.from_wkb(codes)[order], {k: v[order] for k, v in columns.items()}


def read_parquet(path):
    parquet = pytest.importorskip("pyarrow.parquet")
    table = parquet.read_table(path)
    geo = json.loads(table.schema.metadata[b"geo"])
    assert geo["version"] == "1.1.0" and geo["primary_column"] == "geometry"
    column = geo["columns"]["geometry"]
    columns = {n: np.array(table[n].to_pylist()) for n in table.column_names if n != "geometry"}
    shapes = shapely.from_wkb(table["geometry"].to_pylist())
    assert column["bbox"] == pytest.approx(shapely.total_bounds(shapes).tolist())
    code = column["crs"]["id"] if "crs" in column else {"authority": "EPSG", "code": 4326}
    return "{authority}:{code}".format(**code), shapes, columns


@pytest.mark.parametrize("geometry", ["polygon", "point"])
@pytest.mark.parametrize("suffix", VECTOR)
def test_shapes_and_columns_come_back(tmp_path, make_result, suffix, geometry):
    results = [make_result(BOXES, "a.tif"), make_result(BOXES[:1], "é.tif")]
    path = tmp_path / f"out{suffix}"
    write(path, results, MapOptions(geometry=geometry))
    crs, shapes, columns = read(path)
    assert crs == ("EPSG:4326" if suffix in (".kml", ".geojson") else "EPSG:32633")
    assert columns["id"].tolist() == [1, 2, 3]
    assert columns["class"].tolist() == ["Car", "other-vehicle", "Car"]
    assert columns["source"].tolist() == ["a.tif", "a.tif", "é.tif"]
    assert np.allclose(columns["score"].astype(float), [0.9, 0.5, 0.9])
    assert np.allclose(columns["length_m"], [20.008, 1.501, 20.008], atol=2e-3)
    assert np.allclose(columns["area_m2"], [200.16, 2.252, 200.16], atol=0.01)
    centre = shapely.centroid(shapes)
    x, y = shapely.get_x(centre), shapely.get_y(centre)
    if crs == "EPSG:4326":
        assert np.allclose(x, columns["longitude"], atol=1e-8)
        assert np.allclose(y, columns["latitude"], atol=1e-8)
    else:
        assert np.allclose(x, [500_010, 500_500.75, 500_010], atol=1e-3)
        assert np.allclose(y, [5_399_980, 5_399_749.25, 5_399_980], atol=1e-3)
    expected = {"Point"} if geometry == "point" else {"Polygon"}
    assert {shape.geom_type for shape in shapes} == expected


@pytest.mark.parametrize("suffix", VECTOR)
def test_no_detections_are_a_layer_without_shapes(tmp_path, make_result, suffix):
    path = tmp_path / f"out{suffix}"
    write(path, [make_result([])])
    if suffix == ".parquet":
        assert len(pytest.importorskip("pyarrow.parquet").read_table(path)) == 0
    else:
        layer = "detections" if suffix == ".gpkg" else None
        assert len(raw.read(path, layer=layer)[2]) == 0


@pytest.mark.parametrize("suffix", [".gpkg", ".fgb", ".shp", ".kml", ".geojson", ".parquet"])
def test_a_box_on_the_date_line_is_cut_in_two(tmp_path, make_result, suffix):
    place = {"crs": "EPSG:4326", "transform": Affine(0.001, 0, 179.99, 0, -0.001, 10)}
    path = tmp_path / f"out{suffix}"
    write(path, [make_result([[5, 5, 15, 10], [100, 5, 110, 10]], **place)])
    _, shapes, columns = read(path)
    bounds = shapely.bounds(shapes)
    assert (np.abs(bounds[:, [0, 2]]) <= 180 + 1e-9).all()
    assert len(shapely.get_parts(shapes[:1])) == 2
    assert shapely.area(shapes[0]) == pytest.approx(0.01 * 0.005, rel=1e-4)
    # a degree of longitude at ten degrees north, on either side of the line
    assert np.allclose(columns["length_m"], 10 * 0.001 * 109_640, rtol=1e-3)
    assert columns["longitude"][1] == pytest.approx(-179.905, abs=1e-6)


def test_a_shapefile_replaces_all_its_parts_and_old_indices(tmp_path, make_result):
    """An index of the old shapes would hide new ones from GIS programs."""
    (tmp_path / "a.qix").write_bytes(b"old")
    for _ in range(2):
        write(tmp_path / "a.shp", [make_result(BOXES)])
    names = sorted(file.name for file in tmp_path.iterdir())
    assert names == ["a.cpg", "a.dbf", "a.prj", "a.shp", "a.shx"]


def test_names_of_ten_bytes_stay_apart():
    names = ["num_other-vehicle", "num_other-van", "id", "num_other-vessel", "größerer Käfer"]
    short = short_names(names)
    assert short == ["num_other-", "num_othe_2", "id", "num_othe_3", "größerer"]
    assert all(len(name.encode()) <= 10 for name in short)


def test_a_text_too_long_for_a_shapefile_is_refused_by_name(tmp_path, make_result):
    long = make_result(BOXES, "x" * 255)
    with pytest.raises(ValueError, match=r"/a\.shp: a Shapefile holds texts of at most 254 bytes"):
        write(tmp_path / "a.shp", [long])
    assert list(tmp_path.iterdir()) == []


def test_kml_has_no_other_coordinates(tmp_path, make_result):
    with pytest.raises(ValueError, match="KML has longitude and latitude only; leave out --crs"):
        write(tmp_path / "a.kml", [make_result(BOXES)], MapOptions(crs="EPSG:3857"))


def test_geoparquet_says_what_to_install(tmp_path, make_result, monkeypatch):
    found = "smalldet.inference.writers.geoparquet.find_spec"
    monkeypatch.setattr(found, lambda name: None)
    with pytest.raises(ValueError, match=r"a\.parquet: GeoParquet needs pyarrow: pip install 'sma"):
        write(tmp_path / "a.parquet", [make_result(BOXES)])


@pytest.mark.parametrize("suffix", [".gpkg", ".fgb", ".shp", ".kml", ".parquet", "-counts.gpkg"])
def test_a_full_disk_leaves_the_old_file_and_names_it(tmp_path, make_result, suffix):
    resource = pytest.importorskip("resource")
    signal = pytest.importorskip("signal")
    maps = MapOptions(count_in="grid:100m" if "counts" in suffix else None)
    path = tmp_path / f"a{suffix}"
    path.write_text("old")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (200, before[1]))
    try:
        with pytest.raises(OSError) as caught:
            write(path, [make_result(BOXES * 50)], maps)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, ignored)
    assert str(path) in str(caught.value) and ".part" not in str(caught.value)
    assert caught.value.errno in (errno.EFBIG, None)
    assert list(tmp_path.iterdir()) == [path] and path.read_text() == "old"
