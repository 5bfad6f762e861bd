"""Errors of angles: those of hits alone, up to turns that leave a box as it is."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from smalldet.evaluation.metrics.angle_error import angle_errors
from smalldet.evaluation.scoring import score
from smalldet.geometry.oriented import canonical
from tests.evaluation.by_hand import index, oriented_found, oriented_picture

A, B = (100, 100, 40, 20), (300, 100, 40, 20)


def test_the_mean_is_over_hits_of_each_class_then_over_classes() -> None:
    """Errors of 4 and 8 degrees, one across the end of the range, and of 1; crossed is no hit."""
    record = oriented_picture((0, *A, 88), (0, *B, 10), (1, 500, 100, 40, 20, 0))
    detections = oriented_found(
        (0.9, 0, *A, -88), (0.8, 0, *B, 18), (0.7, 0, *B, 100), (0.6, 1, 500, 100, 40, 20, -1)
    )
    report = score(index(record), [detections])
    of_class = {name: row["OBB_angle_error_deg"] for name, row in report.per_class.items()}
    assert of_class == {"car": pytest.approx(6, abs=1e-4), "person": pytest.approx(1, abs=1e-4)}
    assert report.metrics["OBB_angle_error_deg"] == pytest.approx(3.5, abs=1e-4)


@given(
    st.floats(-10, 10), st.floats(0, 90), st.integers(-3, 3), st.floats(1.3, 20), st.floats(1, 1.19)
)
def test_turns_that_change_nothing_are_no_error(
    angle: float, off: float, turns: int, ratio: float, nearly: float
) -> None:
    """Half turns of a long box, quarter turns of what is nearly a square."""

    def error(sides: tuple[float, float], turn: float) -> float:
        pair = np.array([[0, 0, *sides, angle], [0, 0, *sides, angle + turn]])
        return float(angle_errors(*canonical(torch.from_numpy(pair[:, None])).numpy())[0])

    half = error((ratio, 1.0), np.radians(off) + turns * np.pi)
    assert half == pytest.approx(off, abs=1e-6)
    quarter = error((nearly, 1.0), np.radians(off) + turns * np.pi / 2)
    assert quarter == pytest.approx(min(off, 90 - off), abs=1e-6)
