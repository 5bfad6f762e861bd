"""Result files: every result is met with its picture and class, or counted and named."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from smalldet.data.index import Index
from smalldet.evaluation.picture_names import rows_of_ids, rows_of_names
from smalldet.evaluation.result_files import Results, read_results
from tests.evaluation.by_hand import index, picture

Entry = dict[str, Any]


def truth_of(*paths: str) -> Index:
    """Pictures of these names, with ids 10, 20, ..."""
    records = [
        replace(picture((0, 10, 10, 8, 8)), path=Path(path), image_id=10 * (i + 1))
        for i, path in enumerate(paths)
    ]
    return index(*records)


def result(image_id: int | str, category_id: int = 1, score: float = 0.5, **more: Any) -> Entry:
    entry = {"image_id": image_id, "category_id": category_id, "bbox": [10, 10, 8, 8]}
    return {**entry, "score": score, **more}


def read(tmp_path: Path, content: object, truth: Index, ids: list[int] | None = None) -> Results:
    file = tmp_path / "results.json"
    file.write_text(json.dumps(content))
    return read_results(file, truth, ids)


def test_a_list_goes_by_ids_and_boxes_become_corners(tmp_path: Path) -> None:
    truth = truth_of("a.png", "b.png")
    results = read(tmp_path, [result(20, 2, 0.9), result(10), result(20)], truth)
    assert [len(one) for one in results.detections] == [1, 2]
    second = results.detections[1]
    assert second.boxes.tolist() == [[10, 10, 18, 18]] * 2
    assert second.labels.tolist() == [1, 0] and second.class_names == ("car", "person")
    assert results.remarks == ()


def test_ids_may_be_names_or_the_numbers_of_files() -> None:
    truth = truth_of("x/000007.jpg", "x/000042.jpg")
    assert rows_of_ids([42, 7], truth)[0].tolist() == [1, 0]
    assert rows_of_ids([20, 10], truth)[0].tolist() == [1, 0]
    assert rows_of_ids(["000042", "000007.jpg", "9"], truth)[0].tolist() == [1, 0, -1]


def test_folders_tell_equal_names_apart() -> None:
    truth = truth_of("s/one/a.png", "s/two/a.png", "s/two/b.png")
    names = ["two/a.png", "one\\a.png", "a.png", "elsewhere/b", "c.png"]
    assert rows_of_names(names, truth) == [1, 0, -1, 2, -1]


def test_a_whole_json_brings_its_own_pictures_and_classes(tmp_path: Path) -> None:
    content = {
        "images": [{"id": 1, "file_name": "b.png"}, {"id": 2, "file_name": "z.png"}],
        "categories": [{"id": 5, "name": "bus"}, {"id": 3, "name": "Person"}],
        "annotations": [result(1, 3), result(2, 3), result(1, 5), result(1, 9)],
    }
    results = read(tmp_path, content, truth_of("a.png", "b.png"))
    assert [len(one) for one in results.detections] == [0, 2]
    assert results.detections[1].named() == ["Person", "bus"]
    assert results.remarks == (
        "1 results of 1 picture that the data lacks: left out (z.png)",
        "1 results of 1 category id that the data lacks: left out (9)",
        "1 of 2 pictures have no result",
    )


def test_ids_of_categories_are_the_data_s_own(tmp_path: Path) -> None:
    truth = truth_of("a.png")
    results = read(tmp_path, [result(10, 90), result(10, 17)], truth, [17, 90])
    assert results.detections[0].named() == ["person", "car"]
    counted_from_0 = read(tmp_path, [result(10, 0), result(10, 1)], truth)
    assert counted_from_0.detections[0].named() == ["car", "person"]
    assert "counted from 0" in counted_from_0.remarks[0]


def test_what_is_wrong_is_left_out_and_counted(tmp_path: Path) -> None:
    wrong = [
        result(10, score=float("nan")),
        result(10, bbox=[0, 0, -1, 4]),
        result(10, bbox=[0, 0, 4]),
        {"image_id": 10},
        result(99),
        result(10, 7),
    ]
    same = [result(10, score=2.0)] * 2
    results = read(tmp_path, [*wrong, *same], truth_of("a.png", "b.png"))
    assert [len(one) for one in results.detections] == [2, 0]
    told = "\n".join(results.remarks)
    for words in (
        "2 of 8 results lack",
        "1 results of 1 picture that the data lacks: left out (99)",
        "1 results of 1 category id that the data lacks: left out (7)",
        "1 results have a score or box that is no finite number",
        "1 results have a box of negative width",
        "1 results are given twice",
        "scores reach from 2 to 2",
        "1 of 2 pictures have no result",
    ):
        assert words in told, told


def test_no_result_is_a_remark_and_nothing_in_common_an_error(tmp_path: Path) -> None:
    truth = truth_of("a.png")
    empty = read(tmp_path, [], truth)
    assert len(empty.detections[0]) == 0 and empty.remarks == ("holds no result",)
    with pytest.raises(ValueError, match=r"none of its pictures, such as b.png, is in the data"):
        read(tmp_path, [result("b.png")], truth)
    with pytest.raises(ValueError, match=r"none of its category ids, \[44\]"):
        read(tmp_path, [result(10, 44)], truth)
    with pytest.raises(ValueError, match="must hold a list of results"):
        read(tmp_path, {"boxes": []}, truth)
    twice = {"images": [{"id": 1, "file_name": "a.png"}] * 2, "categories": [], "annotations": []}
    with pytest.raises(ValueError, match="1 images share an id"):
        read(tmp_path, twice, truth)
