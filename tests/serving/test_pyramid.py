"""Tiles of the page show what the scene shows, at every zoom, without the whole in memory."""

from __future__ import annotations

import io
import threading
from pathlib import Path

import numpy as np
import pytest
import rasterio
from PIL import Image
from rasterio.transform import from_origin

from smalldet.imagery import open_scene
from smalldet.serving import pyramid as pyramid_room
from smalldet.serving.open_scenes import OpenScenes
from smalldet.serving.pyramid import TILE_PX, Pyramid, encoded
from smalldet.serving.refusals import StoppedError
from tests.serving.conftest import Client


def soft_tiff(path: Path, width: int, height: int, overviews: bool = False) -> np.ndarray:
    """A scene whose values rise slowly to the right and downwards."""
    rows, columns = np.mgrid[:height, :width]
    pixels = np.stack(
        [columns * 255 // width, rows * 255 // height, (rows + columns) * 127 // (height + width)]
    ).astype(np.uint8)
    shape = {"width": width, "height": height, "count": 3, "dtype": "uint8"}
    place = {"crs": "EPSG:32633", "transform": from_origin(500_000, 5_400_000, 0.5, 0.5)}
    with rasterio.open(path, "w", driver="GTiff", tiled=True, **shape, **place) as file:
        file.write(pixels)
        if overviews:
            file.build_overviews([2, 4, 8])
    return pixels


def mosaic(pyramid: Pyramid, level: int) -> np.ndarray:
    """All tiles of a level, side by side."""
    step = 1 << (pyramid.max_level - level)
    across = -(-pyramid.scene.width // (TILE_PX * step))
    down = -(-pyramid.scene.height // (TILE_PX * step))
    rows = [
        np.concatenate([pyramid.tile(level, column, row) for column in range(across)], axis=2)
        for row in range(down)
    ]
    return np.concatenate(rows, axis=1)


@pytest.mark.parametrize("coarse_px", [400, 4096])
@pytest.mark.parametrize(("width", "height"), [(1300, 700), (700, 1300), (512, 512), (90, 40)])
@pytest.mark.parametrize("overviews", [False, True])
def test_every_level_shows_the_scene(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    width: int,
    height: int,
    coarse_px: int,
    overviews: bool,
) -> None:
    monkeypatch.setattr(pyramid_room, "COARSE_PX", coarse_px)
    pixels = soft_tiff(tmp_path / "a.tif", width, height, overviews)
    pyramid = Pyramid(open_scene(tmp_path / "a.tif"), tmp_path / "cache")
    assert (pyramid.max_level == 0) == (max(width, height) <= TILE_PX)
    for level in range(pyramid.max_level + 1):
        step = 1 << (pyramid.max_level - level)
        shown = mosaic(pyramid, level)
        wanted = pixels[:, step // 2 :: step, step // 2 :: step].astype(int)
        part = shown[:, : wanted.shape[1], : wanted.shape[2]].astype(int)
        assert np.abs(part - wanted).max() <= (0 if step == 1 else 4)
        end = (-(-height // step), -(-width // step))
        assert not shown[:, end[0] :].any() and not shown[:, :, end[1] :].any()
    for wrong in ((-1, 0, 0), (pyramid.max_level + 1, 0, 0), (0, 1, 0), (0, 0, 1), (0, -1, 0)):
        with pytest.raises(KeyError):
            pyramid.tile(*wrong)
    pyramid.close()


def test_the_small_picture_is_made_once_and_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pyramid_room, "COARSE_PX", 400)
    soft_tiff(tmp_path / "a.tif", 1300, 700)
    made: list[int] = []
    original = Pyramid._write_small
    monkeypatch.setattr(
        Pyramid, "_write_small", lambda self, path: (made.append(1), original(self, path))
    )
    for _ in range(2):
        pyramid = Pyramid(open_scene(tmp_path / "a.tif"), tmp_path / "cache")
        assert not pyramid.is_ready(0) and pyramid.is_ready(pyramid.max_level)
        pyramid.tile(0, 0, 0)
        pyramid.tile(0, 0, 0)
        assert pyramid.is_ready(0)
        pyramid.close()
    assert made == [1]
    soft_tiff(tmp_path / "a.tif", 1300, 701)  # another file under the name
    pyramid = Pyramid(open_scene(tmp_path / "a.tif"), tmp_path / "cache")
    pyramid.tile(0, 0, 0)
    assert made == [1, 1]
    pyramid.close()


def test_a_small_picture_that_is_not_wanted_any_more_leaves_nothing(tmp_path: Path) -> None:
    soft_tiff(tmp_path / "a.tif", 5000, 40)
    stop = threading.Event()
    pyramid = Pyramid(open_scene(tmp_path / "a.tif"), tmp_path / "cache", stop)
    stop.set()
    with pytest.raises(StoppedError):
        pyramid.tile(0, 0, 0)
    assert not list((tmp_path / "cache").iterdir())
    pyramid.close()


def test_tiles_and_crops_over_http(client: Client, save_squares) -> None:
    _, _, pixels = save_squares("in/a.png", 700, 600, 30)
    facts = client.get("/scene", name="in/a.png").json
    assert (facts["width"], facts["height"], facts["max_level"]) == (700, 600, 1)
    assert facts["truth"] is False and facts["gsd_m"] is None
    tile = client.get("/tile/1/1/1", name="in/a.png")
    shown = np.asarray(Image.open(io.BytesIO(tile.body)))
    assert tile.headers["content-type"] == "image/jpeg" and shown.shape == (TILE_PX, TILE_PX, 3)
    assert np.abs(shown[: 600 - 512, : 700 - 512].astype(int) - pixels[512:, 512:]).mean() < 4
    crop = client.get("/crop", name="in/a.png", x=690, y=10, side=64)
    left, top = int(crop.headers["x-left"]), int(crop.headers["x-top"])
    assert (left, top) == (636, 0)
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(crop.body))), pixels[:64, 636:])
    for path in ("/tile/2/0/0", "/tile/0/1/0", "/tile/1/-1/0"):
        assert client.get(path, name="in/a.png").status == 404
    assert client.get("/crop", name="in/a.png", x=-1, y=0).status == 404
    assert client.get("/crop", name="in/a.png", x="nan", y=0).status == 404
    assert client.get("/crop", name="in/a.png", x=5, y=5, side=10**9).status == 200
    assert client.get("/scene").status == client.get("/scene", name="a", job="b").status == 422


def test_scenes_that_nobody_looks_at_are_closed(tmp_path: Path) -> None:
    closed: list[str] = []

    class Watched(Pyramid):
        def close(self) -> None:
            closed.append(self.scene.name)
            super().close()

    def make(key: str) -> Pyramid:
        scene = open_scene(np.zeros((20, 20, 3), np.uint8))
        scene.name = key
        return Watched(scene, tmp_path)

    stamps = {"a": 0}
    scenes = OpenScenes(make, lambda key: stamps.get(key))
    with scenes.get("a") as first:
        for number in range(20):
            with scenes.get(str(number)):
                pass
        assert first.scene.read((0, 0, 9, 9)).shape == (3, 9, 9)  # dropped, and open for its user
        assert "a" not in closed and len(closed) == 4
    assert "a" in closed
    with scenes.get("19") as one, scenes.get("19") as same:
        assert one is same
    stamps["19"] = 1  # its file has changed
    with scenes.get("19") as other:
        assert other is not one and closed.count("19") == 1
    scenes.close()
    assert len(closed) == 22


def test_a_tile_of_any_bands_is_a_picture() -> None:
    for bands in (1, 2, 3, 5):
        content = encoded(np.zeros((bands, 8, 9), np.uint8))
        assert Image.open(io.BytesIO(content)).size == (9, 8)
