"""xView's features become boxes; its known faults are told of, others named."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from smalldet.data.formats import xview
from smalldet.data.formats.xview_classes import XVIEW_CLASSES


def feature(bounds: Any = "10,20,30,50", kind: Any = 18, image: Any = "1.tif") -> dict[str, Any]:
    properties = {"image_id": image, "bounds_imcoords": bounds, "type_id": kind}
    return {"type": "Feature", "properties": properties, "geometry": None}


def saved(tmp_path: Path, *features: Any) -> Path:
    (tmp_path / "train_images").mkdir(exist_ok=True)
    for number in (1, 2):
        Image.new("L", (100, 80)).save(tmp_path / "train_images" / f"{number}.tif")
    path = tmp_path / "xView_train.geojson"
    path.write_text(json.dumps({"type": "FeatureCollection", "features": list(features)}))
    return path


def test_boxes_classes_and_pictures_without_features(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    path = saved(tmp_path, feature(), feature("90,70,120,90", 94), feature("500,500,600,600"))
    assert xview.recognises(path)
    index = xview.read(path)
    assert index.class_names == tuple(XVIEW_CLASSES.values()) and len(index.class_names) == 60
    first, second = index.records
    assert first.boxes.tolist() == [[10, 20, 30, 50], [90, 70, 100, 80]]
    assert [index.class_names[label] for label in first.labels] == ["Small Car", "Tower"]
    assert (second.path.name, len(second.boxes), first.gsd_m) == ("2.tif", 0, 0.3)
    assert "1 pictures of" in caplog.text and "feature 3" in caplog.text


def test_numbers_without_a_name_are_regions_to_ignore(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    path = saved(tmp_path, feature(kind=75), feature())
    record = xview.read(path, class_names=["Small Car", "Bus"]).records[0]
    assert record.labels.tolist() == [0, 0, 1]
    assert record.ignore.tolist() == [False, True, True]
    assert "1 of type 75" in caplog.text


def test_the_picture_that_was_never_published_and_features_without_a_box_are_left_out(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    path = saved(tmp_path, feature(), feature([]), feature(image="1395.tif"), feature("9,9,9,20"))
    assert [len(record.boxes) for record in xview.read(path).records] == [1, 0]
    assert "1 features without a box" in caplog.text
    assert "1 features of pictures that are not there" in caplog.text
    assert "feature 4" in caplog.text, "what is left out does not move the numbers of others"
    with pytest.raises(FileNotFoundError, match=r"9\.tif"):
        xview.read(saved(tmp_path, feature(image="9.tif"), feature(image="1395.tif")))


def test_a_file_of_classes_and_a_subset(tmp_path: Path):
    path = saved(tmp_path, feature(kind=5), feature(image="9.tif", kind=5))
    (tmp_path / "xview_class_labels.txt").write_text("5:car\n7:house\n")
    index = xview.read(path, subset=True)
    assert index.class_names == ("car", "house") and len(index) == 2
    with pytest.raises(FileNotFoundError, match=r"1 of 2 pictures do not exist(.|\n)*9\.tif"):
        xview.read(path)
    (tmp_path / "xview_class_labels.txt").write_text("5:car\nhouse\n")
    with pytest.raises(ValueError, match=r"xview_class_labels\.txt: line 2 is 'house'"):
        xview.read(path)


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        (5, r"feature 2: its properties is None"),
        (feature("1,2,3"), r"feature 2 has bounds_imcoords '1,2,3'"),
        (feature("1,2,3,nan"), r"feature 2 has bounds_imcoords '1,2,3,nan'"),
        (feature("1,2,3,1e40"), r"feature 2 has bounds_imcoords"),
        (feature("9,2,3,4"), r"feature 2: its box runs from"),
        (feature(kind="18"), r"feature 2 needs image_id"),
        (feature(kind=True), r"feature 2 needs image_id"),
        (feature(image=None), r"feature 2 needs image_id"),
        (feature(kind=11), r"feature 2 has class 'Fixed-wing Aircraft'"),
    ],
)
def test_a_wrong_feature_is_named(tmp_path: Path, wrong: Any, named: str):
    with pytest.raises(ValueError, match=named) as caught:
        xview.read(saved(tmp_path, feature(), wrong), class_names=["Small Car"])
    assert "xView_train.geojson" in str(caught.value)
