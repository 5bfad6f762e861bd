"""Curves against the score from which detections count: precision, recall, F1."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from smalldet.evaluation.matching import Matches

MOST_POINTS = 160


@dataclass(frozen=True, eq=False)
class ScoreCurves:
    """Precision, recall and F1 of the detections from each score on, at IoU 0.5.

    Attributes:
        scores: (P,) falling.
        precision: (P,).
        recall: (P,).
        f1: (P,).
    """

    scores: NDArray[np.float64]
    precision: NDArray[np.float64]
    recall: NDArray[np.float64]
    f1: NDArray[np.float64]

    @property
    def best(self) -> int | None:
        """Place of the highest F1; None without points."""
        return int(self.f1.argmax()) if len(self.scores) else None

    def thinned(self, most: int = MOST_POINTS) -> ScoreCurves:
        """At most so many points, evenly spread, with the ends and the best one."""
        if len(self.scores) <= most:
            return self
        places = np.linspace(0, len(self.scores) - 1, most - 1).round().astype(np.int64)
        places = np.unique(np.append(places, self.f1.argmax()))
        columns = (self.scores, self.precision, self.recall, self.f1)
        return ScoreCurves(*(column[places] for column in columns))


def score_curves(matches: Matches, label: int | None = None) -> ScoreCurves:
    """Curves of one class, or of all classes together.

    Args:
        matches: of detections down to a low score.
        label: the class; all if None.
    """
    judged = matches.hit | matches.false_alarm
    counted = ~matches.truth.ignore
    if label is not None:
        judged &= matches.detections.labels == label
        counted &= matches.truth.labels == label
    order = np.argsort(-matches.detections.scores[judged], kind="stable")
    scores = matches.detections.scores[judged][order]
    hits = matches.hit[judged][order].cumsum()
    # equal scores count together: the last of them has all
    last = np.append(scores[1:] != scores[:-1], True) if len(scores) else np.zeros(0, np.bool_)
    num_found, num_objects = np.arange(1, len(hits) + 1), int(counted.sum())
    columns = (
        scores,
        hits / num_found,
        hits / max(num_objects, 1),
        2 * hits / (num_found + num_objects),
    )
    return ScoreCurves(*(column[last] for column in columns))
