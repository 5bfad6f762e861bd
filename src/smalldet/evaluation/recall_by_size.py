"""Recall against the size of objects, with its interval, and the smallest size that is found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from smalldet.evaluation.comparison import Comparison

BINS_PER_OCTAVE = 2
_Z_95 = 1.959964
_EDGE_DIGITS = 6


@dataclass(frozen=True, eq=False)
class RecallBySize:
    """How many objects of each size are found, at IoU 0.5, in bins of half an octave.

    Args:
        edges_px: (B + 1,) rising sides, the square root of the box's area, pixels; a bin holds
            low <= side < high. Metres where sizes are asked for in metres.
        num_objects: (B,) int64.
        num_found_any: (B,) int64, by a detection of any score.
        num_found_conf: (B,) int64, by a detection of the comparison's `conf` or more.
        low: (B,) Wilson's 95 % interval of the recall from `conf` on; NaN in an empty bin.
        high: (B,) its upper end.
        mean_side: (B,) geometric mean of the sides in each bin; NaN in an empty one.
    """

    edges_px: NDArray[np.float64]
    num_objects: NDArray[np.int64]
    num_found_any: NDArray[np.int64]
    num_found_conf: NDArray[np.int64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    mean_side: NDArray[np.float64]


def recall_by_size(
    comparison: Comparison,
    classes: NDArray[np.int64] | None = None,
    *,
    in_metres: bool = False,
    scales: NDArray[np.float64] | float = 1.0,
) -> RecallBySize:
    """Recall of the objects of a comparison, ignored ones left out, against their size.

    Args:
        comparison: truth and detections.
        classes: positions of those to look at; all if None.
        in_metres: by sides in metres, over the pictures whose ground sample distance is known.
        scales: (objects,) that sides are multiplied by first, such as those of the network.
    """
    objects = comparison.objects
    sides = np.sqrt(objects.areas) * scales
    if in_metres:
        gsd_m = [r.gsd_m if r.gsd_m is not None else np.nan for r in comparison.index.records]
        sides = sides * np.array(gsd_m, dtype=np.float64)[objects.pictures]
    counted = ~objects.ignore & (sides > 0)  # a side that is not known is not over 0
    if classes is not None:
        counted &= np.isin(objects.labels, classes)
    return binned(
        sides[counted],
        comparison.at_any_score.reached[counted],
        comparison.at_conf.reached[counted],
    )


def binned(
    sides: NDArray[np.float64], found_any: NDArray[np.bool_], found_conf: NDArray[np.bool_]
) -> RecallBySize:
    """Objects in bins of half an octave, as many as hold them all.

    Args:
        sides: (N,) over 0.
        found_any: (N,) found by a detection of any score.
        found_conf: (N,) found by one that counts.
    """
    steps = np.log2(sides) * BINS_PER_OCTAVE
    # 8 px begins a bin, whatever the logarithm rounds to
    which = np.floor(steps.round(_EDGE_DIGITS)).astype(np.int64)
    first = int(which.min()) if len(which) else 0
    num_bins = int(which.max()) - first + 1 if len(which) else 0
    which -= first

    num, num_any, num_conf = (
        np.bincount(which[some], minlength=num_bins)
        for some in (np.ones(len(sides), np.bool_), found_any, found_conf)
    )
    low, high = wilson_interval(num_conf, num)
    total = np.bincount(which, np.log(sides), minlength=num_bins)
    filled = np.where(num > 0, num, 1)
    return RecallBySize(
        2.0 ** (np.arange(first, first + num_bins + 1) / BINS_PER_OCTAVE),
        num,
        num_any,
        num_conf,
        low,
        high,
        np.where(num > 0, np.exp(total / filled), np.nan),
    )


def wilson_interval(
    successes: NDArray[np.int64], trials: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """95 % interval of a share; NaN without trials.

    Source: Wilson 1927, "Probable inference, the law of succession, and statistical inference".
    """
    n = np.where(trials > 0, trials, np.nan)
    share, z2 = successes / n, _Z_95**2
    centre = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = _Z_95 * np.sqrt(share * (1 - share) / n + z2 / (4 * n**2)) / (1 + z2 / n)
    return np.clip(centre - half, 0, 1), np.clip(centre + half, 0, 1)
