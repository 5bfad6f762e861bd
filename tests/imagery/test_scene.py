"""A scene gives the same pixels whatever the file, the window or the thread."""

import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine
from PIL import Image
from rasterio.env import get_gdal_config
from rasterio.errors import NotGeoreferencedWarning

from smalldet.imagery import Stretch, open_scene, rasters

TRANSFORM = Affine(0.5, 0, 500_000, 0, -0.5, 5_400_000)


def drawn(height=90, width=130, bands=3, dtype: type = np.uint8, seed=0):
    """(bands, H, W) of noise over the range of the type."""
    return np.random.default_rng(seed).integers(
        0, np.iinfo(dtype).max, (bands, height, width), dtype
    )


def write_tif(path, values, **options):
    options = {"driver": "GTiff", "crs": "EPSG:32633", "transform": TRANSFORM} | options
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        with rasterio.open(
            path,
            "w",
            count=values.shape[0],
            height=values.shape[1],
            width=values.shape[2],
            dtype=values.dtype,
            **options,
        ) as file:
            file.write(values)
    return path


def whole(scene):
    return scene.read((0, 0, scene.width, scene.height))


def test_all_containers_give_the_same_pixels(tmp_path):
    values = drawn()
    picture = Image.fromarray(np.moveaxis(values, 0, 2))
    picture.save(tmp_path / "a.png")
    write_tif(tmp_path / "a.tif", values)
    sources = [
        tmp_path / "a.png",
        str(tmp_path / "a.tif"),
        np.moveaxis(values, 0, 2),
        picture,
    ]
    for source in sources:
        with open_scene(source) as scene:
            assert (scene.width, scene.height, scene.num_bands) == (130, 90, 3)
            assert np.array_equal(scene.read((10, 20, 50, 70)), values[:, 20:70, 10:50])
            assert scene.stretch is None


def test_georeference_is_kept_and_missing_one_is_none(tmp_path):
    with open_scene(write_tif(tmp_path / "a.tif", drawn())) as scene:
        assert scene.georeferenced
        assert scene.crs is not None and scene.crs.to_epsg() == 32633
        assert scene.transform == TRANSFORM
    with open_scene(write_tif(tmp_path / "b.tif", drawn(), crs=None, transform=None)) as scene:
        assert not scene.georeferenced
        assert scene.crs is None and scene.transform is None


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_honoured(tmp_path, orientation):
    # A red corner block at the stored top left: where it must appear follows from the EXIF table.
    stored = np.zeros((40, 64, 3), np.uint8)
    stored[:16, :16, 0] = 255
    exif = Image.Exif()
    exif[274] = orientation
    Image.fromarray(stored).save(tmp_path / "a.jpg", exif=exif, quality=95, subsampling=0)
    right = orientation in (2, 3, 6, 7)
    bottom = orientation in (3, 4, 7, 8)
    for source in (tmp_path / "a.jpg", Image.open(tmp_path / "a.jpg")):
        with open_scene(source) as scene:
            assert (scene.width, scene.height) == ((40, 64) if orientation > 4 else (64, 40))
            rows, columns = np.nonzero(whole(scene)[0] > 128)
        assert columns.min() == (scene.width - 16 if right else 0)
        assert rows.min() == (scene.height - 16 if bottom else 0)


def test_grey_is_repeated_and_bands_are_chosen(tmp_path):
    grey = drawn(bands=1)
    with open_scene(grey[0]) as scene:
        assert np.array_equal(whole(scene), np.repeat(grey, 3, axis=0))
    five = drawn(bands=5)
    path = write_tif(tmp_path / "five.tif", five)
    with open_scene(path) as scene:
        assert np.array_equal(whole(scene), five[:3])
    with open_scene(path, bands=(4, 3, 2)) as scene:
        assert np.array_equal(whole(scene), five[[3, 2, 1]])
    with open_scene(path, bands=(5, 5, 1, 2)) as scene:
        assert np.array_equal(whole(scene), five[[4, 4, 0, 1]])
    for wrong in ((6,), (0, 1), ()):
        with pytest.raises(ValueError, match=r"five\.tif: has bands 1 to 5"):
            open_scene(path, bands=wrong)


def test_palette_shows_colours(tmp_path):
    colours = np.array([[0, 0, 0], [250, 10, 20], [5, 200, 7]], np.uint8)
    numbers = np.random.default_rng(0).integers(0, 3, (30, 40), np.uint8)
    picture = Image.fromarray(numbers, mode=None).convert("P")
    picture.putdata(numbers.ravel().tolist())
    picture.putpalette(colours.ravel().tolist())
    picture.save(tmp_path / "a.png")
    with rasterio.open(
        write_tif(tmp_path / "a.tif", numbers[None], photometric="palette"), "r+"
    ) as file:
        file.write_colormap(1, {i: tuple(c) for i, c in enumerate(colours.tolist())})
    for name in ("a.png", "a.tif"):
        with open_scene(tmp_path / name) as scene:
            assert np.array_equal(whole(scene), np.moveaxis(colours[numbers], 2, 0))


