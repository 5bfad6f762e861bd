"""Splits stay where they are, and never share a place."""

import shutil
from dataclasses import replace

import numpy as np
import pytest
import rasterio
from affine import Affine
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from smalldet.data.footprints import Footprints, overlapping
from smalldet.data.index import ImageRecord, Index
from smalldet.data.splits import by_ground, by_list, by_share, shared, shared_among

HALVES = {"train": 0.5, "val": 0.5}


def index_of(paths):
    none = np.zeros(0, dtype=bool)
    boxes, labels = np.zeros((0, 4), np.float32), np.zeros(0, np.int64)
    return Index(
        ("car",),
        tuple(
            ImageRecord(path, 100, 100, boxes, labels, none, none, number)
            for number, path in enumerate(paths, start=1)
        ),
    )


def names(split):
    return [record.path.name for record in split.records]


def placed(path, x, y, crs="EPSG:32633", scale=1.0, value=0):
    with rasterio.open(
        path,
        "w",
        driver="GTiff",
        width=100,
        height=100,
        count=1,
        dtype="uint8",
        crs=crs,
        transform=Affine(scale, 0, x, 0, -scale, y),
    ) as file:
        file.write(np.full((1, 100, 100), value, np.uint8))
    return path


@given(st.sets(st.text("abcdef0123", min_size=1, max_size=6), min_size=30), st.integers(0, 99))
def test_pictures_stay_in_their_split_when_others_come(tmp_path_factory, stems, seed):
    folder = tmp_path_factory.getbasetemp()
    paths = [folder / f"{stem}.tif" for stem in sorted(stems)]
    try:
        before = by_share(index_of(paths[::2]), HALVES, seed)
        after = by_share(index_of(paths[::-1]), HALVES, seed)
    except ValueError:
        return  # one in a thousand: all on one side
    for split in HALVES:
        assert set(names(before[split])) <= set(names(after[split]))
    assert sum(map(len, after.values())) == len(paths)


def test_shares_are_about_those_asked_for(tmp_path):
    index = index_of([tmp_path / f"{n}.png" for n in range(4000)])
    splits = by_share(index, {"train": 0.7, "val": 0.2, "test": 0.1})
    assert [round(len(split) / 4000, 1) for split in splits.values()] == [0.7, 0.2, 0.1]
    other = by_share(index, {"train": 0.7, "val": 0.2, "test": 0.1}, seed=1)
    assert names(other["test"]) != names(splits["test"])
    for wrong in ({}, {"train": 1.2, "val": -0.2}, {"train": 0.5}, {"a": float("nan"), "b": 1}):
        with pytest.raises(ValueError, match="shares must be positive and add up to 1"):
            by_share(index, wrong)
    with pytest.raises(ValueError, match=r"1 pictures leave \w+ without a picture"):
        by_share(index_of([tmp_path / "a.png"]), HALVES)


def test_lists(tmp_path):
    paths = [tmp_path / name for name in ("a/1.tif", "b/1.tif", "b/2.x.tif", "3.tif")]
    index = index_of(paths)
    splits = by_list(index, {"train": ["a/1", "2.x", ""], "val": [" b/1.tif\n"]})
    assert [record.path for record in splits["train"].records] == [paths[0], paths[2]]
    assert [record.path for record in splits["val"].records] == [paths[1]]
    splits = by_list(index, {"val": [str(paths[0])]}, rest="train")
    assert {name: len(split) for name, split in splits.items()} == {"val": 1, "train": 3}
    with pytest.raises(ValueError, match=r"list of val names '1': 2 pictures have it"):
        by_list(index, {"val": ["1"]})
    with pytest.raises(ValueError, match=r"list of val names '4\.tif': no picture"):
        by_list(index, {"val": ["4.tif"]})
    with pytest.raises(ValueError, match=r"3\.tif: the lists of train and val both name it"):
        by_list(index, {"train": ["3"], "val": ["3.tif"]})


