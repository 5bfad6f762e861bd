"""Every file is read whole, once, and what it shows is kept small."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine
from PIL import Image

from smalldet.checking.looking import look_at, look_at_all


def test_a_look_tells_size_colour_and_why_not(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    Image.fromarray(rng.integers(0, 255, (50, 80, 3), dtype=np.uint8)).save(tmp_path / "a.png")
    Image.new("L", (40, 30), 7).save(tmp_path / "plain.png")
    (tmp_path / "none.jpg").write_bytes(b"")
    seen = look_at(tmp_path / "a.png")
    assert (seen.width, seen.height, seen.plain, seen.error) == (80, 50, False, None)
    assert seen.thumb is not None and seen.thumb.shape == (16, 16)
    assert look_at(tmp_path / "plain.png").plain
    assert look_at(tmp_path / "none.jpg").error == "is an empty file"
    assert look_at(tmp_path / "gone.jpg").error == "no such file"


def test_a_large_raster_is_read_to_its_last_window(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Damage in the last block shows; the copy is of the whole picture; metres are known."""
    path = tmp_path / "a.tif"
    pixels = np.zeros((3, 256, 256), dtype=np.uint8)
    pixels[:, 128:, 128:] = np.random.default_rng(0).integers(100, 255, (3, 128, 128))
    with rasterio.open(
        path, "w", driver="GTiff", width=256, height=256, count=3, dtype="uint8", tiled=True,
        blockxsize=64, blockysize=64, compress="deflate", crs="EPSG:32633",
        transform=Affine(0.5, 0, 500_000, 0, -0.5, 5_400_000),
    ) as file:  # fmt: skip
        file.write(pixels)
    monkeypatch.setattr("smalldet.checking.looking.WINDOW_PX", 100)
    seen = look_at(path)
    assert seen.error is None and seen.gsd_m == pytest.approx(0.5, rel=1e-3) and not seen.plain
    assert seen.thumb is not None and seen.thumb[:7, :7].max() == 0 and seen.thumb[10:, 10:].any()
    content = bytearray(path.read_bytes())
    content[-9000:-200] = b"\xff" * 8800
    path.write_bytes(content)
    assert look_at(path).error is not None


def test_a_file_that_is_named_twice_is_read_once(tmp_path: Path) -> None:
    Image.new("L", (40, 30)).save(tmp_path / "a.png")
    steps: list[tuple[int, int]] = []
    looks = look_at_all([tmp_path / "a.png"] * 3, lambda done, total: steps.append((done, total)))
    assert list(looks) == [tmp_path / "a.png"] and steps == [(1, 1)]
