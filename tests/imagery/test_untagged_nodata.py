"""Values that stand for no data are known, said or not, and do not spoil the picture."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from smalldet.config.imagery import StretchLimits
from smalldet.imagery import ImageryOptions, open_scene
from smalldet.imagery.sources import find_sources
from smalldet.imagery.untagged_nodata import untagged_nodata
from tests.imagery.test_mosaics import WHERE, noise, save


def sample(value, dtype="int16", frac=0.1, low=100, high=2000):
    values = np.random.default_rng(0).integers(low, high, (3, 100, 100)).astype(dtype)
    values[:, : int(100 * frac)] = value
    return values


@pytest.mark.parametrize(
    ("value", "dtype"),
    [
        (-9999, "int16"),
        (-32768, "int16"),
        (32767, "int16"),
        (-9999, "float32"),
        (-3.4e38, "float32"),
        (1e20, "float64"),
        (0, "uint16"),
        (65535, "uint16"),
    ],
)
def test_a_value_far_from_the_data_is_recognised(value, dtype):
    found = untagged_nodata(sample(value, dtype))
    assert found is not None and found.value == np.array(value, dtype) and found.frac == 0.1


@pytest.mark.parametrize(
    "values",
    [
        sample(0, "uint8"),  # black
        sample(2000),  # saturated
        sample(100),
        sample(-9999, frac=0),
        sample(0, "uint16", low=1),  # dark water
        np.where(np.arange(3)[:, None, None] == 0, sample(-9999), sample(500)),  # in one band alone
        np.full((3, 100, 100), -9999, np.int16),  # nothing else
        np.full((3, 100, 100), np.nan, np.float32),
    ],
)
def test_values_among_the_data_are_data(values):
    assert untagged_nodata(values) is None


@pytest.mark.parametrize("dtype", ["int16", "float32"])
def test_it_is_read_as_if_it_were_tagged(tmp_path, dtype):
    values = sample(-9999, dtype, frac=0.3)
    values[:, :, :5] = -9999
    save(tmp_path / "tagged.tif", values, nodata=-9999)
    save(tmp_path / "plain.tif", values)
    window, half, twice = (0, 0, 100, 100), (50, 50), (150, 150)
    with (
        open_scene(tmp_path / "tagged.tif") as tagged,
        open_scene(tmp_path / "plain.tif") as plain,
        open_scene(tmp_path / "plain.tif", options=ImageryOptions(nodata=-9999)) as said,
    ):
        assert not tagged.remarks and not said.remarks
        assert plain.remarks[0].startswith("-9999 fills 34% of it and is taken as no data")
        assert plain.options.nodata == -9999
        for scene in (plain, said):
            assert scene.stretch == tagged.stretch
            assert not scene.valid((0, 0, 100, 30)) and scene.valid((0, 0, 100, 31))
            for shape in (None, half, twice):  # no value between -9999 and the data is made
                assert np.array_equal(scene.read(window, shape), tagged.read(window, shape))


def test_nodata_of_pictures_and_mosaics(tmp_path):
    values = noise(60, 40)
    values[:, 10:20, 10:20] = 77
    Image.fromarray(values.transpose(1, 2, 0)).save(tmp_path / "a.png")
    said = ImageryOptions(nodata=77)
    with open_scene(tmp_path / "a.png", options=said) as scene:
        assert not scene.valid((10, 10, 20, 20)) and scene.valid((10, 10, 21, 20))
    (tmp_path / "a.png").unlink()
    for i in range(2):
        save(tmp_path / f"{i}.tif", values, WHERE * WHERE.translation(60 * i, 0))
    (mosaic,) = find_sources([tmp_path], said)
    with open_scene(mosaic, options=said) as scene:
        assert scene.width == 120 and not scene.valid((70, 10, 80, 20))
        assert scene.valid((69, 10, 80, 20))


def test_stretch_is_said_in_values_or_percentiles(tmp_path):
    values = sample(-9999, frac=0.2)
    save(tmp_path / "a.tif", values, nodata=-9999)
    with open_scene(tmp_path / "a.tif", options=ImageryOptions(stretch="0,2550")) as scene:
        assert scene.stretch is not None and scene.stretch.low == (0, 0, 0)
        expected = np.rint(values[:, 20:] / 10)
        assert np.abs(scene.read((0, 20, 100, 100)) - expected).max() <= 1
    with open_scene(tmp_path / "a.tif", options=ImageryOptions(stretch="0%,100%")) as scene:
        assert scene.stretch is not None
        assert scene.stretch.low == tuple(values[:, 20:].min(axis=(1, 2)))
        assert scene.stretch.high == tuple(values[:, 20:].max(axis=(1, 2)))
    save(tmp_path / "dark.tif", noise(50, 50) // 5)
    with (
        open_scene(tmp_path / "dark.tif", options=ImageryOptions(stretch="0,50")) as scene,
        open_scene(tmp_path / "dark.tif") as plain,
    ):
        assert plain.read((0, 0, 50, 50)).max() < 50 < 200 < scene.read((0, 0, 50, 50)).max()


@pytest.mark.parametrize(
    "wrong",
    ["", "1", "5,5", "9,1", "1,2,3", "2%,98", "-1%,50%", "0%,101%", "a,b", "nan,2", "0,inf"],
)
def test_what_is_no_stretch_is_refused(wrong):
    with pytest.raises(ValueError, match=r"a stretch is two rising numbers, .* or percentiles"):
        ImageryOptions(stretch=wrong)
    assert StretchLimits.parsed(" -5.5, 1e3 ") == StretchLimits(-5.5, 1000, False)