def test_places_that_overlap_stay_together(tmp_path):
    rng = np.random.default_rng(0)
    paths = []
    for place in range(12):
        x, y = 400_000 + 1000 * place, 5_400_000
        for date in range(4):
            dx, dy = rng.integers(-60, 60, 2)
            paths.append(placed(tmp_path / f"{place}_{date}.tif", x + dx, y + dy))
    index = index_of(paths)
    splits = by_ground(index, HALVES)
    places = [{name.split("_")[0] for name in names(split)} for split in splits.values()]
    assert not places[0] & places[1]
    assert len(places[0] | places[1]) == 12
    assert not shared_among(splits)
    # more dates of other places change nothing for those that are there
    more = index_of([p for p in paths if not p.name.startswith("3_")])
    for name, split in by_ground(more, HALVES).items():
        assert set(names(split)) <= set(names(splits[name]))


def test_chains_of_pictures_are_one_place(tmp_path):
    paths = [placed(tmp_path / f"{n}.tif", 400_000 + 60 * n, 5_400_000) for n in range(8)]
    with pytest.raises(ValueError, match="1 places leave"):
        by_ground(index_of(paths), HALVES)


def test_what_overlaps(tmp_path):
    a = placed(tmp_path / "a.tif", 500_000, 5_400_000)
    touching = placed(tmp_path / "b.tif", 500_100, 5_400_000)
    one_pixel = placed(tmp_path / "c.tif", 499_901, 5_400_000)
    # the same ground in degrees, and in the neighbouring zone
    degrees = placed(tmp_path / "d.tif", 15.0, 48.75306, "EPSG:4326", 1e-5)
    paths = [a, touching, one_pixel, degrees]
    one = Footprints.of([a])
    assert overlapping(one, Footprints.of(paths))[:, 1].tolist() == [0, 2, 3]
    west = placed(tmp_path / "e.tif", 179.9995, 0, "EPSG:4326", 1e-5)
    east = placed(tmp_path / "f.tif", -180.0002, 0, "EPSG:4326", 1e-5)
    assert len(overlapping(Footprints.of([west]), Footprints.of([east]))) == 1
    with pytest.raises(ValueError, match=r"plain\.png: has no georeference, and no other"):
        Image.new("L", (9, 9)).save(tmp_path / "plain.png")
        by_ground(index_of([tmp_path / "plain.png"]), HALVES)


def test_what_two_splits_share(tmp_path):
    a = placed(tmp_path / "a.tif", 500_000, 5_400_000)
    later = placed(tmp_path / "later.tif", 500_050, 5_400_000, value=9)
    copy = tmp_path / "copy.tif"
    shutil.copy(a, copy)
    for name, colour in [("x", 1), ("y", 1), ("z", 2)]:
        Image.new("L", (9, 9), colour).save(tmp_path / f"{name}.png")
    first = index_of([a, tmp_path / "x.png"])
    (tmp_path / "other").mkdir()
    same = tmp_path / "other" / ".." / "a.tif"
    second = index_of([same, copy, later, tmp_path / "y.png", tmp_path / "z.png"])
    found = shared(first, second)
    assert found.files == ((a, same),)
    assert found.contents == ((a, copy), (tmp_path / "x.png", tmp_path / "y.png"))
    assert found.ground == ((a, later),)
    lines = found.warnings()
    assert lines[0].startswith("train and val share pictures: ")
    assert "later.tif" in lines[2]
    assert shared_among({"train": first, "val": second, "test": index_of([])}) == {
        ("train", "val"): found
    }
    assert not shared(first, replace(second, records=second.records[-1:]))


def test_real_dates_of_one_place(shared_dir):
    folder = shared_dir / "data" / "naip_trees_dates" / "images"
    if not folder.is_dir():
        pytest.skip("no dated pictures of trees")
    index = index_of(sorted(folder.iterdir()))
    splits = by_ground(index, {"train": 0.8, "val": 0.2})
    places = [
        {n.rsplit("_", 2)[0] + n.rsplit("_", 1)[1] for n in names(s)} for s in splits.values()
    ]
    assert not places[0] & places[1]
    assert not shared_among(splits)
    mixed = by_share(index, {"train": 0.8, "val": 0.2})
    assert shared(mixed["train"], mixed["val"]).ground
