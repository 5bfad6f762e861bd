"""Curves by score agree with the metrics that name one of their points."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from smalldet.evaluation.comparison import compare
from smalldet.evaluation.matching import best_threshold
from smalldet.evaluation.page.curves import score_curves
from tests.evaluation.by_hand import found, index, picture

CELL = st.tuples(st.sampled_from([0.2, 0.4, 0.6, 0.8]), st.integers(0, 1), st.integers(0, 11))


@given(st.lists(CELL, min_size=1, max_size=30))
def test_the_best_point_is_the_metric_s(cells: list[tuple[float, int, int]]) -> None:
    """Ties of scores too: a confidence counts all detections of an equal score."""
    objects = [(k % 2, 50 * k, 0, 10, 10) for k in range(8)]
    rows = [(score, label, 50 * place, 0, 10, 10) for score, label, place in cells]
    comparison = compare(index(picture(*objects)), [found(*rows)], conf=0.5, max_detections=99)
    curves = score_curves(comparison.at_any_score)
    best_f1, best_conf = best_threshold(comparison.at_any_score)
    if best_f1 is None:
        assert curves.f1.max(initial=0) == 0
        return
    assert curves.best is not None
    assert curves.f1[curves.best] == best_f1 and curves.scores[curves.best] == best_conf
    assert (np.diff(curves.scores) < 0).all()
    at = compare(index(picture(*objects)), [found(*rows)], conf=best_conf or 0, max_detections=99)
    assert at.at_conf.hit.mean() == pytest.approx(curves.precision[curves.best])


def test_thinning_keeps_the_best() -> None:
    rng = np.random.default_rng(0)
    objects = [(0, 50 * k, 0, 10, 10) for k in range(200)]
    rows = [(s, 0, 50 * k, 0, 10, 10) for k, s in enumerate(rng.uniform(0.1, 1, 400))]
    record = picture(*objects, side=30_000)
    comparison = compare(index(record), [found(*rows)], conf=0.5, max_detections=999)
    curves = score_curves(comparison.at_any_score, 0)
    thin = curves.thinned(20)
    assert len(thin.scores) <= 20 and thin.f1.max() == curves.f1.max()
    assert thin.scores[0] == curves.scores[0] and thin.scores[-1] == curves.scores[-1]
