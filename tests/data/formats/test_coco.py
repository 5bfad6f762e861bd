"""COCO json: what it means, and that a wrong entry is named."""

import json
import logging
import math
import time
from pathlib import Path

import numpy as np
import pytest

from smalldet.data.formats import coco, coco_checks
from smalldet.data.index import ImageRecord, Index


def content() -> dict:
    """Two pictures of two classes; category ids do not count from 1."""
    return {
        "images": [
            {"id": 7, "file_name": "a.png", "width": 100, "height": 80},
            {"id": 9, "file_name": "sub/b.png", "width": 50, "height": 50, "gsd_m": 0.3},
        ],
        "annotations": [
            {"id": 1, "image_id": 7, "category_id": 30, "bbox": [10, 20, 5, 6]},
            {"id": 2, "image_id": 7, "category_id": 11, "bbox": [1, 2, 3, 4], "iscrowd": 1},
            {"id": 3, "image_id": 7, "category_id": 11, "bbox": [90, 70, 20, 20], "difficult": 1},
        ],
        "categories": [{"id": 30, "name": "ship"}, {"id": 11, "name": "car"}],
    }


def saved(folder: Path, what: object) -> Path:
    (folder / "images" / "sub").mkdir(parents=True, exist_ok=True)
    for name in ("a.png", "sub/b.png"):
        (folder / "images" / name).touch()
    path = folder / "labels.json"
    path.write_text(what if isinstance(what, str) else json.dumps(what))
    return path


def test_what_is_read(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.INFO)
    index = coco.read(saved(tmp_path, content()))
    assert index.class_names == ("ship", "car")
    first, second = index.records
    assert first.path == tmp_path / "images" / "a.png"
    assert (first.width, first.height, first.image_id) == (100, 80, 7)
    assert first.boxes.tolist() == [[10, 20, 15, 26], [1, 2, 4, 6], [90, 70, 100, 80]]
    assert first.labels.tolist() == [0, 1, 1]
    assert first.ignore.tolist() == [False, True, False]
    assert first.difficult.tolist() == [False, False, True]
    assert first.rboxes is None and first.gsd_m is None
    assert "1 boxes left their pictures" in caplog.text
    assert second.boxes.shape == (0, 4) and second.gsd_m == 0.3


def changed(section: str, row: int, **keys) -> dict:
    """The content with keys of one entry changed, or removed where None."""
    wrong = content()
    entry = wrong[section][row]
    entry.update({key: value for key, value in keys.items() if value is not None})
    for key in [key for key, value in keys.items() if value is None]:
        del entry[key]
    return wrong


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        (changed("annotations", 1, bbox=None), r"annotation 2: lacks bbox"),
        (changed("annotations", 0, image_id=None), r"annotation 1: lacks image_id"),
        (changed("annotations", 1, image_id=8), r"annotation 2: image_id 8 is no image"),
        (changed("annotations", 1, image_id=[7]), r"annotation 2: image_id \[7\] is no image"),
        (changed("annotations", 2, category_id=1), r"annotation 3: category_id 1 is no category"),
        (changed("annotations", 1, bbox=[1, 2, 3]), r"annotation 2: bbox .* not 4 finite"),
        (changed("annotations", 1, bbox=[1, 2, "x", 4]), r"annotation 2: bbox .* not 4 finite"),
        (changed("annotations", 1, bbox=[1, math.nan, 3, 4]), r"has NaN.*; line 1: .*\"id\": 2"),
        (changed("annotations", 1, bbox=[1, 2, -3, 4]), r"annotation 2: bbox .* width -3 and"),
        (changed("annotations", 1, bbox=[1, 2, 3, -1]), r"annotation 2: bbox .* height -1"),
        (changed("annotations", 1, bbox=[1, 2, 0, -1]), r"annotation 2: bbox .* width 0"),
        (changed("annotations", 1, bbox=[200, 2, 3, 4]), r"annotation 2: .* outside image 7"),
        (changed("annotations", 1, id=1), r"annotation id 1 is given more than once"),
        (changed("annotations", 1, rbbox=[1, 2, 3]), r"annotation 2: rbbox"),
        (changed("images", 1, id=7), r"image id 7 is given more than once"),
        (changed("images", 1, width=None), r"image 9: lacks width"),
        (changed("images", 1, id=None), r"images\[1\]: lacks id"),
        (changed("images", 1, height=0), r"image 9: size 50x0"),
        (changed("images", 1, gsd_m="x"), r"image 9: gsd_m 'x'"),
        (changed("images", 1, not_exhaustive_category_ids=[1]), r"image 9: not_exhaustive"),
        (changed("categories", 1, id=30), r"category id 30 is given more than once"),
        (changed("categories", 1, name="ship"), r"category name 'ship' is given more than once"),
        (changed("categories", 0, name=None), r"category 30: lacks name"),
        ({**content(), "annotations": [None]}, r"annotations\[0\]: is None"),
        ({"images": [], "categories": []}, r"has no 'annotations'"),
        ([1, 2], r"must hold an object"),
        (json.dumps(content())[:300], r"is not JSON.*cut short"),
        ('{"images": nothing}' + " " * 50, r"is not JSON"),
    ],
)
def test_a_wrong_entry_is_named(tmp_path: Path, wrong: object, named: str):
    with pytest.raises(ValueError, match=named) as caught:
        coco.read(saved(tmp_path, wrong))
    assert "labels.json" in str(caught.value)


