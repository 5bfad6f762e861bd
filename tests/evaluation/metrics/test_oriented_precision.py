"""Average precision of oriented boxes on cases worked by hand, and where it is measured."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from smalldet.evaluation.classes import match_classes
from smalldet.evaluation.kept import About, keep, read_kept
from smalldet.evaluation.result_files import read_results
from smalldet.evaluation.scoring import score
from tests.evaluation.by_hand import found, index, oriented_found, oriented_picture, picture

SLANTED, UPRIGHT = (0, 100, 100, 40, 10, 45), (0, 300, 100, 20, 20, 0)


def test_the_angle_decides_where_upright_boxes_are_equal() -> None:
    """A box at 45 degrees and its mirror image have one enclosing box; crossed, they share 10 x 10
    of 700: a false alarm, then a hit of one of two objects."""
    record = oriented_picture(SLANTED, UPRIGHT)
    report = score(
        index(record), [oriented_found((0.9, *SLANTED[:5], -45), (0.8, *SLANTED[:5], 45))]
    )
    metrics, once = report.metrics, 51 / 101
    for name in ("OBB_AP", "OBB_AP50", "OBB_AP75"):
        assert metrics[name] == pytest.approx(once / 2)
    assert metrics["AP50"] == pytest.approx(once)
    assert report.per_class["car"]["OBB_AP50"] == metrics["OBB_AP50"]
    assert report.per_class["person"]["OBB_AP50"] is None


def test_the_oriented_area_tells_the_size() -> None:
    """40 x 10 is of 20 px; the box around it at 45 degrees of 35 px."""
    record = oriented_picture(SLANTED)
    metrics = score(index(record), [oriented_found((0.9, *SLANTED))]).metrics
    assert metrics["OBB_AP_small"] == metrics["OBB_AP50_small"] == pytest.approx(1)
    assert metrics["OBB_AP_medium"] is None
    assert metrics["AP_medium"] == pytest.approx(1) and metrics["AP_small"] is None


def test_half_a_turn_and_swapped_sides_are_the_same_box() -> None:
    record = oriented_picture(SLANTED)
    for rbox in ((40, 10, 225), (10, 40, -45), (10, 40, 135)):
        metrics = score(index(record), [oriented_found((0.9, *SLANTED[:3], *rbox))]).metrics
        assert metrics["OBB_AP"] == pytest.approx(1)
        assert metrics["OBB_angle_error_deg"] == pytest.approx(0, abs=1e-4)


def test_ignore_regions_take_half_of_a_detection() -> None:
    """The region is a slanted strip; the second detection lies across it with a quarter inside."""
    record = oriented_picture(UPRIGHT, (0, 600, 600, 400, 20, 45), ignore=(1,))
    hit, inside = (0.8, *UPRIGHT), (0.9, 0, 600, 600, 30, 10, 45)
    across = (0.85, 0, 600, 600, 80, 10, -45)
    metrics = score(index(record), [oriented_found(inside, hit)]).metrics
    assert metrics["OBB_AP"] == pytest.approx(1)
    metrics = score(index(record), [oriented_found(inside, across, hit)]).metrics
    assert metrics["OBB_AP"] == pytest.approx(0.5)


def test_it_needs_oriented_boxes_on_both_sides() -> None:
    turned, boxes = oriented_picture(SLANTED), found((0.9, 0, 80, 80, 40, 40))
    plain, slanted = picture((0, 80, 80, 40, 40)), oriented_found((0.9, *SLANTED))
    for truth, detections in ((turned, boxes), (plain, slanted), (plain, boxes)):
        names = score(index(truth), [detections], num_resamples=5).metrics
        assert not [name for name in names if name.startswith(("OBB", "DOTA"))]
    nothing = score(index(turned), [found()]).metrics
    assert nothing["OBB_AP"] == 0 and nothing["OBB_angle_error_deg"] is None


def test_intervals_are_of_the_measured_value() -> None:
    record = oriented_picture(SLANTED, UPRIGHT)
    hits = oriented_found((0.9, *SLANTED), (0.8, *UPRIGHT))
    report = score(index(record, record), [hits, hits], num_resamples=20)
    low, high = report.intervals["OBB_AP"]
    assert low == pytest.approx(1) and high == pytest.approx(1)
    assert report.intervals["OBB_AP50"] == report.intervals["OBB_AP"]


def test_files_and_folders_keep_oriented_boxes(tmp_path: Path) -> None:
    """By `rbbox` with `bbox` or without, and by four corners."""
    truth = index(oriented_picture(SLANTED, UPRIGHT))
    detections = oriented_found((0.9, *SLANTED), (0.8, *UPRIGHT))
    keep(tmp_path, truth, match_classes(truth, ("car", "person")), [detections], About())
    kept = read_kept(tmp_path)
    assert score(kept.truth, kept.detections).metrics["OBB_AP"] == pytest.approx(1)
    file = tmp_path / "detections.json"
    entries = json.loads(file.read_text())
    for entry in entries:
        del entry["bbox"]
    file.write_text(json.dumps(entries))
    metrics = score(truth, read_results(file, truth).detections).metrics
    assert metrics["OBB_AP"] == pytest.approx(1) and metrics["AP"] == pytest.approx(1)

    a, b = 25 / 2**0.5, 15 / 2**0.5
    corners = [100 - b, 100 - a, 100 + a, 100 + b, 100 + b, 100 + a, 100 - a, 100 - b]
    square = [290, 90, 310, 90, 310, 110, 290, 110]
    for entry, ring in zip(entries, (corners, square), strict=True):
        del entry["rbbox"]
        entry["bbox"] = [ring[6], ring[1], ring[2] - ring[6], ring[5] - ring[1]]
        entry["segmentation"] = [ring]
    file.write_text(json.dumps(entries))
    assert score(truth, read_results(file, truth).detections).metrics["OBB_AP"] == pytest.approx(1)


def test_oriented_boxes_that_are_none_are_counted(tmp_path: Path) -> None:
    truth = index(replace(oriented_picture(SLANTED, UPRIGHT), image_id=1))
    entry = {"image_id": 1, "category_id": 1, "bbox": [80, 80, 40, 40], "score": 0.5}
    good = [100, 100, 40, 10, 0.785398]
    nan, infinite = float("nan"), float("inf")
    wrong = [good[:4], "x", [*good[:4], nan], [infinite, *good[1:]], [100, 100, -4, 10, 0]]
    wrong += [[100, 100, 1e9, 10, 0], [100, 100, None, 10, 0]]
    flat = [100, 100, 40, 0, 0]
    content = [entry | {"rbbox": rbbox} for rbbox in (*wrong, flat)]
    content.append(entry | {"rbbox": good, "score": 0.9})
    file = tmp_path / "results.json"
    file.write_text(json.dumps(content))
    results = read_results(file, truth)
    assert results.remarks[0] == (
        "7 results have an oriented box that is not cx, cy, w, h, angle: left out"
    )
    assert results.remarks[1] == "1 results have a box without area: each is a false alarm"
    assert len(results.detections[0]) == 2
    assert score(truth, results.detections).metrics["OBB_AP50"] == pytest.approx(51 / 101)
