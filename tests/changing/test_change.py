"""Pictures as dates: their objects are found first, and their pixels tell what was seen."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine

from smalldet.changing.change import compare_change
from smalldet.changing.options import ChangeOptions
from smalldet.config.imagery import ImageryOptions
from smalldet.inference.options import PredictOptions
from smalldet.models.seen import Seen
from tests.inference.conftest import TRANSFORM, SquareFinder

SQUARES = [[40 * x + 10, 40 * y + 10] for x in range(7) for y in range(5)]


def draw(path: Path, corners, *, transform: Affine | None = TRANSFORM, empty: int = 0) -> Path:
    """A picture of 300 x 220 px with squares of 8 px, without data left of a column."""
    values = np.full((3, 220, 300), 20, dtype=np.uint8)
    for x, y in corners:
        values[:, y : y + 8, x : x + 8] = np.array([255, 0, 230])[:, None, None]
    values[:, :, :empty] = 0
    path.parent.mkdir(exist_ok=True)
    with rasterio.open(
        path, "w", driver="GTiff", width=300, height=220, count=3, dtype="uint8", nodata=0,
        crs="EPSG:32633" if transform else None, transform=transform,
    ) as file:  # fmt: skip
        # the second channel tells the class by 0, which is no data in all three alone
        file.write(values)
    return path


def changed(old, new, *, options=None, predicting=None, model=None, **more):
    return compare_change(
        [old, new],
        None,
        options or ChangeOptions(recall=0.9),
        open_model=lambda: model or SquareFinder(),
        predicting=predicting or PredictOptions(overlap_frac=0.25),
        **more,
    )


def counted(report):
    return Counter(report.changes.columns["status"].tolist())


def test_two_pictures(tmp_path):
    """One of which shows two squares less and one more, and has no data at its left."""
    old = draw(tmp_path / "old.tif", SQUARES)
    new = draw(tmp_path / "new.tif", [*SQUARES[7:], [150, 205]], empty=40)
    report = changed(old, new)
    assert counted(report) == {"stayed": 28, "gone": 2, "appeared": 1, "not seen": 5}
    hidden = report.changes.columns["status"] == "not seen"
    assert set(report.changes.columns["unseen_at"][hidden]) == {"new"}
    assert report.class_names[0] == "Car" and len(report.remarks) == 1


def test_folders_of_many_pictures_and_an_area(tmp_path):
    """Pictures that adjoin are one scene; ground beside all of them was not seen."""
    beside = TRANSFORM * Affine.translation(300, 0)
    for date in ("a", "b"):
        draw(tmp_path / date / "1.tif", SQUARES[: 30 if date == "b" else 35])
    draw(tmp_path / "a" / "2.tif", SQUARES, transform=beside)
    report = changed(tmp_path / "a", tmp_path / "b")
    assert counted(report) == {"stayed": 30, "gone": 5, "not seen": 35}


def test_classes_and_scores_that_are_asked_for(tmp_path):
    old, new = draw(tmp_path / "old.tif", SQUARES), draw(tmp_path / "new.tif", SQUARES[1:])
    predicting = PredictOptions(classes=("car",), overlap_frac=0.25)
    report = changed(old, new, predicting=predicting)
    assert counted(report) == {"stayed": 34, "gone": 1} and report.class_names == ("Car",)
    with pytest.raises(ValueError, match="has an object to compare"):
        changed(old, new, predicting=PredictOptions(conf=0.99))


def test_what_the_models_file_says_of_sizes_bounds_the_recall(tmp_path):
    """Of squares of 8 px, where half are found from 4 px on, more than half are found: what is
    gone is surer to be than where half are found from 20 px on."""
    old, new = draw(tmp_path / "old.tif", SQUARES), draw(tmp_path / "new.tif", SQUARES[3:])
    sure = []
    for side in (20.0, 4.0):
        model = SquareFinder()
        model.seen = Seen(resolvable_px=(side, None))
        report = changed(old, new, options=ChangeOptions(), model=model)
        columns = report.changes.columns
        sure.append(columns["p"][columns["status"] == "gone"].mean())
        assert "recall is not known" in report.remarks[-1]
    assert 0 < sure[0] < sure[1]


def test_pictures_that_cannot_be_dates(tmp_path):
    old = draw(tmp_path / "old.tif", SQUARES)
    flat = draw(tmp_path / "flat.tif", SQUARES)
    with rasterio.open(flat, "r+") as file:
        file.crs = rasterio.crs.CRS()
    with pytest.raises(ValueError, match=r"flat\.tif: has no place on a map"):
        changed(old, flat)
    assumed = draw(tmp_path / "b.tif", SQUARES)
    with rasterio.open(assumed, "r+") as file:
        file.crs = rasterio.crs.CRS()
    imagery = ImageryOptions(assume_crs="EPSG:32633")
    assert counted(changed(old, assumed, imagery=imagery)) == {"stayed": 35}
    with pytest.raises(ValueError, match=r"old\.tif: are pictures themselves"):
        changed(old, old, options=ChangeOptions(pictures=(str(old), str(old))))
    with pytest.raises(FileNotFoundError, match=r"gone\.tif"):
        changed(old, tmp_path / "gone.tif")
