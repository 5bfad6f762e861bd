"""Points: found within a distance of pixels or metres, each once."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from smalldet.cli import main
from smalldet.evaluation.match_distance import read_distance
from smalldet.evaluation.scoring import score
from tests.evaluation.by_hand import Row, found, index, picture

KEYS = ("precision_at_distance", "recall_at_distance", "F1_at_distance", "F1_at_distance_optimal")


def _point(x: float, y: float) -> Row:
    return (0, x - 10, y - 10, 20, 20)


def _found(*points: tuple[float, float, float]):
    return found(*((s, 0, x - 3, y - 3, 6, 6) for s, x, y in points), names=("tree",))


def test_distances() -> None:
    assert read_distance("5") == read_distance(" 5px") == (5, "px")
    assert read_distance("3.5M") == (3.5, "m")
    for wrong in ("", "m", "-1", "0", "inf", "3km"):
        with pytest.raises(ValueError, match="match distance"):
            read_distance(wrong)


def test_one_to_one_within_the_distance() -> None:
    """Two trees 10 px apart. The strongest lies between, a little nearer to the left; the next is
    left of the left one and cannot reach the other: by strength one is found, at best both."""
    truth = index(picture(_point(100, 100), _point(110, 100)), names=("tree",))
    detections = _found((0.9, 104, 100), (0.8, 95, 100), (0.7, 300, 300), (0.1, 110, 100))
    metrics = score(truth, [detections], conf=0.25, match_distance="6").metrics
    values = [metrics[key] for key in KEYS]
    assert values == pytest.approx([1 / 3, 1 / 2, 2 / 5, 4 / 5])
    # the strongest alone: one of one, F1 2 / 3
    assert metrics["best_F1_at_distance"] == pytest.approx(2 / 3)
    assert metrics["best_conf_at_distance"] == pytest.approx(0.9)
    assert "F1_at_distance" not in score(truth, [detections]).metrics


def test_the_distance_itself_is_near_enough_and_metres_are_those_of_the_picture() -> None:
    tree = (_point(100, 100),)
    one, other = picture(*tree, gsd_m=0.5), picture(*tree, gsd_m=1.0)
    detections = [_found((0.9, 106, 100))] * 2  # 3 m and 6 m
    for distance, recall in (("3m", 0.5), ("2.99m", 0), ("6m", 1), ("6", 1), ("5.99", 0)):
        metrics = score(
            index(one, other, names=("tree",)), detections, match_distance=distance
        ).metrics
        assert metrics["recall_at_distance"] == recall
    with pytest.raises(ValueError, match="ground sample distance is not known"):
        score(index(picture(*tree), names=("tree",)), detections[:1], match_distance="3m")


def test_classes_and_pictures_are_apart() -> None:
    truth = index(picture((0, 0, 0, 10, 10)), picture((1, 0, 0, 10, 10)))
    detections = [found((0.9, 1, 0, 0, 10, 10)), found((0.9, 1, 0, 0, 10, 10))]
    report = score(truth, detections, match_distance="5")
    assert report.metrics["recall_at_distance"] == 0.5
    assert report.metrics["F1_at_distance_optimal"] == 0.5
    assert report.per_class["car"]["recall_at_distance"] == 0
    assert report.per_class["person"]["recall_at_distance"] == 1


def test_nothing_to_find() -> None:
    metrics = score(index(picture()), [found()], match_distance="5").metrics
    assert [metrics[key] for key in KEYS] == [None] * 4


def test_the_command_line_takes_a_distance(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Image.fromarray(np.full((64, 64, 3), 90, np.uint8)).save(tmp_path / "a.png")
    box = {"id": 1, "image_id": 1, "category_id": 1, "bbox": [5, 5, 10, 10], "area": 100}
    labels = {
        "images": [{"id": 1, "file_name": "a.png", "width": 64, "height": 64}],
        "categories": [{"id": 1, "name": "car"}],
        "annotations": [box],
    }
    data, out = tmp_path / "val.json", tmp_path / "out"
    data.write_text(json.dumps(labels))
    words = ["evaluate", "--data", str(data), "--out", str(out), "--backend", "torch"]
    for distance, status in (("3m", 1), ("3", 0), ("near", 1)):
        with pytest.raises(SystemExit) as ended:
            main([*words, "--match-distance", distance])
        assert (ended.value.code or 0) == status
    assert json.loads((out / "metrics.json").read_text())["recall_at_distance"] == 0
    said = capsys.readouterr().err
    assert "a.png: nothing tells its ground sample distance" in said
    assert "--match-distance: match distance 'near'" in said
