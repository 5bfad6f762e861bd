"""What a header claims is held to the file before memory is taken: each case runs in a process of
little memory, so that a reader that believes the header fails here."""

import itertools
import struct
import subprocess
import sys
import warnings
import zlib

import numpy as np
import pytest
import rasterio
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from rasterio.errors import NotGeoreferencedWarning
from rasterio.windows import Window

from smalldet.imagery import open_scene, pixels, rasters
from smalldet.imagery.tiff_blocks import TiffBlocks

NOISE = np.random.default_rng(0).integers(0, 255, 9000, np.uint8).tobytes()
DEFLATE, LZW, JPEG = 8, 5, 7

WALK = """
import resource, sys
limit = int(sys.argv[1]) << 20
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
from smalldet.imagery import open_scene
import numpy as np
for path in sys.argv[2:]:
    try:
        with open_scene(path) as scene:
            x, y = (np.arange(0, side, 640) for side in (scene.width, scene.height))
            corners = np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2)
            ends = np.minimum(corners + 640, (scene.width, scene.height))
            windows = np.concatenate((corners, ends), axis=1)
            windows = windows[scene.has_data(windows)]
            found = [scene.read_data(tuple(w)) for w in windows.tolist()[:500]]
            print(len(windows), "tiles", sum(int(f.sum()) for f in found if f is not None))
    except ValueError as error:
        print(error)
"""