def test_alpha_is_a_mask(tmp_path):
    values = drawn(bands=4)
    values[3] = 0
    values[3, :, 40:] = 200
    Image.fromarray(np.moveaxis(values, 0, 2)).save(tmp_path / "a.png")
    write_tif(tmp_path / "a.tif", values, photometric="RGB", alpha="YES")
    for name in ("a.png", "a.tif"):
        with open_scene(tmp_path / name) as scene:
            assert not scene.valid((0, 0, 40, 90))
            assert scene.valid((0, 0, 41, 90))
            assert np.array_equal(whole(scene), values[:3] * (values[3] > 0))
    with open_scene(tmp_path / "a.tif", bands=(4,)) as scene:  # infrared that is called alpha
        assert np.array_equal(whole(scene), values[3:])


def test_nodata_reads_as_zero(tmp_path):
    values = drawn(dtype=np.uint16).clip(1000, 60000)
    values[:, :, :50] = 65535
    with open_scene(write_tif(tmp_path / "a.tif", values, nodata=65535)) as scene:
        assert not scene.valid((0, 0, 50, 90))
        assert scene.valid((49, 0, 51, 90))
        assert not scene.read((0, 0, 50, 90)).any()
        assert (
            scene.stretch is not None and max(scene.stretch.high) <= 60000
        )  # nodata has no say in the stretch
    values = drawn(bands=4)  # nodata beside an alpha band: rasterio has a warning for it
    values[:, :, :50] = 0
    with open_scene(write_tif(tmp_path / "c.tif", values, nodata=0, alpha="YES")) as scene:
        assert not scene.valid((0, 0, 50, 90)) and scene.valid((0, 0, 51, 90))
    values = drawn().astype(np.float32)
    values[0, 50, 50] = 3e38  # lies near the tag below, and is data
    values[:, :30] = -3.4028234663852886e38
    with open_scene(write_tif(tmp_path / "d.tif", values, nodata=-3.4028234663852886e38)) as scene:
        assert not scene.valid((0, 0, 130, 30)) and scene.valid((0, 0, 130, 31))
    values[:, :30] = np.nan
    path = write_tif(tmp_path / "b.tif", values)
    for source in (path, np.moveaxis(values, 0, 2)):
        with open_scene(source) as scene:
            assert not scene.valid((0, 0, 130, 30))
            assert scene.valid((0, 0, 130, 31))
            assert not scene.read((0, 0, 130, 30)).any()


def test_white_stays_white_where_white_is_nodata(tmp_path):
    """A saturated roof in an 8 bit picture whose border is white must not turn black."""
    values = drawn().clip(0, 200)
    values[:, :, :50] = 255
    values[:, 60:70, 60:70] = 255  # the roof
    with open_scene(write_tif(tmp_path / "a.tif", values, nodata=255)) as scene:
        assert not scene.valid((0, 0, 50, 90)) and scene.read_data((0, 0, 50, 90)) is None
        read = scene.read_data((49, 0, 130, 90))
        assert read is not None and np.array_equal(read, values[:, :, 49:])


@pytest.mark.parametrize("kind", ["array", "tif"])
def test_windows_are_scaled_smoothly(tmp_path, kind):
    values = drawn(80, 120)
    source = np.moveaxis(values, 0, 2) if kind == "array" else write_tif(tmp_path / "a.tif", values)
    with open_scene(source) as scene:
        half = scene.read((20, 10, 100, 70), (30, 40))
        mean = values[:, 10:70, 20:100].reshape(3, 30, 2, 40, 2).mean(axis=(2, 4))
        assert half.shape == (3, 30, 40) and np.abs(half - mean).max() <= 1
        twice = scene.read((20, 10, 100, 70), (120, 160)).astype(int)
        mean = twice.reshape(3, 60, 2, 80, 2).mean(axis=(2, 4))
        near = np.abs(mean - values[:, 10:70, 20:100])[:, 1:-1, 1:-1]
        assert near.mean() < 60  # noise, interpolated: still the same places
        flat = np.abs(np.diff(twice, axis=2)).mean()
        assert flat < 0.7 * np.abs(np.diff(values.astype(int), axis=2)).mean()