def test_boxes_with_a_side_of_0_are_left_out_and_named(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    """Two annotations of the published instances_train2017.json have such a box."""
    path = saved(tmp_path, changed("annotations", 0, bbox=[10.5, 20.25, 1.03, 0.0]))
    first = coco.read(path).records[0]
    assert first.boxes.tolist() == [[1, 2, 4, 6], [90, 70, 100, 80]]
    assert "1 objects have no area" in caplog.text
    assert f"{path}: annotation 1" in caplog.text


def test_many_wrong_entries_are_counted_and_the_first_named(tmp_path: Path):
    wrong = content()
    wrong["annotations"] = [{"id": i, "image_id": 7} for i in range(25)]
    with pytest.raises(ValueError, match="25 wrong entries") as caught:
        coco.read(saved(tmp_path, wrong))
    message = str(caught.value)
    assert "annotation 9:" in message and "annotation 10:" not in message
    assert "and 15 more" in message


def test_missing_pictures_are_named(tmp_path: Path):
    path = saved(tmp_path, content())
    (tmp_path / "images" / "sub" / "b.png").unlink()
    with pytest.raises(FileNotFoundError, match=r"1 of 2 pictures(.|\n)*b\.png"):
        coco.read(path)
    with pytest.raises(FileNotFoundError, match=r"2 of 2 pictures"):
        coco.read(path, tmp_path / "nowhere")
    with pytest.raises(FileNotFoundError, match=r"none\.json"):
        coco.read(tmp_path / "none.json")


def test_rbbox_of_some_objects(tmp_path: Path):
    """An object without one is its upright box."""
    mixed = changed("annotations", 0, rbbox=[12.5, 23, 4, 6, 0.0])
    rboxes = coco.read(saved(tmp_path, mixed)).records[0].rboxes
    assert rboxes is not None
    np.testing.assert_allclose(rboxes[0], [12.5, 23, 6, 4, -math.pi / 2], rtol=1e-6)
    np.testing.assert_allclose(rboxes[1], [2.5, 4, 4, 3, -math.pi / 2], rtol=1e-6)


def test_what_is_written_reads_the_same(tmp_path: Path):
    mixed = changed("annotations", 0, rbbox=[12.5, 23, 6, 4, 0.3])
    mixed["images"][1]["not_exhaustive_category_ids"] = [11]
    path = saved(tmp_path, mixed)
    index = coco.read(path)
    assert index.records[1].unknown == {1}
    coco.write_json(index, tmp_path / "again.json")
    again = coco.read(tmp_path / "again.json")
    assert again.class_names == index.class_names
    for one, other in zip(index.records, again.records, strict=True):
        assert (one.path.resolve(), one.image_id) == (other.path.resolve(), other.image_id)
        assert (one.unknown, one.gsd_m) == (other.unknown, other.gsd_m)
        for name in ("boxes", "labels", "ignore", "difficult", "rboxes"):
            np.testing.assert_allclose(getattr(one, name), getattr(other, name), atol=2e-3)


def test_a_written_file_elsewhere_finds_its_pictures(tmp_path: Path):
    index = coco.read(saved(tmp_path, content()))
    (tmp_path / "out").mkdir()
    coco.write_json(index, tmp_path / "out" / "labels.json")
    assert len(coco.read(tmp_path / "out" / "labels.json")) == 2


def test_a_large_file_is_read_fast(tmp_path: Path):
    """100,000 objects; generous, for a slow machine: an array for each object takes far longer."""
    num_images, each = 500, 200
    big = Index(
        ("a",),
        tuple(
            ImageRecord(
                tmp_path / f"{i}.png", 1000, 1000,
                np.tile(np.array([[5, 6, 20, 30]], np.float32), (each, 1)),
                np.zeros(each, np.int64), np.zeros(each, bool), np.zeros(each, bool), image_id=i,
            )
            for i in range(num_images)
        ),
    )  # fmt: skip
    for record in big.records:
        record.path.touch()
    coco.write_json(big, tmp_path / "big.json")
    start = time.perf_counter()
    assert coco.read(tmp_path / "big.json").counts() == {"a": num_images * each}
    assert time.perf_counter() - start < 8


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        (changed("annotations", 1, bbox=[1, 2, 3, 1e9]), r"annotation 2: bbox .* than any pic"),
        (changed("annotations", 1, bbox=[-1e308, 2, 1.5e308, 4]), r"annotation 2: bbox"),
        (changed("annotations", 1, bbox=[1, 2, 3, 10**400]), r"annotation 2: bbox .* not 4 finite"),
        (changed("annotations", 1, bbox=[1, 2, 3, True]), r"annotation 2: bbox .* not 4 finite"),
        (changed("annotations", 1, rbbox=[1, 2, 1e308, 4, 0]), r"annotation 2: rbbox"),
        (changed("annotations", 1, category_id={}), r"annotation 2: category_id \{\}"),
        (
            changed("annotations", 1, segmentation={"size": [10**6, 10**6], "counts": [10**12]}),
            r"annotation 2: segmentation has size \[1000000, 1000000\]",
        ),
        (changed("images", 1, width=10**400), r"image 9: size 1.*larger than any picture"),
        (changed("images", 1, width=True), r"image 9: width is True, not of type int"),
        (changed("images", 1, not_exhaustive_category_ids=5), r"image 9: not_exhaustive"),
        (changed("images", 1, not_exhaustive_category_ids=[[]]), r"image 9: not_exhaustive"),
        ("[" * 100_000, r"nested too deep"),
        ('{"images": [], "images": []}', r"key 'images' is given twice"),
    ],
)
def test_hostile_entries_are_named(tmp_path: Path, wrong: object, named: str):
    with pytest.raises(ValueError, match=named) as caught:
        coco.read(saved(tmp_path, wrong), with_masks=True)
    assert "labels.json" in str(caught.value)


