"""How much average precision each kind of mistake costs: AP50 with that kind mended, less AP50.

Source: Bolya et al. 2020 (TIDE), arXiv 2008.08115, section 2.3.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from smalldet.columns import cat, column, take
from smalldet.evaluation.errors import (
    BACKGROUND,
    BOTH,
    CLASSIFICATION,
    DUPLICATE,
    LOCALISATION,
    MISSED,
    Errors,
)
from smalldet.evaluation.judging import at_101_points
from smalldet.evaluation.matching import Matches

MENDED = ("cls", "loc", "both", "dup", "bkg", "miss", "FP", "FN")
"""What is mended: a kind of mistake each, then all false alarms, then all misses."""

_MOVED = {"cls": CLASSIFICATION, "loc": LOCALISATION}
_DROPPED = {"both": BOTH, "dup": DUPLICATE, "bkg": BACKGROUND}


@dataclass(frozen=True, eq=False)
class _Judged:
    """Detections that are right or wrong.

    Args:
        rows: (N,) int64, of the matches; of equal scores the first goes first, as in COCO.
        scores: (N,) float64.
        labels: (N,) int64.
        objects: (N,) int64, row of the object that each is on; -1 for false alarms.
        areas: (N,) of the object; of the detection itself for false alarms.
    """

    rows: NDArray[np.int64] = field(metadata=column())
    scores: NDArray[np.float64] = field(metadata=column())
    labels: NDArray[np.int64] = field(metadata=column())
    objects: NDArray[np.int64] = field(metadata=column())
    areas: NDArray[np.float64] = field(metadata=column())


def ap_costs(
    matches: Matches,
    errors: Errors,
    num_classes: int,
    object_areas: NDArray[np.float64],
    detection_areas: NDArray[np.float64],
    area_ranges: Sequence[tuple[float, float]],
) -> NDArray[np.float64]:
    """Gain in AP50 by each thing mended.

    A detection of the wrong class or place becomes one of its object; where an object then has
    several, the strongest stays. Other false alarms go. Missed objects are no longer counted.

    In a range of sizes count the objects of it, the detections on them, and the false alarms that
    are themselves of the range.

    Args:
        matches: of detections down to a low score.
        errors: of the same matches.
        num_classes: that labels point into.
        object_areas: (len(matches.truth),) that tell the range.
        detection_areas: (len(matches.detections),) the same.
        area_ranges: low <= area < high.

    Returns:
        (things of `MENDED`, classes, ranges), NaN where a class has no object of a range.
    """
    truth = matches.truth
    hits, false = matches.hit, errors.detections >= 0
    right = _Judged(
        np.flatnonzero(hits),
        matches.detections.scores[hits],
        matches.detections.labels[hits],
        matches.met[hits],
        object_areas[matches.met[hits]],
    )
    alarms = errors.detections[false]
    wrong = _Judged(
        alarms,
        errors.scores[false],
        errors.labels[false],
        np.full(len(alarms), -1),
        detection_areas[alarms],
    )
    kinds, about = errors.kinds[false], errors.objects[false]
    counted = ~truth.ignore
    mended: dict[str, tuple[_Judged, NDArray[np.bool_]]] = {}
    for name, kind in _MOVED.items():
        moved = about[kinds == kind]
        onto = replace(
            take(wrong, kinds == kind),
            labels=truth.labels[moved],
            objects=moved,
            areas=object_areas[moved],
        )
        mended[name] = cat([_strongest(cat([right, onto])), take(wrong, kinds != kind)]), counted
    for name, kind in _DROPPED.items():
        mended[name] = cat([right, take(wrong, kinds != kind)]), counted
    missed = np.zeros(len(truth), dtype=np.bool_)
    missed[errors.objects[errors.kinds == MISSED]] = True
    every = cat([right, wrong])
    mended |= {
        "miss": (every, counted & ~missed),
        "FP": (right, counted),
        "FN": (every, counted & matches.reached),
    }

    def ap50(judged: _Judged, objects: NDArray[np.bool_]) -> NDArray[np.float64]:
        return _ap_table(
            judged, truth.labels[objects], object_areas[objects], num_classes, area_ranges
        )

    as_it_is = ap50(every, counted)
    after = np.stack([ap50(*mended[name]) for name in MENDED])
    # Where no object is left that counts, nothing can be gained.
    return np.where(np.isnan(after), 0, after - as_it_is) + np.where(np.isnan(as_it_is), np.nan, 0)


def _strongest(judged: _Judged) -> _Judged:
    """One detection for each object."""
    order = np.lexsort((judged.rows, -judged.scores, judged.objects))
    first = np.unique(judged.objects[order], return_index=True)[1]
    return take(judged, order[first])


def _ap_table(
    judged: _Judged,
    object_labels: NDArray[np.int64],
    object_areas: NDArray[np.float64],
    num_classes: int,
    area_ranges: Sequence[tuple[float, float]],
) -> NDArray[np.float64]:
    """(classes, ranges) AP, NaN where there is no object."""
    table = np.full((num_classes, len(area_ranges)), np.nan)
    judged = take(judged, np.lexsort((judged.rows, -judged.scores, judged.labels)))
    borders = np.searchsorted(judged.labels, np.arange(num_classes + 1))
    for r, (low, high) in enumerate(area_ranges):
        in_range = (judged.areas >= low) & (judged.areas < high)
        labels = object_labels[(object_areas >= low) & (object_areas < high)]
        for label, num in enumerate(np.bincount(labels, minlength=num_classes).tolist()):
            if num:
                rows = slice(borders[label], borders[label + 1])
                hits = judged.objects[rows] >= 0
                table[label, r] = at_101_points(hits, in_range[rows], num)
    return table
