"""How true tracks are: HOTA, MOTA and IDF1 by object size, by the library `trackers`."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from trackers.eval import (
    box_iou,
    compute_clear_metrics,
    compute_hota_metrics,
    compute_identity_metrics,
)

from smalldet.evaluation.size_ranges import SIZE_RANGES_PX, SizeRanges
from smalldet.tracking.frame_boxes import FrameBoxes

MEETS_IOU = 0.5
"""Overlap at which a box is that of a true object that is ignored, as in MOTChallenge."""


@dataclass(frozen=True)
class TrackScore:
    """Scores of one size range, 0..1; MOTA may be negative.

    Args:
        size: name of the range, or `all`.
        num_tracks: true tracks with a box of this size.
        num_boxes: their boxes of this size.
        hota: Luiten et al. 2021: the geometric mean of `det_a` and `ass_a`, over IoU 0.05 to 0.95.
        det_a: how well boxes are found.
        ass_a: how well boxes of one object are joined.
        mota: 1 less misses, false alarms and switches of identity for each true box, at IoU 0.5.
        idf1: F1 of boxes under the best one-to-one pairing of tracks, at IoU 0.5.
        num_switches: times that a true track changed its number.
    """

    size: str
    num_tracks: int
    num_boxes: int
    hota: float
    det_a: float
    ass_a: float
    mota: float
    idf1: float
    num_switches: int


def score_tracks(
    truth: FrameBoxes,
    found: FrameBoxes,
    frames: Iterable[int],
    sizes: SizeRanges = SIZE_RANGES_PX,
) -> list[TrackScore]:
    """Scores over all sizes, then of each range that holds true boxes; classes are not looked at.

    In a range, true boxes of other sizes are ignored: they need not be found, and a found box that
    meets one (IoU of 0.5 or more, pairs chosen for the greatest sum) does not count. Found boxes of
    other sizes that meet nothing do not count either. So each mistake counts in one range. What
    the truth itself ignores, boxes of confidence 0 and crowds, is ignored in all.

    Args:
        truth: true tracks.
        found: tracks.
        frames: numbers of the frames that were looked at; those that the truth does not tell of are
            left out.
        sizes: half-open ranges of the square root of the area, px.
    """
    told_of = truth.told_of
    numbers = sorted(number for number in frames if told_of is None or number in told_of)
    ranges = {"all": (0.0, math.inf), **sizes}
    scores = [_score(name, span, truth, found, numbers) for name, span in ranges.items()]
    return [one for one in scores if one.num_boxes or one.size == "all"]


def _score(
    name: str,
    span: tuple[float, float],
    truth: FrameBoxes,
    found: FrameBoxes,
    frames: list[int],
) -> TrackScore:
    counted = _within(truth.sides, span) & ~truth.ignored
    judged = _within(found.sides, span)
    true_ids = _numbered(truth.ids)
    found_ids = _numbered(found.ids)
    of_true: list[NDArray[np.int64]] = []
    of_found: list[NDArray[np.int64]] = []
    alike: list[NDArray[np.float64]] = []
    for frame in frames:
        true, boxes = truth.rows_of(frame), found.rows_of(frame)
        ious = box_iou(truth.boxes[true], found.boxes[boxes])
        kept = judged[boxes].copy()
        rows, columns = linear_sum_assignment(ious, maximize=True)
        met = ious[rows, columns] >= MEETS_IOU
        kept[columns[met]] = counted[true][rows[met]]
        of_true.append(true_ids[true][counted[true]])
        of_found.append(found_ids[boxes][kept])
        alike.append(ious[counted[true]][:, kept])
    hota = compute_hota_metrics(of_true, of_found, alike)
    clear = compute_clear_metrics(of_true, of_found, alike)
    identity = compute_identity_metrics(of_true, of_found, alike)
    seen = np.concatenate(of_true) if of_true else np.zeros(0, dtype=np.int64)
    return TrackScore(
        name,
        len(np.unique(seen)),
        len(seen),
        hota["HOTA"],
        hota["DetA"],
        hota["AssA"],
        clear["MOTA"],
        identity["IDF1"],
        clear["IDSW"],
    )


def _within(sides: NDArray[np.float64], span: tuple[float, float]) -> NDArray[np.bool_]:
    return (sides >= span[0]) & (sides < span[1])


def _numbered(ids: NDArray[np.int64]) -> NDArray[np.int64]:
    """(N,) positions among the ids that occur."""
    return np.unique(ids, return_inverse=True)[1].astype(np.int64)