@pytest.mark.parametrize(
    "ring", [[1, 1, 5, 5, 9, 9, 3, 3], [1, 1, 1e29, 1, 1e29, 5, 1, 5], [1, 1, 1, 1, 1, 1, 1, 1]]
)
def test_corners_without_an_oriented_box_are_named(tmp_path: Path, ring: list[float]):
    wrong = content()
    for entry in wrong["annotations"]:
        entry["segmentation"] = [[10, 10, 20, 10, 20, 20, 10, 20]]
    wrong["annotations"][2]["segmentation"] = [ring]
    with pytest.raises(ValueError, match=r"labels\.json: annotation 3: its corners"):
        coco.read(saved(tmp_path, wrong))


def test_columns_find_what_entries_find(tmp_path: Path):
    """What is looked at in columns alone is sound to the check of each entry."""
    rng = np.random.default_rng(0)
    values = [None, True, "x", [], 0, -1, 1e39, 10**400, 7, 9, 30, 11, 50.5, [1, 2, 3, 4]]
    sizes = {7: (100, 80), 9: (50, 50)}
    num_wrong = 0
    for _ in range(3000):
        wrong = content()["annotations"]
        for _ in range(rng.integers(1, 3)):
            entry = wrong[rng.integers(3)]
            key = rng.choice(["id", "image_id", "category_id", "bbox", "number", "rbbox"])
            value = values[rng.integers(len(values))]
            if key == "number" and isinstance(entry.get("bbox"), list) and entry["bbox"]:
                entry["bbox"][rng.integers(len(entry["bbox"]))] = value
            else:
                entry[key] = value
        one_by_one = [
            place
            for place, entry in enumerate(wrong)
            if coco_checks._annotation_fault(entry, sizes, {30, 11})
        ]
        doubtful = set(coco_checks._doubtful(wrong, sizes, {30, 11}))
        assert doubtful.issuperset(one_by_one)
        num_wrong += bool(one_by_one)
    assert 300 < num_wrong < 2900