def test_the_block_cache_is_bounded(tmp_path):
    with open_scene(write_tif(tmp_path / "a.tif", drawn())):
        assert get_gdal_config("GDAL_CACHEMAX") <= rasters.BLOCK_CACHE_BYTES


def test_one_stretch_for_the_whole_scene(tmp_path):
    # A dark half and a bright half: a stretch for each tile would make them look alike.
    values = drawn(bands=1, dtype=np.uint16) // 64
    values[:, :, 65:] += 30_000
    with open_scene(write_tif(tmp_path / "a.tif", values)) as scene:
        left, right = scene.read((0, 0, 65, 90)), scene.read((65, 0, 130, 90))
        assert left.max() < 20 and right.min() > 235
        tiles = [scene.read((x, 0, x + 13, 90)) for x in range(0, 130, 13)]
        assert np.array_equal(np.concatenate(tiles, axis=2), whole(scene))
        low, high = np.percentile(values, [2, 98])
        assert (
            scene.stretch is not None
            and scene.stretch.low == (low,) * 3
            and scene.stretch.high == (high,) * 3
        )


def test_a_given_stretch_is_used_and_checked():
    values = np.array([[0, 100, 200, 300]], np.uint16)
    with open_scene(values, bands=(1,), stretch=Stretch((100,), (300,))) as scene:
        assert whole(scene).tolist() == [[[0, 0, 128, 255]]]
    with pytest.raises(ValueError, match="stretch"):
        open_scene(values, stretch=Stretch((0,), (1,)))
    with pytest.raises(ValueError, match="low < high"):
        Stretch((1.0,), (1.0,))


@pytest.mark.parametrize("options", [{"tiled": True, "blockxsize": 64, "blockysize": 64}, {}])
def test_threads_read_the_right_pixels(tmp_path, options):
    values = drawn(300, 400, bands=4)
    values[:, 100:140, 100:140] = 0
    with open_scene(write_tif(tmp_path / "a.tif", values, nodata=0, **options)) as scene:
        windows = [(x, y, x + 50, y + 50) for y in range(0, 250, 10) for x in range(0, 350, 25)]
        with ThreadPoolExecutor(8) as pool:
            for (x1, y1, x2, y2), pixels in zip(
                windows, pool.map(scene.read, windows), strict=True
            ):
                assert np.array_equal(pixels, values[:3, y1:y2, x1:x2])


def test_16_bit_colour_png_keeps_its_depth(tmp_path):
    values = drawn(dtype=np.uint16) // 256 + 30_000  # 8 bits would leave one value
    write_tif(tmp_path / "a.png", values, driver="PNG", crs=None, transform=None)
    with open_scene(tmp_path / "a.png") as scene:
        assert len(np.unique(whole(scene))) > 200


@pytest.mark.parametrize("kind", ["array", "tif"])
def test_overview_is_the_mean_of_what_falls_together(tmp_path, kind):
    values = drawn(80, 120)
    source = np.moveaxis(values, 0, 2) if kind == "array" else write_tif(tmp_path / "a.tif", values)
    with open_scene(source) as scene:
        small, scale = scene.read_overview(30)
        assert small.shape == (3, 20, 30) and scale == 0.25
        mean = values.reshape(3, 20, 4, 30, 4).mean(axis=(2, 4))
        assert np.abs(small - mean).max() <= 1
        same, scale = scene.read_overview(500)
        assert scale == 1 and np.array_equal(same, values)


def test_windows_outside_are_refused():
    with open_scene(drawn()[0]) as scene:
        for window in ((-1, 0, 5, 5), (0, 0, 131, 5), (5, 5, 5, 9)):
            with pytest.raises(ValueError, match="leaves 130 x 90"):
                scene.read(window)


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros((3, 50, 60)), "bands first"),
        (np.zeros(7), "must be"),
        (np.zeros((0, 5)), "must be"),
        (np.zeros((5, 5), complex), "numbers"),
    ],
)
def test_arrays_that_are_no_pictures(array, message):
    with pytest.raises(ValueError, match=message):
        open_scene(array)


def test_real_geotiffs_open(shared_dir: Path):
    paths = sorted((shared_dir / "data/geotiff_samples/images").glob("*.tif"))
    assert len(paths) == 7
    for path in paths:
        with open_scene(path) as scene, rasterio.open(path) as file:
            assert (scene.width, scene.height) == (file.width, file.height)
            assert scene.georeferenced
            x2, y2 = min(300, scene.width), min(300, scene.height)
            direct = file.read([1, 2, 3])[:, 100:y2, 100:x2]
            read = scene.read((100, 100, x2, y2))
            kept = read.any(axis=0)
            assert np.array_equal(read[:, kept], direct[:, kept])
