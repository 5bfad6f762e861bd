"""Pictures: padded windows, and a cache that keeps within its memory."""

import pickle
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from smalldet.data.index import ImageRecord
from smalldet.data.pictures import PAD_VALUE, Pictures


def saved(path: Path, pixels: np.ndarray) -> ImageRecord:
    Image.fromarray(pixels).save(path)
    none = np.zeros(0, dtype=bool)
    return ImageRecord(
        path, pixels.shape[1], pixels.shape[0], np.zeros((0, 4), np.float32),
        np.zeros(0, np.int64), none, none, image_id=0,
    )  # fmt: skip


@pytest.mark.parametrize("cache_mb", [16, 0.001])
def test_windows_are_padded_with_grey(tmp_path: Path, cache_mb: float):
    """The same from the cache and from a file that is too large for it."""
    pixels = np.random.default_rng(0).integers(0, 256, (40, 60, 3), dtype=np.uint8)
    pictures = Pictures(cache_mb)
    record = saved(tmp_path / "a.png", pixels)
    np.testing.assert_array_equal(pictures.read(record, (5, 7, 25, 37)), pixels[7:37, 5:25])
    over = pictures.read(record, (50, -10, 70, 10))
    np.testing.assert_array_equal(over[10:, :10], pixels[:10, 50:])
    assert (over[:10] == PAD_VALUE).all() and (over[:, 10:] == PAD_VALUE).all()
    assert (pictures.read(record, (100, 0, 110, 10)) == PAD_VALUE).all()


def test_grey_pictures_keep_one_band(tmp_path: Path):
    record = saved(tmp_path / "a.png", np.arange(100, dtype=np.uint8).reshape(10, 10))
    assert Pictures().read(record, (0, 0, 10, 10)).shape == (10, 10, 1)


def test_what_was_used_last_stays_decoded(tmp_path: Path):
    """Room for four pictures: the fifth displaces the one unused for longest, and no other."""
    pixels = np.random.default_rng(0).integers(0, 256, (100, 100, 3), dtype=np.uint8)
    records = [saved(tmp_path / f"{i}.png", pixels) for i in range(5)]
    pictures = Pictures(cache_mb=4.5 * pixels.nbytes / 2**20)
    window = (0, 0, 100, 100)
    for i in (0, 1, 2, 3, 0, 4):
        pictures.read(records[i], window)
    for record in records:
        record.path.unlink()
    for i in (0, 2, 3, 4):
        pictures.read(records[i], window)
    with pytest.raises(FileNotFoundError, match=r"1\.png"):
        pictures.read(records[1], window)


def test_the_cache_does_not_travel_to_workers(tmp_path: Path):
    record = saved(tmp_path / "a.png", np.zeros((200, 200, 3), dtype=np.uint8))
    pictures = Pictures()
    pictures.read(record, (0, 0, 200, 200))
    assert len(pickle.dumps(pictures)) < 1000
