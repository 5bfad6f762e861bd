"""What is known of a detector: from its metrics, its file, a person, or not at all."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from smalldet.changing.recall import Known, Recall

METRICS = {
    "conf": 0.3,
    "recall_by_size": {
        "edges_px": [4, 8, 16, 32],
        "num_objects": [50, 0, 100],
        "low": [0.1, None, 0.8],
        "high": [0.3, None, 0.9],
    },
    "calibration": {
        "all": {
            "num_detections": [10, 0, 20, 20],
            "mean_score": [0.1, None, 0.6, 0.8],
            "precision": [0.3, None, 0.5, 0.4],
        }
    },
}


def test_bounds_go_by_the_size_in_pixels(tmp_path, objects_at):
    path = tmp_path / "metrics.json"
    path.write_text(json.dumps(METRICS))
    known = Known.of(None, path)
    assert "from score 0.3 on" in known.recall.words
    objects = replace(
        objects_at(np.zeros((4, 2))),
        side_px=np.array([np.sqrt(32), np.sqrt(512), 1000.0, np.nan]),
    )
    low, high = known.recall.bounds(objects)
    assert low.tolist() == pytest.approx([0.1, 0.8, 0.8, 0.1])
    assert high.tolist() == pytest.approx([0.3, 0.9, 0.9, 0.9])
    between = replace(objects, side_px=np.full(4, 32**0.25 * 512**0.25))
    assert known.recall.bounds(between)[0] == pytest.approx(np.full(4, 0.45))


def test_scores_are_as_right_as_measured_and_never_fall(tmp_path):
    path = tmp_path / "metrics.json"
    path.write_text(json.dumps(METRICS))
    right = Known.of(None, path).calibration(np.array([0.0, 0.1, 0.6, 0.8, 1.0]))
    assert right.tolist() == pytest.approx([0.3, 0.3, 0.45, 0.45, 0.45])
    assert Known.of(0.5, None).calibration(np.array([0.7])).tolist() == [0.7]


def test_what_a_models_file_says_halves_the_doubt(objects_at):
    """From the side on that half are found, recall is over a half; below it, under."""
    objects = replace(
        objects_at(np.zeros((3, 2))),
        side_px=np.array([5.0, 9.0, 9.0]),
        half_found_px=np.array([8.0, 8.0, np.nan]),
    )
    low, high = Recall.unknown().bounds(objects)
    assert (low.tolist(), high.tolist()) == ([0.0, 0.5, 0.0], [0.5, 1.0, 1.0])
    low, high = Recall.constant(0.8).bounds(objects)
    assert low.tolist() == high.tolist() == [0.8, 0.8, 0.8]


@pytest.mark.parametrize("lacking", ["recall_by_size", "calibration", "conf"])
def test_other_files_are_refused(tmp_path, lacking):
    path = tmp_path / "a.json"
    path.write_text(json.dumps({k: v for k, v in METRICS.items() if k != lacking}))
    with pytest.raises(ValueError, match=r"a\.json: is no metrics\.json"):
        Known.of(None, path)
    with pytest.raises(FileNotFoundError):
        Known.of(None, tmp_path / "gone.json")
