"""Sizes from headers are those that GDAL reads, and what is no picture is named."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from smalldet.data.formats.picture_files import picture_size, picture_sizes, pictures_in
from smalldet.data.formats.picture_links import distinct_names


@pytest.mark.parametrize("suffix", ["png", "jpg", "bmp", "tif", "webp"])
@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_sizes_are_those_of_gdal(tmp_path: Path, suffix: str, mode: str):
    path = tmp_path / f"a.{suffix}"
    exif = Image.Exif()
    exif[0x0112] = 6  # turned on the screen, but not in its rows
    exif[0x010E] = "x" * 3000  # the frame's header comes late
    Image.new(mode, (37, 21)).save(path, exif=exif)
    assert picture_sizes([path]).tolist() == [[37, 21]] == [list(picture_size(path))]


@pytest.mark.parametrize("progressive", [False, True])
def test_progressive_jpeg(tmp_path: Path, progressive: bool):
    path = tmp_path / "a.jpg"
    Image.new("RGB", (300, 200)).save(path, progressive=progressive, comment="y" * 60_000)
    assert picture_sizes([path]).tolist() == [[300, 200]]


@pytest.mark.parametrize(
    "raw", [b"", b"\xff\xd8", b"\xff\xd8\xff\xc0\x00\x0b\x08\x00\x00", b"\x89PNG\r\n\x1a\n", b"no"]
)
def test_what_is_no_picture_is_named(tmp_path: Path, raw: bytes):
    path = tmp_path / "a.png"
    path.write_bytes(raw)
    with pytest.raises(ValueError, match=r"a\.png"):
        picture_sizes([path])
    with pytest.raises(FileNotFoundError, match=r"b\.png"):
        picture_sizes([tmp_path / "b.png"])


def test_hidden_files_and_others_are_no_pictures(tmp_path: Path):
    for name in ("b.PNG", "a.jpg", "._a.jpg", "notes.txt", "deep/c.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert [path.name for path in pictures_in(tmp_path)] == ["a.jpg", "b.PNG"]
    assert [path.name for path in pictures_in(tmp_path, deep=True)] == ["a.jpg", "b.PNG", "c.png"]
    with pytest.raises(FileNotFoundError, match="no such folder of pictures"):
        pictures_in(tmp_path / "gone")


names = st.sampled_from(["a.png", "A.png", "a.jpg", "a_2.png", "a_2.jpg", "a_3.png", "b.png"])


@given(st.lists(names))
def test_names_are_distinct_and_the_first_of_a_stem_keeps_its_own(drawn):
    paths = [Path(f"{number}/{name}") for number, name in enumerate(drawn)]
    made = [Path(name) for name in distinct_names(paths)]
    assert len({name.stem.casefold() for name in made}) == len(made)
    assert [name.suffix for name in made] == [path.suffix for path in paths]
    seen: set[str] = set()
    for path, name in zip(paths, made, strict=True):
        if path.stem.casefold() not in seen:
            assert name.name == path.name
        seen.add(path.stem.casefold())


def test_ten_thousand_of_one_name_take_no_time():
    made = distinct_names([Path(f"{number}/a.png") for number in range(10_000)])
    assert len(set(made)) == 10_000 and made[1] == "a_2.png"
