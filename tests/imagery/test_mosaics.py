"""Adjoining files are read as the picture that they were cut from; others stay what they are."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyogrio
import pytest
import rasterio
import shapely
from affine import Affine
from numpy.typing import NDArray
from rasterio.errors import NotGeoreferencedWarning

from smalldet.config.imagery import ImageryOptions
from smalldet.imagery import Mosaic, open_scene
from smalldet.imagery.sources import find_sources

WHERE = Affine(0.5, 0, 500_000, 0, -0.5, 5_400_000)
Values = NDArray[Any]


def save(path: Path, values: Values, transform: Affine | None = WHERE, **options: Any) -> Path:
    """A GeoTIFF of values (bands, height, width)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    num, height, width = values.shape
    kind = {"count": num, "height": height, "width": width, "dtype": values.dtype}
    options = {"crs": "EPSG:32633", "driver": "GTiff", **kind, **options}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        with rasterio.open(path, "w", transform=transform, **options) as file:
            file.write(values)
    return path


def noise(width: int, height: int, dtype: str = "uint8", num: int = 3) -> Values:
    most = 250 if dtype == "uint8" else 3000
    return np.random.default_rng(0).integers(1, most, (num, height, width)).astype(dtype)


def cut(
    folder: Path, values: Values, side: tuple[int, int], overlap: int = 0, **options: Any
) -> list[Path]:
    """Tiles of a picture, numbered against the order of their places."""
    starts = [
        (x, y)
        for y in range(0, values.shape[1], side[1])
        for x in range(0, values.shape[2], side[0])
    ]
    return [
        save(
            folder / f"{len(starts) - i:02}.tif",
            values[:, y : y + side[1] + overlap, x : x + side[0] + overlap],
            WHERE * Affine.translation(x, y),
            **options,
        )
        for i, (x, y) in enumerate(starts)
    ]


def the_mosaic(folder: Path | str, **options: Any) -> Mosaic:
    (found,) = find_sources([folder], ImageryOptions(**options))
    assert isinstance(found, Mosaic)
    return found


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize("overlap", [0, 7])
def test_tiles_read_as_the_picture_that_they_are_cut_from(tmp_path, dtype, overlap):
    values = noise(300, 200, dtype)
    whole = save(tmp_path / "whole.tif", values)
    cut(tmp_path / "tiles", values, (70, 90), overlap)
    mosaic = the_mosaic(tmp_path / "tiles")
    assert str(mosaic) == str(tmp_path / "tiles") and len(mosaic.parts) == 15
    with open_scene(mosaic) as scene, open_scene(str(whole)) as expected:
        assert (scene.width, scene.height, scene.num_bands) == (300, 200, 3)
        assert (scene.crs, scene.transform) == (expected.crs, expected.transform)
        assert scene.name == str(tmp_path / "tiles") and not scene.remarks
        for window in (
            (0, 0, 300, 200),
            (60, 80, 150, 190),
            (69, 89, 71, 91),
            (299, 199, 300, 200),
        ):
            assert np.array_equal(scene.read(window), expected.read(window))
        window = (20, 10, 220, 190)
        for shape in ((90, 100), (360, 400), (270, 300)):
            assert np.array_equal(scene.read(window, shape), expected.read(window, shape))


def test_between_tiles_there_is_no_data(tmp_path):
    values = noise(200, 200, "int16") + 500
    for path in cut(tmp_path / "tiles", values, (100, 100)):
        if path.name == "01.tif":  # the last corner
            path.unlink()
    with open_scene(the_mosaic(tmp_path / "tiles")) as scene:
        assert scene.has_data([[100, 100, 200, 200], [90, 90, 120, 120]]).tolist() == [False, True]
        assert not scene.valid((100, 100, 200, 200)) and scene.valid((99, 99, 200, 200))
        pixels = scene.read((90, 90, 110, 110))
        assert (pixels[:, 10:, 10:] == 0).all() and (pixels[:, :10] > 0).any()
        assert scene.stretch is not None and min(scene.stretch.low) >= 500


