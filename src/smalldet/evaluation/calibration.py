"""Whether scores tell the truth: of the detections of score 0.8, are 80 % right?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from smalldet.evaluation.comparison import Comparison

NUM_BINS = 10


@dataclass(frozen=True, eq=False)
class Calibration:
    """Scores against precision at IoU 0.5, in bins of equal width.

    Args:
        edges: (B + 1,) of the scores, low < score <= high.
        num: (B,) int64, detections in each bin; those that an ignore region excuses are left out.
        mean_score: (B,) of them; NaN in an empty bin.
        precision: (B,) share of them that is on an object; NaN in an empty bin.
    """

    edges: NDArray[np.float64]
    num: NDArray[np.int64]
    mean_score: NDArray[np.float64]
    precision: NDArray[np.float64]

    @property
    def error(self) -> float | None:
        """Expected calibration error, in 0..1: None without detections.

        Mean over the detections of how far their bin's precision is from its mean score.

        Source: Naeini et al. 2015, "Obtaining well calibrated probabilities using Bayesian
        binning", with hits at IoU 0.5 for the right class.
        """
        if not self.num.sum():
            return None
        apart = np.nan_to_num(np.abs(self.precision - self.mean_score))
        return float((apart * self.num).sum() / self.num.sum())


def calibrate(
    comparison: Comparison,
    classes: NDArray[np.int64] | None = None,
    sides: tuple[float, float] = (0.0, np.inf),
) -> Calibration:
    """Calibration of the detections of any score.

    Args:
        comparison: truth and detections.
        classes: positions of those to look at; all if None.
        sides: low <= side < high of the detections, in the unit of the comparison's sizes.
    """
    matches = comparison.at_any_score
    detections, areas = matches.detections, comparison.detection_areas
    judged = matches.hit | matches.false_alarm
    judged &= (areas >= sides[0] ** 2) & (areas < sides[1] ** 2)
    if classes is not None:
        judged &= np.isin(detections.labels, classes)
    return in_bins(detections.scores[judged], matches.hit[judged])


def in_bins(scores: NDArray[np.float64], hits: NDArray[np.bool_]) -> Calibration:
    """Scores (N,) in 0..1 and hits (N,) in bins."""
    edges = np.linspace(0, 1, NUM_BINS + 1)
    which = np.clip(np.searchsorted(edges, scores) - 1, 0, NUM_BINS - 1)
    num = np.bincount(which, minlength=NUM_BINS)
    filled = np.where(num > 0, num, np.nan)
    return Calibration(
        edges,
        num,
        np.bincount(which, scores, NUM_BINS) / filled,
        np.bincount(which[hits], minlength=NUM_BINS) / filled,
    )
