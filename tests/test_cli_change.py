"""Changes through the real command line: what became of objects, shifts, clouds, zones, dates."""

from __future__ import annotations

import csv
import json
import re
import sqlite3
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import shapely
import torch
from affine import Affine
from pyogrio import raw

import smalldet
from smalldet.inference.options import MapOptions
from smalldet.inference.writers import write
from tests.inference.conftest import TRANSFORM, make_result

__all__ = ["make_result"]

SIDE_PX = 8  # 4 m
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def change(run_verb: Callable[..., Any]) -> Run:
    """Runs `smalldet change`; its exit status, and what it says on stdout and stderr."""
    return partial(run_verb, "change")


@pytest.fixture
def predictions(tmp_path: Path, make_result: Callable[..., Any]) -> Callable[..., Path]:
    """Writes predictions of squares round places in pixels, of a picture that is not there."""

    def written(name: str, places: Any, **options: Any) -> Path:
        xy = np.asarray(places, dtype=np.float64).reshape(-1, 2)
        boxes = np.concatenate([xy - SIDE_PX / 2, xy + SIDE_PX / 2], axis=1)
        maps, one_class = options.pop("maps", MapOptions()), options.pop("one_class", False)
        result = make_result(boxes.tolist(), "lost.tif", **options)
        if one_class:  # else they take turns, by their rows
            found = result.detections
            found = replace(found, labels=torch.zeros_like(found.labels))
            result = replace(result, detections=found)
        write(tmp_path / name, [result], maps)
        return tmp_path / name

    return written


def picture(
    path: Path,
    transform: Affine = TRANSFORM,
    empty_from: int | None = None,
    crs: str | None = "EPSG:32633",
) -> Path:
    """A picture of 2000 x 1000 px, without data from a column on."""
    values = np.full((1000, 2000), 9, dtype=np.uint8)
    values[:, empty_from or 2000 :] = 0
    with rasterio.open(
        path, "w", driver="GTiff", width=2000, height=1000, count=1, dtype="uint8", nodata=0,
        crs=crs, transform=transform,
    ) as file:  # fmt: skip
        file.write(values, 1)
    return path


def scattered(num: int = 120, seed: int = 0) -> np.ndarray[Any, Any]:
    """Places in pixels, of both halves of a picture, at least 20 px apart."""
    grid = np.stack(np.meshgrid(np.arange(40), np.arange(20)), axis=-1).reshape(-1, 2) * 48.0 + 40
    rng = np.random.default_rng(seed)
    return grid[rng.permutation(len(grid))[:num]] + rng.uniform(-10, 10, (num, 2))


def rows(path: Path, layer: str = "change") -> tuple[Any, list[dict[str, Any]]]:
    meta, _, codes, values = raw.read(path, layer=layer)
    columns = dict(zip(meta["fields"], values, strict=True))
    columns["shape"] = shapely.from_wkb(codes)
    return meta, [
        dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)
    ]


def test_what_became_of_each_object(change, predictions, tmp_path):
    """One class each other row: the 4 that stay, 1 gone, 1 moved by 8 m, and 1 that appeared."""
    old = predictions(
        "old.gpkg", [[100, 100], [200, 100], [300, 100], [400, 100], [500, 100], [600, 100]]
    )
    new = predictions(
        "new.gpkg", [[101, 100], [200, 101], [300, 100], [400, 100], [516, 100], [800, 101]]
    )
    out = tmp_path / "change.gpkg"
    words = (old, new, "--out", out, "--moved-within", "10", "--recall", "0.9")
    status, said, told = change(*words)
    assert status == 0, told
    assert "old to new: 6 objects, then 6" in said
    assert "Car: 2 stayed, 1 moved, 0 appeared, 0 gone, 0 not seen" in said
    assert "other-vehicle: 2 stayed, 0 moved, 1 appeared, 1 gone, 0 not seen" in said
    assert "too few objects stayed to tell a shift" in said and f"Written: {out}" in said
    assert "old.gpkg: nothing tells what was seen at this date" in told
    meta, found = rows(out)
    assert meta["crs"] == "EPSG:32633"
    assert [one["status"] for one in found] == [*["stayed"] * 4, "moved", "gone", "appeared"]
    assert [one["id_old"] for one in found] == ["1", "2", "3", "4", "5", "6", ""]
    assert [one["id_new"] for one in found] == ["1", "2", "3", "4", "5", "", "6"]
    assert all(0 < one["p"] < 1 for one in found)
    assert found[0]["p"] > 0.9 and found[4]["distance_m"] == pytest.approx(8)
    assert found[4]["shape"].centroid.x == pytest.approx(500_258)
    assert np.isnan(found[5]["score_new"]) and found[5]["score_old"] == pytest.approx(0.5)
    assert {one["date_old"] for one in found} == {"old"} and found[6]["source_new"] == "lost.tif"
    with closing(sqlite3.connect(out)) as database:
        styles = dict(database.execute("SELECT f_table_name, styleQML FROM layer_styles"))
    assert set(styles) == {"change", "counts"}
    assert all(f'value="{name}"' in styles["change"] for name in ("gone", "not seen"))