def test_a_part_without_data_does_not_hide_its_neighbour(tmp_path):
    left, right = noise(100, 50, "int16"), noise(100, 50, "int16")
    left[:, :, -10:] = -9999
    save(tmp_path / "t/b.tif", left, nodata=-9999)
    save(tmp_path / "t/a.tif", right, WHERE * Affine.translation(90, 0), nodata=-9999)
    with open_scene(the_mosaic(tmp_path / "t")) as scene:
        assert scene.width == 190 and scene.read((85, 0, 105, 50)).min(axis=0).max() > 0
        assert (scene.read((0, 0, 190, 50)) > 0).mean() > 0.9


@pytest.mark.parametrize(
    "change",
    [
        {"transform": WHERE * Affine.translation(103, 0)},  # a gap
        {"transform": WHERE * Affine.translation(100.4, 0)},  # another grid
        {"transform": WHERE * Affine.translation(100, 100)},  # a corner alone
        {"transform": WHERE * Affine.translation(100, 0) * Affine.scale(1.01)},
        {"transform": WHERE * Affine.translation(0, 0)},  # the same ground
        {"transform": WHERE * Affine.translation(40, 0)},
        {"crs": "EPSG:32634"},
        {"crs": None},
        {"transform": None},
        {"nodata": 7},
        {"num": 4},
        {"dtype": "uint16"},
    ],
)
def test_what_does_not_adjoin_stays_single(tmp_path, change):
    save(tmp_path / "a.tif", noise(100, 100))
    change = {"transform": WHERE * Affine.translation(100, 0), **change}
    values = noise(100, 100, change.pop("dtype", "uint8"), change.pop("num", 3))
    save(tmp_path / "b.tif", values, **change)
    names = [str(tmp_path / name) for name in ("a.tif", "b.tif")]
    assert find_sources([tmp_path]) == names


def test_separate_and_unreadable_files_stay_single(tmp_path):
    paths = [str(path) for path in sorted(cut(tmp_path / "tiles", noise(100, 50), (50, 50)))]
    assert find_sources([tmp_path / "tiles"], ImageryOptions(separate=True)) == paths
    broken = tmp_path / "tiles/c.tif"
    broken.write_bytes(b"II*\0")
    mosaic, other = find_sources([tmp_path / "tiles"])
    assert isinstance(mosaic, Mosaic) and other == str(broken)
    assert mosaic.name == paths[0]  # the folder holds more than these


def test_two_mosaics_in_one_folder_are_two_scenes(tmp_path):
    for name, shift in (("east", 1000), ("west", 0)):
        for i in range(2):
            where = WHERE * Affine.translation(shift + 30 * i, 0)
            save(tmp_path / f"{name}{i}.tif", noise(30, 20), where)
    found = find_sources([f"{tmp_path}/*.tif"])
    assert [str(one) for one in found] == [str(tmp_path / f"{n}0.tif") for n in ("east", "west")]
    assert all(isinstance(one, Mosaic) and one.width == 60 for one in found)


def test_turned_grids_and_files_without_a_coordinate_system(tmp_path):
    turned = Affine(0.5, 0.1, 7, 0.1, -0.5, 9)
    for i in range(3):
        save(
            tmp_path / f"{i}.tif", noise(30, 20), turned * Affine.translation(-30 * i, 0), crs=None
        )
    mosaic = the_mosaic(tmp_path, assume_crs="EPSG:3035")
    assert (mosaic.width, mosaic.height) == (90, 20)
    assert np.allclose(mosaic.transform[:6], (turned * Affine.translation(-60, 0))[:6])
    assert mosaic.crs == rasterio.CRS.from_epsg(3035)
    assert the_mosaic(tmp_path).crs is None


def test_a_damaged_or_changed_part_is_named(tmp_path):
    paths = cut(tmp_path / "tiles", noise(200, 100), (100, 100))
    mosaic = the_mosaic(tmp_path / "tiles")
    whole = paths[1].read_bytes()
    paths[1].write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match=rf"{paths[1].name}: .*cut short"):
        open_scene(mosaic)
    save(paths[1], noise(90, 100))
    with pytest.raises(ValueError, match=rf"{paths[1].name}: has changed"):
        open_scene(mosaic)


