"""Files, folders and patterns become a list of pictures; what is missing is said."""

import pytest

from smalldet.imagery.sources import expand_sources


@pytest.fixture
def folder(tmp_path):
    for name in ("b.jpg", "a.TIF", "notes.txt", "deep/c.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    return tmp_path


def test_folders_and_patterns_are_sorted_and_each_picture_comes_once(folder):
    first, second, deep = (str(folder / n) for n in ("a.TIF", "b.jpg", "deep/c.png"))
    assert expand_sources([folder]) == [first, second]
    assert expand_sources([f"{folder}/*"]) == [first, second]
    assert expand_sources([f"{folder}/**/*"]) == [first, second, deep]
    assert expand_sources([second, folder, deep]) == [second, first, deep]


def test_a_named_file_is_taken_whatever_it_is_called(folder):
    assert expand_sources([folder / "notes.txt"]) == [str(folder / "notes.txt")]


def test_a_file_with_pattern_signs_in_its_name(folder):
    (folder / "scene[1].tif").touch()
    assert expand_sources([f"{folder}/scene[1].tif"]) == [f"{folder}/scene[1].tif"]


def test_remote_sources_stay_as_they_are():
    remote = ["https://host/a.tif", "s3://bucket/a.tif", "/vsicurl/https://host/a.tif"]
    assert expand_sources(remote) == remote


def test_missing_ones_are_errors(folder):
    for wrong in ("gone.tif", "gone/*.tif", "*.webp"):
        with pytest.raises(FileNotFoundError, match=r"gone|webp"):
            expand_sources([folder / wrong])
    (folder / "empty").mkdir()
    with pytest.raises(ValueError, match="no pictures in this folder"):
        expand_sources([folder / "empty"])
    with pytest.raises(ValueError, match="no pictures given"):
        expand_sources([])
