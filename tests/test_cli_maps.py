"""Maps through the real command line: adjoining files, places, values, and names of GDAL."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from affine import Affine
from PIL import Image
from pyogrio import raw
from rasterio.shutil import copy

from smalldet.cli import main
from smalldet.imagery import open_scene
from smalldet.imagery.sources import find_sources
from tests.imagery.test_mosaics import WHERE, cut, item, noise, save, tile_index
from tests.inference.test_places_of_results import CAMERA


@pytest.fixture
def predict(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str]]:
    """Runs `smalldet predict` and gives its exit status and what it said on stderr."""

    def run(*words: str | Path) -> tuple[int, str]:
        capsys.readouterr()
        status = 0
        try:
            main(["predict", *map(str, words)])
        except SystemExit as done:
            status = int(done.code or 0)
        return status, capsys.readouterr().err

    return run


def features(path: Path) -> list[Any]:
    """Geometry and score of each feature, in one order."""
    found = json.loads(path.read_text())["features"]
    return sorted(str((one["geometry"], one["properties"]["score"])) for one in found)


@pytest.fixture
def photo(shared_dir: Path) -> np.ndarray[Any, Any]:
    """(3, 1100, 1050) of a real photo, with cars."""
    path = shared_dir / "data/large_aerial_car_photo/images/DJI_0020.JPG"
    with Image.open(path) as picture:
        return np.asarray(picture.crop((2950, 1000, 4000, 2100))).transpose(2, 0, 1)


@pytest.mark.slow
def test_objects_on_the_borders_of_tiles_are_those_of_the_whole_picture(predict, photo, tmp_path):
    whole, tiles = save(tmp_path / "whole.tif", photo), tmp_path / "tiles"
    paths = cut(tiles, photo, (230, 170))
    status, said = predict(whole, "--out", tmp_path / "whole.geojson")
    assert status == 0, said
    expected = features(tmp_path / "whole.geojson")
    assert len(expected) >= 10
    index = tile_index(tmp_path / "tiles.gpkg", paths)
    items = tmp_path / "items.json"
    items.write_text(json.dumps([item(p.stem, str(p)) for p in paths]))
    for source in (tiles, index, items):
        status, said = predict(source, "--out", tmp_path / "out.geojson")
        assert status == 0, said
        assert f"{source}: {len(paths)} files are one scene of 1050x1100 px" in said
        assert features(tmp_path / "out.geojson") == expected
        found = json.loads((tmp_path / "out.geojson").read_text())["features"]
        assert {one["properties"]["source"] for one in found} == {str(source)}
    words = ("--scales", "1.5", "--conf", "0.1")
    for source in (whole, tiles):
        status, said = predict(source, "--out", tmp_path / f"{source.stem}.geojson", *words)
        assert status == 0, said
    assert features(tmp_path / "tiles.geojson") == features(tmp_path / "whole.geojson")
    status, said = predict(tiles, "--separate", "--out", tmp_path / "apart.geojson")
    assert status == 0 and "one scene" not in said
    assert features(tmp_path / "apart.geojson") != expected


def test_options_of_pictures_reach_the_work(predict, tmp_path):
    values = noise(80, 60, "int16", num=4)
    values[:, :, :30] = -9999
    path = save(tmp_path / "a.tif", values, None, crs=None, rpcs=CAMERA)
    out = tmp_path / "a.gpkg"
    status, said = predict(
        path, "--out", out, "--nodata", "-9999", "--stretch", "0,3000", "--height", "250",
        "--bands", "3", "2", "1",
    )  # fmt: skip
    assert status == 0, said
    assert "mean" not in said and "no data" not in said
    status, said = predict(path, "--out", out)
    assert "a.tif: is placed by RPCs on ground of 100 m" in said
    assert "a.tif: -9999 fills 38% of it and is taken as no data" in said
    assert "a.tif: does not name the colours of its 4 bands; 1 2 3 are taken" in said
    for words, wrong in (
        (("--stretch", "5"), "--stretch: a stretch is two rising numbers"),
        (("--bands", "0"), "--bands: bands are counted from 1"),
        (("--assume-crs", "nonsense"), "assume-crs 'nonsense' is unknown"),
    ):
        status, said = predict(path, "--out", out, *words)
        assert status == 1 and wrong in said


def test_places_that_are_assumed_and_lacking(predict, tmp_path):
    path = save(tmp_path / "a.tif", noise(64, 64), WHERE, crs=None)
    status, said = predict(path, "--out", tmp_path / "a.gpkg")
    assert status == 1 and not (tmp_path / "a.gpkg").exists()
    assert "a.tif: has a place but no coordinate system; name it by --assume-crs" in said
    status, said = predict(path, "--out", tmp_path / "a.gpkg", "--assume-crs", "EPSG:25833")
    assert status == 0, said
    assert raw.read(tmp_path / "a.gpkg", layer=0)[0]["crs"] == "EPSG:25833"
    status, said = predict(path, "--out", tmp_path / "a.tif/out.csv")
    assert status == 1 and "a.tif is no folder" in said


def test_names_of_gdal_with_prefixes(predict, tmp_path):
    path = save(tmp_path / "a.tif", noise(64, 48))
    with rasterio.open(path) as file:
        copy(file, tmp_path / "a.nc", driver="netCDF")
    names = [f"GTIFF_DIR:1:{path}", f"netcdf:{tmp_path}/a.nc:Band1"]
    assert find_sources(names) == names
    with open_scene(names[0]) as one, open_scene(names[1]) as other:
        window = (0, 0, 64, 48)
        assert np.array_equal(one.read(window)[0], other.read(window)[0])
        assert isinstance(one.transform, Affine) and one.transform == WHERE
    status, said = predict(*names, "--out", tmp_path / "out")
    assert status == 0, said
    status, said = predict("netcdf:gone.nc:Band1", "--out", tmp_path / "out")
    assert status == 1 and "netcdf:gone.nc:Band1: cannot be read" in said
