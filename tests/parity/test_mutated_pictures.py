"""Broken pictures are read soundly or refused by name: no traceback, no gigabytes, no half picture.

A picture that is cut short must not be read as another one, nor one whose checksums are wrong.
"""

from __future__ import annotations

import io
import random
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine
from numpy.typing import NDArray
from PIL import Image
from rasterio.errors import NotGeoreferencedWarning

from smalldet.imagery import open_scene
from tests.parity.mutations import a_picture
from tests.parity.outcomes import Judge, Tally, bounded_memory, num_cases

RNG = np.random.default_rng(0)
COLOURS = RNG.integers(0, 255, (48, 64, 3), np.uint8)
COLOURS[:24] //= 32
MAX_WINDOWS = 64
WINDOW_PX = 640
MEMORY_BYTES = 1 << 30
CHECKED = ("png",)


def by_pillow(kind: str, mode: str = "RGB", **options: object) -> Callable[[], bytes]:
    def made() -> bytes:
        file = io.BytesIO()
        picture = Image.fromarray(COLOURS).convert(mode)
        picture.save(file, kind, **options)  # pyright: ignore[reportArgumentType]
        return file.getvalue()

    return made


def by_gdal(dtype: str = "uint8", **options: object) -> Callable[[], bytes]:
    def made() -> bytes:
        values = np.moveaxis(COLOURS, 2, 0).astype(dtype)
        with warnings.catch_warnings(), rasterio.MemoryFile() as memory:
            warnings.simplefilter("ignore", NotGeoreferencedWarning)
            with memory.open(
                driver="GTiff", width=64, height=48, count=3, dtype=dtype, **options
            ) as file:
                file.write(values)
            return memory.read()

    return made


TILED = {"tiled": True, "blockxsize": 16, "blockysize": 16}
ON_EARTH = {"crs": "EPSG:32633", "transform": Affine(0.5, 0, 500_000, 0, -0.5, 5_400_000)}
PICTURES: dict[str, Callable[[], bytes]] = {
    "png": by_pillow("PNG"),
    "palette.png": by_pillow("PNG", "P"),
    "deep.png": by_pillow("PNG", "I;16"),
    "alpha.png": by_pillow("PNG", "RGBA"),
    "jpg": by_pillow("JPEG"),
    "progressive.jpg": by_pillow("JPEG", progressive=True),
    "bmp": by_pillow("BMP"),
    "gif": by_pillow("GIF", "P"),
    "webp": by_pillow("WebP"),
    "lossless.webp": by_pillow("WebP", lossless=True),
    "pillow.tif": by_pillow("TIFF"),
    "lzw.tif": by_gdal(compress="lzw"),
    "deflate.tif": by_gdal(compress="deflate", **TILED, **ON_EARTH),
    "plain.tif": by_gdal(**ON_EARTH),
    "big.tif": by_gdal(bigtiff="YES", compress="zstd", **TILED),
    "jpeg.tif": by_gdal(compress="jpeg", photometric="ycbcr", **TILED),
    "float.tif": by_gdal("float32", nodata=3.0, compress="lzw", **ON_EARTH),
    "sparse.tif": by_gdal(sparse_ok=True, **TILED, **ON_EARTH),
}
SHARE = 0.1 / len(PICTURES)


def pixels_of(path: Path) -> tuple[int, int, list[NDArray[np.uint8] | None]]:
    """What a prediction reads of a picture: its first windows with data."""
    with open_scene(path) as scene:
        across, down = (np.arange(0, side, WINDOW_PX)[:8] for side in (scene.width, scene.height))
        corners = np.stack(np.meshgrid(across, down), axis=-1).reshape(-1, 2)
        ends = np.minimum(corners + WINDOW_PX, (scene.width, scene.height))
        windows = np.concatenate((corners, ends), axis=1)
        found = [
            scene.read_data((x1, y1, x2, y2))
            for x1, y1, x2, y2 in windows[scene.has_data(windows)][:MAX_WINDOWS].tolist()
        ]
        return scene.width, scene.height, found


def equal(
    one: tuple[int, int, list[NDArray[np.uint8] | None]],
    other: tuple[int, int, list[NDArray[np.uint8] | None]],
) -> bool:
    if one[:2] != other[:2] or len(one[2]) != len(other[2]):
        return False
    return all(
        a is b if a is None or b is None else np.array_equal(a, b)
        for a, b in zip(one[2], other[2], strict=True)
    )


@pytest.mark.parametrize("name", PICTURES)
@pytest.mark.parametrize("usual", [20, pytest.param(600, marks=pytest.mark.slow)])
@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
def test_broken_pictures(
    name: str, usual: int, tmp_path: Path, record_outcomes: Callable[[str, Tally], None]
):
    raw = PICTURES[name]()
    path = tmp_path / f"[b]{name}"
    path.write_bytes(raw)
    sound = pixels_of(path)
    rng, tally = random.Random(name), Tally()
    with bounded_memory(MEMORY_BYTES):
        for _ in range(num_cases(usual, SHARE) if usual > 20 else usual):
            mutation = a_picture(raw, rng)
            path.write_bytes(mutation.raw)
            wrong = mutation.kind == "cut" or name.endswith(CHECKED)

            def fault(_: object, wrong: bool = wrong) -> str | None:
                return "other pixels" if wrong else None

            judge = Judge(lambda: pixels_of(path), path, lambda value: equal(value, sound), fault)
            tally.add(judge(), f"{mutation.kind}: {mutation.raw[:80]!r}, {len(mutation.raw)} bytes")
    record_outcomes(f"pictures: {name}", tally)
    assert not tally.faults, tally.faults
