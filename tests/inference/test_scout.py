"""The scout passes over tiles with nothing in them, and over no others."""

import numpy as np
import pytest

from smalldet.inference.options import PredictOptions
from smalldet.inference.predictor import Predictor


@pytest.fixture
def corner(draw_squares):
    """A scene with squares in its upper left corner, and their truth."""
    scene = np.zeros((1500, 1400, 3), np.uint8)
    scene[:200, :300], truth = draw_squares(300, 200, 20, max_side=40)
    return scene, truth


def test_what_the_scout_leaves_gives_the_same(finder, corner):
    scene, _ = corner
    told = []
    full = Predictor(finder, PredictOptions(overlap_frac=0.4)).predict(scene)
    scouted = Predictor(finder, PredictOptions(overlap_frac=0.4, scout=True)).predict(
        scene, on_scouted=lambda *numbers: told.append(numbers)
    )
    large = full.boxes[(full.boxes[:, 2:] - full.boxes[:, :2]).amin(dim=1) >= 12]
    assert len(large) > 5
    boxes = scouted.boxes.tolist()
    assert all(box in boxes for box in large.tolist())
    (visited, total) = told[0]
    assert 0 < visited < total / 10


def test_flat_ground_costs_the_detector_nothing(finder, corner):
    scene, _ = corner
    looks = []
    detect = finder.detect
    finder.detect = lambda images, *rest: looks.append(len(images)) or detect(images, *rest)
    scene[:200, :300] = 7
    assert len(Predictor(finder, PredictOptions(scout=True)).predict(scene)) == 0
    assert not looks


def test_a_scene_of_one_tile_is_not_scouted(finder, draw_squares):
    scene, truth = draw_squares(120, 100, 10)
    detections = Predictor(finder, PredictOptions(scout=True)).predict(scene)
    assert len(detections) == len(truth)
