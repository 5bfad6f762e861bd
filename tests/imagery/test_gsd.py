"""A picture's ground sample distance: who says it, who goes before whom, what is not believed."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from affine import Affine
from PIL import ExifTags, Image
from rasterio.crs import CRS

from smalldet.imagery import open_scene
from smalldet.imagery.gsd import UNKNOWN, Gsd, find_gsd, read_gsd

UTM = {"crs": "EPSG:32633", "transform": Affine(0.5, 0, 500_000, 0, -0.5, 5_400_000)}


def raster(path: Path, **place: Any) -> Path:
    profile = {"driver": "GTiff", "width": 40, "height": 30, "count": 3, "dtype": "uint8", **place}
    with rasterio.open(path, "w", **profile) as file:
        file.write(np.full((3, 30, 40), 90, np.uint8))
    return path


def drone_picture(
    path: Path,
    *,
    height: str | None = "+60.00",
    pitch: str | None = "-90.00",
    film_mm: int | None = 24,
    size: tuple[int, int] = (400, 300),
    taken: tuple[int, int] | None = (4000, 3000),
    more: dict[int, Any] | None = None,
) -> Path:
    image = Image.new("RGB", size, (90, 90, 90))
    exif = Image.Exif()
    lens = exif.get_ifd(ExifTags.IFD.Exif)
    if film_mm is not None:
        lens[ExifTags.Base.FocalLengthIn35mmFilm] = film_mm
    if taken is not None:
        lens[ExifTags.Base.ExifImageWidth], lens[ExifTags.Base.ExifImageHeight] = taken
    lens.update(more or {})
    said = {"RelativeAltitude": height, "GimbalPitchDegree": pitch}
    texts = " ".join(f'drone-dji:{key}="{text}"' for key, text in said.items() if text)
    xmp = f'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description {texts}/></x:xmpmeta>'
    image.save(path, exif=exif, xmp=xmp.encode())
    return path


def test_a_picture_that_says_nothing_has_none(tmp_path: Path) -> None:
    Image.new("RGB", (40, 30)).save(tmp_path / "a.png")
    assert read_gsd(tmp_path / "a.png") is UNKNOWN
    assert open_scene(np.zeros((4, 4, 3), np.uint8)).gsd is UNKNOWN


@pytest.mark.parametrize(
    ("crs", "transform", "expected"),
    [
        ("EPSG:32633", Affine(0.5, 0, 500_000, 0, -0.5, 5_400_000), 0.5),
        ("EPSG:2263", Affine(1.0, 0, 980_000, 0, -1.0, 200_000), 0.3048),
        # Web Mercator stretches by 1 / cos(latitude); degrees shrink with it
        ("EPSG:3857", Affine(1, 0, 1_000_000, 0, -1, 8_399_738), 0.5),
        ("EPSG:4326", Affine(1e-5, 0, 15, 0, -1e-5, 60), math.sqrt(0.5580 * 1.1141)),
    ],
)
def test_georeferences_of_every_unit(
    tmp_path: Path, crs: str, transform: Affine, expected: float
) -> None:
    gsd = read_gsd(raster(tmp_path / "a.tif", crs=crs, transform=transform))
    assert gsd.metres == pytest.approx(expected, rel=0.005)
    assert gsd.source == "by its georeference"


@pytest.mark.parametrize("transform", [Affine(math.nan, 0, 0, 0, -1, 0), Affine(1, 1, 5, 1, 1, 5)])
def test_a_place_that_is_none_says_nothing(transform: Affine) -> None:
    gsd = find_gsd("none.tif", 40, 30, CRS.from_epsg(4326), transform)
    assert gsd is UNKNOWN


def test_what_stands_beside_a_picture_goes_before_its_georeference(tmp_path: Path) -> None:
    path = raster(tmp_path / "a.tif", **UTM)
    stac = {"stac_version": "1.0.0", "type": "Feature", "properties": {"gsd": 0.9}}
    (tmp_path / "a.json").write_text(json.dumps(stac))
    assert read_gsd(path).metres == 0.5
    (tmp_path / "gsd.csv").write_text("picture,gsd_m\nb.tif,7\na.tif,0.4\n")
    assert read_gsd(path) == Gsd(0.4, "by gsd.csv")
    (tmp_path / "a.tif.json").write_text('{"gsd_m": 0.3}')
    assert read_gsd(path) == Gsd(0.3, "by a.tif.json")
    with open_scene(path) as scene:
        assert scene.gsd == Gsd(0.3, "by a.tif.json")
    with open_scene(path, gsd=Gsd(2.0, "by me")) as scene:
        assert scene.gsd == Gsd(2.0, "by me")


def test_a_stac_item_and_its_asset(tmp_path: Path) -> None:
    Image.new("RGB", (40, 30)).save(tmp_path / "a.png")
    item: dict[str, Any] = {
        "stac_version": "1.0.0",
        "properties": {"gsd": 10},
        "assets": {"visual": {"href": "./x/b.png", "gsd": 60}},
    }
    (tmp_path / "a.json").write_text(json.dumps(item))
    assert read_gsd(tmp_path / "a.png") == Gsd(10, "by the STAC item a.json")
    item["assets"]["visual"]["href"] = "https://host.example/a.png"
    (tmp_path / "a.json").write_text(json.dumps(item))
    assert read_gsd(tmp_path / "a.png").metres == 60


@pytest.mark.parametrize("text", ["[1, 2]", '{"shapes": []}', "{broken", "\xff", '{"type": 1}'])
def test_other_files_of_the_picture_s_name_are_not_for_us(tmp_path: Path, text: str) -> None:
    """Labels of LabelMe lie there."""
    Image.new("RGB", (40, 30)).save(tmp_path / "a.png")
    (tmp_path / "a.json").write_text(text, encoding="latin-1")
    assert read_gsd(tmp_path / "a.png") is UNKNOWN


@pytest.mark.parametrize(
    ("file", "text", "said"),
    [
        ("a.json", '{"gsd_m": -1}', "a.json: gsd_m must be metres a pixel, over 0, not -1"),
        ("a.json", '{"gsd_m": true}', "not True"),
        ("a.json", '{"gsd_m": "fine"}', "not 'fine'"),
        ("a.json", '{"stac_version": "1", "properties": {"gsd": 0}}', "a.json: gsd must be"),
        ("gsd.csv", "picture,gsd_m\na.png,nan\n", "gsd.csv: line 2: gsd_m must be"),
        ("gsd.csv", "name;gsd\na.png;1\n", "its first line must be picture,gsd_m"),
        ("gsd.csv", "picture,gsd_m\na.png\n", "not None"),
    ],
)
def test_a_wrong_distance_is_refused_by_name(
    tmp_path: Path, file: str, text: str, said: str
) -> None:
    Image.new("RGB", (40, 30)).save(tmp_path / "a.png")
    (tmp_path / file).write_text(text)
    with pytest.raises(ValueError, match=said.replace("(", r"\(")):
        read_gsd(tmp_path / "a.png")


def test_a_drone_s_height_and_lens(tmp_path: Path) -> None:
    """24 mm on 43.27 mm of film: 60 m up, 5,000 px of diagonal show 108.2 m."""
    full = drone_picture(tmp_path / "full.jpg", size=(4000, 3000))
    metres = 60 * math.hypot(36, 24) / 24 / 5000
    assert read_gsd(full) == (pytest.approx(metres), "by its drone's height and lens")
    shrunk = drone_picture(tmp_path / "shrunk.jpg")
    assert read_gsd(shrunk).metres == pytest.approx(10 * metres)
    turned = drone_picture(tmp_path / "turned.jpg", size=(300, 400))
    assert read_gsd(turned).metres == pytest.approx(10 * metres)


def test_the_sensor_s_own_resolution_goes_before_the_film_s(tmp_path: Path) -> None:
    base = ExifTags.Base
    more = {
        base.FocalLength: 8.8,
        base.FocalPlaneXResolution: 4000.0,
        base.FocalPlaneResolutionUnit: 3,
    }
    path = drone_picture(tmp_path / "a.jpg", size=(4000, 3000), more=more)
    assert read_gsd(path).metres == pytest.approx(60 * (10 / 4000) / 8.8, rel=1e-4)


@pytest.mark.parametrize("pitch", ["-45.00", "+0.00", None])
def test_a_slanting_view_has_no_distance_and_says_why(tmp_path: Path, pitch: str | None) -> None:
    gsd = read_gsd(drone_picture(tmp_path / "a.jpg", pitch=pitch))
    assert gsd.metres is None and "not straight down" in gsd.source


@pytest.mark.parametrize(
    "tags",
    [
        {"height": None},
        {"height": "-3.00"},
        {"film_mm": None},
        {"size": (400, 400)},  # a part of what was taken
        {"more": {ExifTags.Base.DigitalZoomRatio: 2.0}},
    ],
)
def test_where_height_or_lens_is_missing_nothing_is_guessed(
    tmp_path: Path, tags: dict[str, Any]
) -> None:
    assert read_gsd(drone_picture(tmp_path / "a.jpg", **tags)) is UNKNOWN
