"""What an output cannot hold is known before the first tile, and costs no other source."""

from __future__ import annotations

import json
import os

import pytest
import rasterio
from affine import Affine
from PIL import Image
from pyogrio import raw

from smalldet.inference.options import MapOptions, PredictOptions
from smalldet.inference.predict import Listener, predict_sources

OPTIONS = PredictOptions(overlap_frac=0.4)


class Unasked:
    """A model that must not be asked for anything."""

    def __init__(self, finder):
        self._finder = finder

    def __getattr__(self, name):
        return getattr(self._finder, name)

    def detect(self, *_):
        raise AssertionError("the work has begun")


@pytest.fixture
def draw(tmp_path, draw_squares):
    """Draws a picture by its name, on a map where it has a coordinate system."""

    def drawn(name, crs=None, transform=None):
        scene, _ = draw_squares(260, 310, 15, seed=1)
        path = tmp_path / name
        if crs is None:
            Image.fromarray(scene).save(path)
            return path
        kind = {"count": 3, "height": 310, "width": 260, "dtype": "uint8"}
        transform = transform or Affine(0.5, 0, 500_000, 0, -0.5, 5_400_000)
        with rasterio.open(path, "w", crs=crs, transform=transform, **kind) as file:
            file.write(scene.transpose(2, 0, 1))
        return path

    return drawn


@pytest.mark.parametrize("suffix", [".gpkg", ".geojson", ".fgb", ".shp", ".kml"])
def test_a_source_without_a_place_does_not_cost_the_others_theirs(finder, draw, tmp_path, suffix):
    sources = [draw("plain.png"), draw("map.tif", "EPSG:32633")]
    out, told = tmp_path / f"out{suffix}", []
    listener = Listener(on_failure=lambda *what: told.append(what))
    outcome = predict_sources(finder, sources, out, OPTIONS, listener=listener)
    assert outcome.exit_code == 1 and outcome.written == [out]
    assert told == list(outcome.failures.items()) and told[0][0] == str(sources[0])
    assert "plain.png: has no place on a map, and" in told[0][1]
    assert set(raw.read(out, layer=0, columns=["source"])[3][0]) == {str(sources[1])}
    assert not list(tmp_path.glob(".*partial"))


def test_where_no_source_has_a_place_the_work_does_not_begin(finder, draw, tmp_path):
    model = Unasked(finder)
    with pytest.raises(ValueError, match=r"plain\.png: has no place on a map, .* \.csv"):
        predict_sources(model, [draw("plain.png")], tmp_path / "out.gpkg", OPTIONS)
    with pytest.raises(ValueError, match=r"plain\.png: has no place on a map"):
        predict_sources(
            model, [draw("plain.png")], tmp_path / "a.geojson", maps=MapOptions(crs="EPSG:3857")
        )
    other = draw("other.tif", "EPSG:32634")
    with pytest.raises(ValueError, match="different coordinate systems"):
        sources = [draw("map.tif", "EPSG:32633"), other]
        predict_sources(model, sources, tmp_path / "a.gpkg", maps=MapOptions(crs="source"))
    far = draw("far.tif", "EPSG:32633", Affine(1, 0, 5e9, 0, -1, 5e9))
    with pytest.raises(ValueError, match=r"far\.tif: lies where EPSG:4326 has no coordinates"):
        predict_sources(model, [far], tmp_path / "a.geojson")
    assert not list(tmp_path.glob("a.*")) and not list(tmp_path.glob(".*"))


def test_a_source_that_lies_outside_the_map_is_left_out(finder, draw, tmp_path, monkeypatch):
    draw("map.tif", "EPSG:32633")
    draw("far.tif", "EPSG:32633", Affine(1, 0, 5e9, 0, -1, 5e9))
    monkeypatch.chdir(tmp_path)
    outcome = predict_sources(finder, ["./far.tif", "map.tif"], "out.geojson", OPTIONS)
    assert outcome.failures == {"./far.tif": "./far.tif: lies where EPSG:4326 has no coordinates"}
    assert [result.name for result in outcome.results] == ["map.tif"]


def test_pixels_in_geojson_are_told_once(finder, draw, tmp_path):
    told = []
    listener = Listener(on_remark=lambda *what: told.append(what))
    sources = [draw("a.png"), draw("b.png")]
    out = tmp_path / "out.geojson"
    predict_sources(finder, sources, out, OPTIONS, listener=listener)
    (name, remark), *rest = told
    assert (
        not rest and name == str(out) and "programs read as degrees" in remark and ".csv" in remark
    )
    assert json.loads(out.read_text())["coordinates"] == "pixels"
    told.clear()
    predict_sources(finder, sources, tmp_path / "out.csv", OPTIONS, listener=listener)
    predict_sources(finder, sources, tmp_path / "out.json", OPTIONS, listener=listener)
    assert not told
    predict_sources(finder, sources, tmp_path / "out", OPTIONS, listener=listener)
    assert len(told) == 1


def test_where_nothing_can_be_written_is_said_before_the_work(finder, draw, tmp_path):
    picture, model = draw("a.png"), Unasked(finder)
    (tmp_path / "file").touch()
    for out in (tmp_path / "file/out.csv", tmp_path / "file/deeper/out"):
        with pytest.raises(NotADirectoryError, match=r"cannot be written: .*file is no folder"):
            predict_sources(model, [picture], out)
    locked = tmp_path / "locked"
    locked.mkdir(mode=0o500)
    if os.access(locked, os.W_OK):
        pytest.skip("this user may write everywhere")
    with pytest.raises(OSError, match="cannot be written"):
        predict_sources(model, [picture], locked / "out.csv")
