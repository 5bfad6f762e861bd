"""LRP and oLRP against their definition, computed score by score from pairs of boxes."""

from __future__ import annotations

import numpy as np
import pytest

from smalldet.evaluation.comparison import Comparison, compare
from smalldet.evaluation.matching import match_boxes
from smalldet.evaluation.scoring import report_of, score
from tests.evaluation.by_hand import found, index, picture
from tests.evaluation.test_intervals import drawn

NAMES = ("car", "person")


def _lrp(comparison: Comparison, label: int, conf: float) -> tuple[float, float, float, float]:
    """Equation 2 of arXiv 1807.01696 of one class; hotcoco matches."""
    matches = match_boxes(
        comparison.index, comparison.objects, comparison.detections.at_least(conf)
    )
    objects, detections = matches.truth, matches.detections
    rows = np.flatnonzero(matches.hit & (detections.labels == label))
    places = np.flatnonzero(matches.reached & (objects.labels == label))
    overlaps = np.zeros((len(rows), len(places)))
    for i, row in enumerate(rows):
        for j, place in enumerate(places):
            if detections.pictures[row] == objects.pictures[place]:
                a, b = detections.boxes[row], objects.boxes[place]
                sides = np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2])
                inter = np.prod(np.maximum(sides, 0))
                areas = np.prod(a[2:] - a[:2]) + np.prod(b[2:] - b[:2])
                overlaps[i, j] = inter / (areas - inter)
    # boxes of the drawn set are seldom near two objects: the nearest is the matched one
    iou = overlaps.max(axis=1) if len(rows) else np.zeros(0)
    num_hits = len(rows)
    false = int((matches.false_alarm & (detections.labels == label)).sum())
    missed = int((matches.missed & (objects.labels == label)).sum())
    total = num_hits + false + missed
    with np.errstate(invalid="ignore", divide="ignore"):
        return (
            float(((1 - iou).sum() / 0.5 + false + missed) / total),
            float((1 - iou).sum() / np.float64(num_hits)),
            float(np.float64(false) / (num_hits + false)),
            missed / (num_hits + missed),
        )


@pytest.mark.parametrize("seed", range(4))
def test_as_by_definition(seed: int) -> None:
    truth, detections = drawn(4, seed)
    comparison = compare(truth, detections, conf=0.4, max_detections=1500)
    report = report_of(comparison, detections)
    for label, name in enumerate(NAMES):
        measured = report.per_class[name]
        by_score = {
            conf: _lrp(comparison, label, conf) for conf in comparison.detections.scores.tolist()
        }
        best = min(by_score, key=lambda conf: by_score[conf][0])
        parts = [measured[f"oLRP{part}"] for part in ("", "_Loc", "_FP", "_FN")]
        assert parts == pytest.approx(by_score[best], abs=1e-9)
        at_best = _lrp(comparison, label, measured["oLRP_conf"])
        assert at_best[0] == pytest.approx(by_score[best][0])
        parts = [measured[f"LRP{part}"] for part in ("", "_Loc", "_FP", "_FN")]
        assert parts == pytest.approx(_lrp(comparison, label, 0.4), abs=1e-9)
    mean = np.mean([report.per_class[name]["oLRP"] for name in NAMES])
    assert report.metrics["oLRP"] == pytest.approx(mean)
    assert "oLRP_conf" not in report.metrics


def test_by_hand() -> None:
    """Of 2 objects one is found with IoU 0.8; a false alarm is weaker.

    Down to the hit: (0.2 / 0.5 + 0 + 1) / 2 = 0.7. With the false alarm: (0.4 + 1 + 1) / 3 = 0.8.
    """
    truth = index(picture((0, 0, 0, 10, 10), (0, 50, 50, 10, 10)))
    detections = found((0.75, 0, 0, 0, 10, 8), (0.25, 0, 200, 200, 10, 10))
    metrics = score(truth, [detections], conf=0.1)
    car = metrics.per_class["car"]
    assert [car[f"oLRP{part}"] for part in ("", "_Loc", "_FP", "_FN")] == pytest.approx(
        [0.7, 0.2, 0, 0.5]
    )
    assert car["oLRP_conf"] == pytest.approx(0.75)
    assert [car[f"LRP{part}"] for part in ("", "_Loc", "_FP", "_FN")] == pytest.approx(
        [0.8, 0.2, 0.5, 0.5]
    )


def test_equal_scores_come_together() -> None:
    """A hit and a false alarm of one score: there is no confidence that takes the hit alone."""
    truth = index(picture((0, 0, 0, 10, 10)))
    detections = found((0.5, 0, 0, 0, 10, 10), (0.5, 0, 200, 200, 10, 10))
    car = score(truth, [detections]).per_class["car"]
    assert (car["oLRP"], car["oLRP_FP"]) == (pytest.approx(0.5), pytest.approx(0.5))


def test_nothing_found_is_the_worst() -> None:
    car = score(index(picture((0, 0, 0, 10, 10))), [found()]).per_class["car"]
    assert (car["oLRP"], car["oLRP_FN"], car["oLRP_Loc"], car["oLRP_conf"]) == (1, 1, None, None)
    person = score(index(picture((0, 0, 0, 10, 10))), [found()]).per_class["person"]
    assert person["oLRP"] is None