def test_jpegs_with_world_files_are_one_scene_and_cut_short_ones_are_named(tmp_path):
    for i in range(2):
        path = save(tmp_path / f"{i}.jpg", noise(64, 48), None, driver="JPEG", crs=None)
        where = WHERE * Affine.translation(64 * i, 0)
        numbers = where.a, where.d, where.b, where.e, *(where * (0.5, 0.5))
        path.with_suffix(".jgw").write_text("\n".join(map(str, numbers)))
    mosaic, path = the_mosaic(tmp_path), tmp_path / "1.jpg"
    with open_scene(mosaic) as scene:
        assert (scene.width, scene.height) == (128, 48)
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(ValueError, match=r"1\.jpg: .*no end"):
        open_scene(mosaic)


def tile_index(path: Path, tiles: list[Path]) -> Path:
    pyogrio.raw.write(
        path,
        geometry=shapely.to_wkb([shapely.box(0, 0, 1, 1)] * len(tiles)),
        field_data=[np.array([str(tile.relative_to(path.parent)) for tile in tiles], dtype=object)],
        fields=["location"],
        geometry_type="Polygon",
        crs="EPSG:32633",
    )
    return path


@pytest.mark.parametrize("suffix", [".gpkg", ".shp", ".fgb", ".geojson"])
def test_a_tile_index(tmp_path, suffix):
    tiles = cut(tmp_path / "tiles", noise(100, 50), (50, 50))
    index = tile_index(tmp_path / f"index{suffix}", tiles)
    mosaic = the_mosaic(index)
    assert str(mosaic) == str(index) and (mosaic.width, mosaic.height) == (100, 50)
    tiles[0].unlink()
    with pytest.raises(FileNotFoundError, match=rf"index{suffix}: lists tiles/02\.tif, and there"):
        find_sources([index])


def item(name: str, href: str, **assets: Any) -> dict[str, Any]:
    visual = {"href": href, "type": "image/tiff; application=geotiff", "roles": ["data"]}
    thumbnail = {"href": "small.png", "type": "image/png", "roles": ["thumbnail"]}
    return {
        "type": "Feature",
        "stac_version": "1.0.0",
        "id": name,
        "assets": {"thumbnail": thumbnail, "picture": visual, **assets},
    }


def test_stac_items_collections_and_lists(tmp_path):
    tiles = cut(tmp_path / "tiles", noise(100, 50), (50, 50))
    items = [item(tile.stem, f"./tiles/{tile.name}") for tile in tiles]
    write: Callable[[str, Any], Path] = lambda name, content: _json(tmp_path / name, content)  # noqa: E731
    assert find_sources([write("one.json", items[0])]) == [str(tmp_path / "tiles/02.tif")]
    links = [
        {"rel": "item", "href": f"./{write(f'i{i}.json', content).name}"}
        for i, content in enumerate(items)
    ]
    collection = {"type": "Collection", "stac_version": "1.0.0", "links": links}
    for name, content in (
        ("list.json", items),
        ("found.geojson", {"type": "FeatureCollection", "features": items}),
        ("collection.json", collection),
        ("catalog.json", {**collection, "type": "Catalog"}),
    ):
        assert the_mosaic(write(name, content)).name == str(tmp_path / name)


def _json(path: Path, content: Any) -> Path:
    path.write_text(json.dumps(content))
    return path


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (item("a", "https://host/a.tif"), r"lists https://host/a\.tif, which is no file here"),
        (item("a", "/vsicurl/https://host/a.tif"), "which is no file here"),
        ({"type": "Feature", "stac_version": "1.0.0", "id": "a", "assets": {}}, "a has no picture"),
        ({"type": "Collection", "stac_version": "1.0.0", "links": []}, "lists no pictures"),
        (
            {"type": "Catalog", "stac_version": "1", "links": [{"rel": "child", "href": "x.json"}]},
            "links to it again",
        ),
    ],
)
def test_what_a_list_cannot_give_is_said(tmp_path, content, reason):
    with pytest.raises(ValueError, match=rf"x\.json: .*{reason}"):
        find_sources([_json(tmp_path / "x.json", content)])


def test_other_json_and_vector_files_are_no_lists(tmp_path):
    plain = _json(tmp_path / "plain.json", {"images": []})
    assert find_sources([plain]) == [str(plain)]