def test_a_shift_of_3_m_is_found_and_corrected(change, predictions, tmp_path):
    """Without the correction all would be gone and new: the tolerance is 2 m."""
    places = scattered()
    old = predictions("old.gpkg", places[:110])
    noise = np.random.default_rng(1).normal(0, 0.5, (110, 2))
    moved = places[10:] + noise + np.array([4.8, -3.6])
    new = predictions("new.gpkg", moved)
    out = tmp_path / "change.gpkg"
    status, said, told = change(old, new, "--out", out, "--recall", "1")
    assert status == 0, told
    assert re.search(r"new lies (2\.9|3\.0)", said) and "m east" in said and "m north" in said
    assert "corrected; what stayed scatters by 0." in said
    counts = Counter(one["status"] for one in rows(out)[1])
    assert counts == {"stayed": 100, "gone": 10, "appeared": 10}
    shift = [one["distance_m"] for one in rows(out)[1] if one["status"] == "stayed"]
    assert np.median(shift) < 0.5
    status, said, told = change(old, new, "--out", out, "--no-shift")
    assert "not corrected, as asked" in said and "they do not lie on each other" in told
    assert Counter(one["status"] for one in rows(out)[1])["stayed"] < 10
    status, said, told = change(old, new, "--out", out, "--max-shift", "1")
    assert "more than the 1 m of --max-shift: not corrected" in said


def test_ground_without_data_and_under_clouds_is_not_seen(change, predictions, tmp_path):
    """The same objects at both dates: whatever hides a third of them at one, none is gone."""
    places = scattered()
    west = places[:, 0] < 666
    old, new = (
        predictions("old.geojson", places, one_class=True),
        predictions("new.csv", places[~west], one_class=True),
    )
    clouds = tmp_path / "clouds.tif"
    values = np.zeros((10, 20), dtype=np.uint8)
    values[:, :7] = 8
    with rasterio.open(
        clouds, "w", driver="GTiff", width=20, height=10, count=1, dtype="uint8",
        crs="EPSG:32633", transform=TRANSFORM * Affine.scale(95.2, 100),
    ) as file:  # fmt: skip
        file.write(values, 1)
    out = tmp_path / "change.gpkg"
    whole = picture(tmp_path / "whole.tif")
    words = ("--pictures", whole, whole, "--out", out, "--recall", "1")
    status, said, told = change(old, new, *words)
    assert status == 0, told
    assert f"{west.sum()} gone, 0 not seen" in said
    for more in (("--mask-new", clouds), ("--masks", "none", clouds, "--mask-values", "8", "3")):
        status, said, told = change(old, new, *words, *more)
        assert status == 0, told
        assert f"0 gone, {west.sum()} not seen" in said
    found = [one for one in rows(out)[1] if one["status"] == "not seen"]
    assert {one["unseen_at"] for one in found} == {"new"}
    assert [one["p"] for one in found] == pytest.approx([one["score_old"] for one in found])
    assert "objects on masked ground are left out" not in told
    status, said, told = change(old, old, *words, "--mask-new", clouds)
    assert f"old.geojson: {west.sum()} objects on masked ground are left out" in told
    half = picture(tmp_path / "half.tif", empty_from=1300)
    east = (places[:, 0] > 1300).sum()
    status, said, told = change(new, old, "--pictures", half, whole, "--out", out)
    assert status == 0 and f"{west.sum()} appeared" in said, told
    early = predictions("early.csv", places[places[:, 0] < 1300], one_class=True)
    status, said, told = change(old, early, "--pictures", whole, half, "--out", out)
    assert f"0 gone, {east} not seen" in said