def walked(*paths, limit_mb=1200) -> list[str]:
    """What a process of so much memory says of each picture, going through it tile by tile."""
    command = [sys.executable, "-c", WALK, str(limit_mb), *map(str, paths)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def tiff(width, height, rows_per_strip, num_strips, compression=1, data=NOISE, big=False):
    """A TIFF of one 8 bit band whose strips share out `data`."""
    size = len(data) // num_strips
    base = 16 if big else 8
    offsets = [base + size * number for number in range(num_strips)]
    tags = [(256, [width]), (257, [height]), (258, [8]), (259, [compression]), (262, [1])]
    tags += [(273, offsets), (277, [1]), (278, [rows_per_strip]), (279, [size] * num_strips)]
    form, place = ("Q", 8) if big else ("I", 4)
    kind = 16 if big else 4
    at = base + len(data)
    entries, extra = b"", b""
    head = "<HHQ" if big else "<HHI"
    after = at + (8 if big else 2) + len(tags) * (20 if big else 12) + place
    for tag, values in tags:
        packed = struct.pack(f"<{len(values)}{form}", *values)
        if len(packed) > place:
            packed, extra = struct.pack(f"<{form}", after + len(extra)), extra + packed
        entries += struct.pack(head, tag, kind, len(values)) + packed
    count = struct.pack("<Q" if big else "<H", len(tags))
    start = b"II+\0\x08\0\0\0" if big else b"II*\0"
    return start + struct.pack(f"<{form}", at) + data + count + entries + bytes(place) + extra


def test_tiffs_that_claim_more_than_they_list(tmp_path):
    sizes = [(855_638_080, 30, 1), (100, 10**7, 3), (100, 10**7, 10**7), (900_000, 9000, 300)]
    cases = itertools.product(sizes, (1, DEFLATE, LZW, JPEG), (False, True))
    paths = []
    for number, ((width, height, rows), compression, big) in enumerate(cases):
        paths.append(tmp_path / f"{number}.tif")
        num_strips = min(30, -(-height // rows))
        paths[-1].write_bytes(tiff(width, height, rows, num_strips, compression, big=big))
    said = walked(*paths, limit_mb=700)
    for path, line in zip(paths, said, strict=True):
        assert line.startswith(f"{path}: is damaged or cut short: its header claims "), line


def test_sound_small_tiffs_open(tmp_path):
    for big in (False, True):
        path = tmp_path / "a.tif"
        path.write_bytes(tiff(100, 90, 3, 30, big=big))
        with open_scene(path) as scene:
            values = scene.read((0, 0, 100, 90))[0]
        assert values.tobytes() == NOISE
        packed = zlib.compress(bytes(900_000), 9)  # near the most that Deflate can pack
        path.write_bytes(tiff(1000, 900, 900, 1, DEFLATE, packed, big))
        with open_scene(path) as scene:
            assert scene.read((0, 0, 1000, 900)).max() == 0


@pytest.mark.parametrize("options", [{}, {"tiled": True, "blockxsize": 64, "blockysize": 64}])
@pytest.mark.parametrize("compress", ["none", "lzw", "deflate", "packbits", "zstd", "jpeg", "lerc"])
@pytest.mark.parametrize("interleave", ["band", "pixel"])
@pytest.mark.parametrize("kind", ["flat", "noise"])
def test_files_that_gdal_writes_are_sound(tmp_path, options, compress, interleave, kind):
    path = tmp_path / "a.tif"
    values = np.full((3, 300, 400), 9, np.uint8)
    if kind == "noise":
        values = np.random.default_rng(0).integers(0, 255, values.shape, np.uint8)
    write(path, values, compress=compress, interleave=interleave, **options)
    with open_scene(path) as scene:
        found = scene.read((0, 0, 400, 300))
    if kind == "flat" or compress != "jpeg":
        assert np.array_equal(found, values)


@pytest.mark.parametrize("compress", ["none", "deflate"])
def test_a_tiff_that_is_cut_short_is_told_when_it_is_opened(tmp_path, compress):
    path = tmp_path / "cut.tif"
    values = np.random.default_rng(0).integers(0, 255, (3, 300, 400), np.uint8)
    write(path, values, compress=compress)
    path.write_bytes(path.read_bytes()[:-5000])
    with pytest.raises(ValueError, match=r"cut\.tif: is damaged or cut short"):
        open_scene(path)


@pytest.mark.parametrize("interleave", ["band", "pixel"])
def test_what_a_sparse_tiff_does_not_store_is_skipped(tmp_path, interleave):
    path = tmp_path / "sparse.tif"
    size = 200_000
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        with rasterio.open(
            path,
            "w",
            driver="GTiff",
            width=size,
            height=size,
            count=2,
            dtype="uint8",
            tiled=True,
            blockxsize=512,
            blockysize=512,
            compress="deflate",
            interleave=interleave,
            SPARSE_OK=True,
        ) as file:
            part = Window(5000, 150_000, 300, 300)  # pyright: ignore[reportCallIssue]
            file.write(np.full((300, 300), 7, np.uint8), 1, window=part)
    num_tiles, _, total = walked(path)[0].split()
    assert int(total) == 7 * 300 * 300 * 3  # one band is shown three times
    assert int(num_tiles) <= 9
    with open_scene(path) as scene:
        assert scene.read_data((0, 0, 640, 640)) is None
        assert not scene.valid((0, 0, 640, 640))
        assert scene.valid((4900, 149_900, 5540, 150_540))
        assert not scene.read((0, 0, 640, 640)).any()  # asked for it, they are 0 as before


@pytest.mark.parametrize("nodata", [None, 0, 255])
@pytest.mark.parametrize("smooth", [False, True])
def test_a_sparse_file_scaled_down_is_the_same_in_parts(tmp_path, monkeypatch, nodata, smooth):
    path = tmp_path / "sparse.tif"
    options = {"tiled": True, "blockxsize": 64, "blockysize": 64, "SPARSE_OK": True}
    values = np.full((2, 640, 512), nodata or 0, np.uint8)
    values[:, 130:200, 70:300] = np.random.default_rng(0).integers(1, 250, (2, 70, 230), np.uint8)
    write(path, values, nodata=nodata, compress="deflate", **options)
    with open_scene(path) as scene:
        assert not scene.has_data([0, 320, 512, 640])[0]
        whole = (0, 0, 512, 640)
        expected, mask = scene._pixels.read([1, 2], whole, (40, 32), smooth)
        monkeypatch.setattr(rasters, "SPARSE_PX", 0)
        found, mask_found = scene._pixels.read([1, 2], whole, (40, 32), smooth)
    assert np.array_equal(found, expected)
    all_valid = np.ones((40, 32), dtype=bool)
    assert np.array_equal(
        all_valid if mask is None else mask, all_valid if mask_found is None else mask_found
    )


@given(st.integers(0, 2**32), st.integers(1, 9), st.integers(1, 9))
@settings(max_examples=50)
def test_few_and_many_windows_are_told_alike(seed, height_px, width_px):
    rng = np.random.default_rng(seed)
    filled = rng.random((7, 5)) < 0.2
    blocks = TiffBlocks(filled, height_px, width_px)
    width, height = 5 * width_px, 7 * height_px
    low = rng.integers(0, (width, height), (100, 2))
    high = rng.integers(low, (width, height)) + 1
    windows = np.concatenate((low, high), axis=1)
    pixels_filled = filled.repeat(height_px, axis=0).repeat(width_px, axis=1)
    expected = [pixels_filled[y1:y2, x1:x2].any() for x1, y1, x2, y2 in windows.tolist()]
    assert blocks.any_in(windows).tolist() == expected
    assert [bool(blocks.any_in(window[None])[0]) for window in windows] == expected


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "P"])
def test_a_png_that_is_cut_short_by_a_byte(tmp_path, mode):
    path = tmp_path / "cut.png"
    values = np.random.default_rng(0).integers(0, 255, (40, 50, 4), np.uint8)
    Image.fromarray(values).convert(mode).save(path)
    whole = path.read_bytes()
    for num_missing in range(1, 40):
        path.write_bytes(whole[:-num_missing])
        with pytest.raises(ValueError, match=r"cut\.png: "):
            open_scene(path)
    path.write_bytes(whole + b"more")
    open_scene(path).close()


def test_a_large_png_is_decoded_without_copies(tmp_path):
    path = tmp_path / "large.png"
    Image.new("RGB", (8000, 8000), (1, 2, 3)).save(path)  # 256 MB in Pillow, 192 MB as an array
    assert walked(path, limit_mb=900)[0].startswith("169 tiles")


@pytest.mark.parametrize("mode", ["1", "L", "P", "PA", "LA", "RGB", "RGBA", "CMYK", "I;16", "F"])
def test_rows_copied_in_parts_are_the_same(monkeypatch, mode):
    values = np.random.default_rng(0).integers(0, 255, (41, 50, 3), np.uint8)
    picture = Image.fromarray(values).convert({"I;16": "I", "PA": "P"}.get(mode, mode))
    picture = picture.convert(mode)
    bands = list(range(1, pixels.pil_pixels(picture).num_bands + 1))
    expected, mask = pixels.pil_pixels(picture).read(bands, (0, 0, 50, 41))
    monkeypatch.setattr(pixels, "BAND_PX", 300)
    found, mask_found = pixels.pil_pixels(picture).read(bands, (0, 0, 50, 41))
    assert expected.dtype == found.dtype
    assert np.array_equal(expected, found)
    assert mask is None or np.array_equal(mask, mask_found)


def write(path, values, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        with rasterio.open(
            path,
            "w",
            driver="GTiff",
            count=len(values),
            height=values.shape[1],
            width=values.shape[2],
            dtype=values.dtype,
            **options,
        ) as file:
            file.write(values)
