"""Whatever is wrong with a file, one clear error names it."""

import struct
import zipfile
import zlib

import numpy as np
import pytest
from PIL import Image

from smalldet.imagery import files, open_scene


def noise(height=200, width=300):
    return np.random.default_rng(0).integers(0, 255, (height, width, 3), np.uint8)


def png_claiming(width: int, height: int) -> bytes:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return (
            struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        )

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    parts = (b"IHDR", header), (b"IDAT", zlib.compress(bytes(1000))), (b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*part) for part in parts)


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".tif", ".webp"])
def test_cut_short(tmp_path, suffix):
    whole, cut = tmp_path / f"whole{suffix}", tmp_path / f"cut{suffix}"
    Image.fromarray(noise()).save(whole)
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    with (
        pytest.raises(ValueError, match=r"cut\.\w+: (is damaged|cannot be read)"),
        open_scene(cut) as scene,
    ):
        scene.read((0, 0, scene.width, scene.height))


def test_not_a_picture(tmp_path):
    (tmp_path / "a.png").write_text("hello " * 50)
    (tmp_path / "b.tif").write_bytes(b"")
    with pytest.raises(ValueError, match=r"a\.png: cannot be read as a picture"):
        open_scene(tmp_path / "a.png")
    with pytest.raises(ValueError, match=r"b\.tif: is an empty file"):
        open_scene(tmp_path / "b.tif")
    with pytest.raises(ValueError, match="is a folder"):
        open_scene(tmp_path)
    with pytest.raises(FileNotFoundError, match=r"c\.tif: no such file"):
        open_scene(tmp_path / "c.tif")


def test_header_that_claims_too_much(tmp_path):
    (tmp_path / "bomb.png").write_bytes(png_claiming(10**6, 10**6))
    with pytest.raises(ValueError, match=r"bomb\.png: its header claims 1000000 x 1000000 px"):
        open_scene(tmp_path / "bomb.png")
    (tmp_path / "large.png").write_bytes(png_claiming(12_500, 12_500))
    with pytest.raises(ValueError, match=r"large\.png: its header claims 12500 x 12500 px"):
        open_scene(tmp_path / "large.png")
    (tmp_path / "small.png").write_bytes(png_claiming(2000, 2000))
    with pytest.raises(ValueError, match=r"small\.png: is damaged or cut short"):
        open_scene(tmp_path / "small.png")


def test_pictures_too_large_to_decode_are_read_by_windows(tmp_path, monkeypatch):
    values = noise()
    Image.fromarray(values).save(tmp_path / "a.png")
    monkeypatch.setattr(files, "MAX_DECODED_PX", 1000)
    with open_scene(tmp_path / "a.png") as scene:
        for x1, y1, x2, y2 in ((100, 150, 140, 190), (0, 0, 300, 20)):
            assert np.array_equal(
                scene.read((x1, y1, x2, y2)), np.moveaxis(values[y1:y2, x1:x2], 2, 0)
            )
    exif = Image.Exif()
    exif[274] = 6
    Image.fromarray(values).save(tmp_path / "turned.jpg", exif=exif)
    with pytest.raises(ValueError, match=r"turned\.jpg: .* orientation 6"):
        open_scene(tmp_path / "turned.jpg")


def test_a_closed_scene_says_so(tmp_path):
    Image.fromarray(noise()).save(tmp_path / "a.tif")
    scene = open_scene(tmp_path / "a.tif")
    scene.close()
    with pytest.raises(ValueError, match="is closed"):
        scene.read((0, 0, 5, 5))


def test_a_stripped_url_reaches_gdal_whole():
    with pytest.raises(ValueError, match=r"^/vsicurl/http://127\.0\.0\.1:9/a\.tif: cannot be read"):
        open_scene("/vsicurl/http://127.0.0.1:9/a.tif")


def test_members_of_archives_open(tmp_path):
    Image.fromarray(noise()).save(tmp_path / "a.tif")
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.write(tmp_path / "a.tif", "a.tif")
    with open_scene(f"/vsizip/{tmp_path}/a.zip/a.tif") as scene:
        assert (scene.width, scene.height) == (300, 200)
