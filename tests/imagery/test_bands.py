"""Red, green and blue are read where a file says which they are, and only a mask is a mask."""

from __future__ import annotations

import numpy as np
import pytest
import rasterio
from rasterio.enums import ColorInterp

from smalldet.imagery import ImageryOptions, open_scene
from smalldet.imagery.sources import find_sources
from tests.imagery.test_mosaics import WHERE, save

C = ColorInterp


def numbered(num: int, dtype: str = "uint8"):
    """(num, 40, 50), each band of one value: its number times ten."""
    return np.full((num, 40, 50), 10, dtype) * np.arange(1, num + 1, dtype=dtype)[:, None, None]


def described(path, num, colours=None, names=None, tags=None, satellite=None):
    save(path, numbered(num), photometric="MINISBLACK")
    with rasterio.open(path, "r+") as file:
        if colours:
            file.colorinterp = colours
        if names:
            file.descriptions = names
        for band, value in enumerate(tags or (), start=1):
            file.update_tags(band, **value)
        if satellite:
            file.update_tags(ns="IMAGERY", SATELLITEID=satellite)
    return path


MICROMETRES = (0.8, 0.66, 0.56, 0.48)
EIGHT = ("Coastal Blue", "blue", "Green (560 nm)", "YELLOW", "red", "Red Edge", "NIR1", "near_ir2")


@pytest.mark.parametrize(
    ("num", "facts", "bands"),
    [
        (3, {}, (1, 2, 3)),
        (4, {"colours": (C.blue, C.green, C.red, C.undefined)}, (3, 2, 1)),
        (4, {"colours": (C.nir, C.red, C.green, C.blue)}, (2, 3, 4)),
        (8, {"names": EIGHT}, (5, 3, 2)),
        (4, {"names": ("B", "G", "R", "N")}, (3, 2, 1)),
        (4, {"names": ("B02 blue", "B03 green", "B04 red", "B05 red edge 1")}, (3, 2, 1)),
        (5, {"names": ("rededge", "infrared", "red", "green", "blue")}, (3, 4, 5)),
        (5, {"tags": [{"wavelength": w} for w in (443, 490, 560, 665, 842)]}, (4, 3, 2)),
        (
            4,
            {
                "tags": [
                    {"wavelength": w, "wavelength_units": "um"} for w in (0.8, 0.66, 0.56, 0.48)
                ]
            },
            (2, 3, 4),
        ),
        (4, {"tags": [{"wavelength": w} for w in (900, 1000, 1600, 2200)]}, (1, 2, 3)),
        (8, {"satellite": "WV03"}, (5, 3, 2)),
        (8, {}, (1, 2, 3)),
    ],
)
def test_colours_are_chosen_by_what_the_file_says(tmp_path, num, facts, bands):
    path = described(tmp_path / "a.tif", num, **facts)
    with open_scene(path) as scene:
        assert scene.bands == bands
        assert scene.read((0, 0, 1, 1)).ravel().tolist() == [10 * band for band in bands]
        if num > 3 and bands == (1, 2, 3):
            assert f"does not name the colours of its {num} bands" in scene.remarks[0]
        elif bands != (1, 2, 3):
            assert scene.remarks == (
                f"bands {' '.join(map(str, bands))} are red, green and blue, as it says",
            )
    with open_scene(path, options=ImageryOptions(bands=(3, 1, 1))) as scene:
        assert scene.bands == (3, 1, 1) and not scene.remarks


def test_an_infrared_band_that_is_marked_alpha_is_no_mask(tmp_path):
    values = np.random.default_rng(0).integers(0, 200, (4, 300, 400)).astype(np.uint8)
    values[3, :100] = 0  # water
    save(tmp_path / "nir.tif", values, photometric="RGB", alpha="yes")
    with open_scene(tmp_path / "nir.tif") as scene:
        assert scene.bands == (1, 2, 3) and "band 4 is marked alpha" in scene.remarks[0]
        assert np.array_equal(scene.read((0, 0, 400, 300)), values[:3])
        assert scene.valid((0, 0, 50, 50))
    values[3] = np.where(values[3] > 0, 255, 0)
    values[3, 100:104] = 128  # the soft edge of a mask
    save(tmp_path / "mask.tif", values, photometric="RGB", alpha="yes")
    with open_scene(tmp_path / "mask.tif") as scene:
        assert not scene.remarks and not scene.valid((0, 0, 50, 50))
        assert np.array_equal(scene.read((0, 0, 400, 300)), values[:3] * (values[3] > 0))


def test_tiles_of_a_mosaic_say_it_too(tmp_path):
    for i in range(2):
        path = described(tmp_path / f"{i}.tif", 8, names=EIGHT)
        with rasterio.open(path, "r+") as file:
            file.transform = WHERE * WHERE.translation(50 * i, 0)
    (mosaic,) = find_sources([tmp_path])
    with open_scene(mosaic) as scene:
        assert scene.width == 100 and scene.bands == (5, 3, 2)