def test_zones_squares_and_cells(change, predictions, tmp_path):
    pytest.importorskip("h3")
    places = scattered()
    old, new = predictions("old.gpkg", places[:90]), predictions("new.gpkg", places[30:])
    zones = tmp_path / "zones.geojson"
    boxes = [shapely.box(14.9, 48.7, 15.0068, 48.8), shapely.box(15.0068, 48.7, 15.2, 48.8)]
    zones.write_text(
        json.dumps(
            {
                "type": "FeatureCollection",
                "features": [
                    {"type": "Feature", "properties": {"name": name, "class": 7},
                     "geometry": json.loads(shapely.to_geojson(shape))}
                    for name, shape in zip("ab", boxes, strict=True)
                ],
            }
        )
    )  # fmt: skip
    out = tmp_path / "change.gpkg"
    status, _, told = change(
        old, new, "--out", out, "--recall", "0.95", "--zones", zones, "grid:100m", "h3:10"
    )
    assert status == 0, told
    for layer, name in (("counts_zones", "name"), ("counts_grid", "x"), ("counts_h3", "h3")):
        _, counts = rows(out, layer)
        every = [one for one in counts if one["class"] == "all"]
        totals = {
            key: sum(one[key] for one in every)
            for key in ("num_old", "num_new", "stayed", "gone", "appeared", "moved", "not_seen")
        }
        expected = {"num_old": 90, "num_new": 90, "stayed": 60, "gone": 30, "appeared": 30}
        assert totals == {**expected, "moved": 0, "not_seen": 0}, layer
        of_classes = [one for one in counts if one["class"] != "all"]
        assert sum(one["gone"] for one in of_classes) == 30
        assert all(name in one for one in counts)
        for one in counts:
            assert one["gone_low"] <= one["gone_est"] <= max(one["gone_high"], one["gone_est"])
            assert one["seen_frac"] == 1
    assert [one["zone_class"] for one in rows(out, "counts_zones")[1]] == [7] * 6


def test_several_dates_are_a_table_over_time(change, predictions, tmp_path):
    """Counted on the ground that all have seen: the third date sees the western half."""
    places = scattered()
    whole = picture(tmp_path / "whole.tif")
    half = picture(tmp_path / "half.tif", empty_from=1000)
    west = places[:, 0] < 996
    dates = [
        predictions("a.gpkg", places[:100], one_class=True),
        predictions("b.gpkg", places[10:], one_class=True),
        predictions("c.gpkg", places[20:][west[20:]], one_class=True),
    ]
    words = ("--pictures", whole, whole, half, "--names", "2018", "2020", "2022", "--recall", "1")
    out = tmp_path / "counts.csv"
    status, said, told = change(*dates, "--out", out, *words)
    assert status == 0, told
    assert "2018 to 2020: 100 objects, then 110" in said and "2020 to 2022" in said
    with out.open(encoding="utf-8") as file:
        table = [row for row in csv.DictReader(file) if row["class"] == "Car"]
    assert [row["date"] for row in table] == ["2018", "2020", "2022"]
    assert [int(row["num_found"]) for row in table] == [100, 110, west[20:].sum()]
    common = [west[:100].sum(), west[10:].sum(), west[20:].sum()]
    assert [int(row["num"]) for row in table] == pytest.approx(common, abs=1)
    assert table[0]["gone"] == "nan" and float(table[2]["gone"]) == west[10:20].sum()
    assert float(table[1]["appeared"]) == pytest.approx(west[100:].sum(), abs=1)
    assert (tmp_path / "counts_change.csv").exists()
    status, _, told = change(
        *dates, "--out", tmp_path / "counts.gpkg", *words, "--zones", "grid:250m"
    )
    assert status == 0, told
    _, found = rows(tmp_path / "counts.gpkg")
    assert {(one["date_old"], one["date_new"]) for one in found} == {
        ("2018", "2020"),
        ("2020", "2022"),
    }
    _, grid = rows(tmp_path / "counts.gpkg", "counts_grid")
    assert {one["date"] for one in grid} == {"2018", "2020", "2022"}


def test_other_coordinate_systems_and_formats(change, predictions, tmp_path):
    """The same objects in metres, in degrees and in Web Mercator stay, in files of any kind."""
    places = scattered()
    old = predictions("old.gpkg", places)
    for name, crs in (("a.geojson", None), ("b.fgb", "EPSG:3857"), ("c.shp", "EPSG:32634")):
        new = predictions(name, places, maps=MapOptions(crs=crs))
        for pair in ((old, new), (new, old)):
            status, said, told = change(*pair, "--out", tmp_path / "o.gpkg")
            assert status == 0, told
            assert "0 appeared, 0 gone" in said and "none is corrected" in said
    for suffix in (".geojson", ".fgb", ".shp", ".kml", ".csv"):
        status, said, told = change(old, new, "--out", tmp_path / f"out{suffix}")
        assert status == 0, told
        assert (tmp_path / f"out_counts{suffix}").exists()
    content = json.loads((tmp_path / "out.geojson").read_text())
    assert "crs" not in content and content["features"][0]["properties"]["status"] == "stayed"
    words = ("--out", tmp_path / "out.geojson", "--crs", "EPSG:32633", "--geometry", "point")
    assert change(old, new, *words)[0] == 0
    content = json.loads((tmp_path / "out.geojson").read_text())
    assert content["features"][0]["geometry"]["coordinates"][0] > 400_000


def test_a_date_without_objects(change, predictions, tmp_path):
    """All is gone; of two such there is nothing to compare."""
    whole = picture(tmp_path / "whole.tif")
    old, none = predictions("old.gpkg", scattered(30)), predictions("none.gpkg", [])
    words = ("--out", tmp_path / "o.gpkg", "--pictures", whole, whole)
    status, said, told = change(old, none, *words)
    assert status == 0 and "30 objects, then 0" in said, told
    assert {one["status"] for one in rows(tmp_path / "o.gpkg")[1]} == {"gone"}
    assert change(none, old, *words)[0] == 0
    assert {one["status"] for one in rows(tmp_path / "o.gpkg")[1]} == {"appeared"}
    status, _, told = change(none, none, *words)
    assert status == 1 and "none.gpkg has an object to compare" in told


def test_classes_that_one_date_lacks(change, predictions, tmp_path):
    places = scattered(40)
    old = predictions("old.gpkg", places)
    picture(tmp_path / "scene.tif")
    labels = tmp_path / "cars.json"
    x, y = places[0].tolist()
    content = {
        "images": [{"id": 1, "file_name": "scene.tif", "width": 2000, "height": 1000}],
        "categories": [{"id": 1, "name": "car"}],
        "annotations": [{"id": 1, "image_id": 1, "category_id": 1, "bbox": [x - 4, y - 4, 8, 8]}],
    }
    labels.write_text(json.dumps(content))
    out = tmp_path / "o.gpkg"
    status, said, told = change(old, labels, "--out", out)
    assert status == 0, told
    assert "other-vehicle was not looked for at" in told and "other-vehicle:" not in said
    assert "Car: 1 stayed" in said
    few = predictions("few.gpkg", places[:1])
    status, said, told = change(old, few, "--out", out)
    assert status == 0 and "no other-vehicle was found at" in told and "--classes" in told
    status, said, told = change(old, few, "--out", out, "--classes", "car")
    assert status == 0 and "other-vehicle" not in said + told
    status, _, told = change(old, few, "--out", out, "--classes", "ship")
    assert status == 1 and "no date has an object of ['ship']" in told


@pytest.mark.parametrize(
    ("words", "wrong"),
    [
        (("old", "--out", "o.gpkg"), "give two dates or more"),
        (("old", "far", "--out", "o.gpkg"), "show no ground in common: they lie 50 km apart"),
        (("old", "gone.gpkg", "--out", "o.gpkg"), "gone.gpkg: no such file"),
        (("old", "flat", "--out", "o.gpkg"), "flat.csv: has no column map_x, map_y, crs"),
        (("old", "old", "--out", "o.png"), "changes cannot be written so; they can as .gpkg"),
        (("old", "new", "--out", "new"), "would be overwritten; name another file"),
        (("old", "new", "--out", "o.gpkg", "--zones", "grid:9px"), "count in metres, as grid:100m"),
        (("old", "new", "--out", "o.gpkg", "--names", "a"), "1 are named for 2 dates"),
        (("old", "new", "--out", "o.gpkg", "--tolerance", "0"), "--tolerance: Input should be"),
        (("old", "new", "--out", "o.gpkg", "--recall", "1", "--metrics", "m"), "not both"),
        (("old", "new", "new", "--out", "o.gpkg", "--mask-new", "m"), "name one for each of the 3"),
        (("old", "nowhere.tif", "--out", "o.gpkg"), "nowhere.tif: has no place on a map"),
    ],
)
def test_what_cannot_be_is_one_error_line(change, predictions, tmp_path, words, wrong):
    files = {
        "old": predictions("old.gpkg", [[100, 100]]),
        "new": predictions("new.gpkg", [[100, 100]]),
        "far": predictions(
            "far.gpkg", [[100, 100]], transform=Affine.translation(50_000, 0) * TRANSFORM
        ),
        "flat": predictions("flat.csv", [[100, 100]], crs=None, transform=None),
        "nowhere.tif": picture(tmp_path / "nowhere.tif", crs=None),
    }
    typed = [files.get(word, tmp_path / word if "." in word else word) for word in words]
    status, _, told = change(*typed)
    assert status == 1 and wrong in told and "Traceback" not in told
    assert not (tmp_path / "o.gpkg").exists()


def test_python_says_the_same(predictions, tmp_path):
    places = scattered()
    old, new = predictions("old.gpkg", places[:100]), predictions("new.gpkg", places[20:])
    report = smalldet.change(old, new, recall=0.9, tolerance_m=2, classes=["car"], conf=0.6)
    assert report.written == () and report.class_names == ("Car",)
    assert Counter(report.changes.columns["status"]).keys() == {"stayed", "gone", "appeared"}
    assert report.whole.columns["class"].tolist() == ["Car"]
    assert report.changes.columns["score_old"][0] >= 0.6
    with pytest.raises(ValueError, match=r"tolerance\s+no such key"):
        smalldet.change(old, new, tolerance=2)  # pyright: ignore[reportCallIssue]
