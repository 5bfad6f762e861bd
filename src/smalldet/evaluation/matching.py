"""Hits, false alarms and misses at one confidence."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import chain

import numpy as np
from hotcoco import COCOeval
from numpy.typing import NDArray

from smalldet.data.index import Index
from smalldet.evaluation.rows import Rows, coco_pair
from smalldet.evaluation.sizes import ALL_AREAS


@dataclass(frozen=True, eq=False)
class Matches:
    """Which detections meet which objects.

    Args:
        truth: objects and ignore regions of all pictures.
        detections: the detections that were matched.
        hit: (len(detections),) bool, on an object.
        met: (len(detections),) int64, row of the object that each hit is on; -1 for the others.
        false_alarm: (len(detections),) bool, on no object and with less than half of its area in an
            ignore region of its class.
        reached: (len(truth),) bool, an object that has a detection.
    """

    truth: Rows
    detections: Rows
    hit: NDArray[np.bool_]
    met: NDArray[np.int64]
    false_alarm: NDArray[np.bool_]
    reached: NDArray[np.bool_]

    @property
    def missed(self) -> NDArray[np.bool_]:
        """(len(truth),) bool, an object that no detection meets."""
        return ~self.reached & ~self.truth.ignore


def match_boxes(index: Index, truth: Rows, detections: Rows, iou_threshold: float = 0.5) -> Matches:
    """Give objects to detections, strongest first, as COCO does.

    Against an ignore region COCO takes the part of the detection's own area that lies in the
    region, so that the threshold 0.5 there means half of the detection.
    """
    evaluation = COCOeval(*coco_pair(index, truth, detections), "bbox")
    evaluation.params.iou_thrs = [iou_threshold]
    evaluation.params.area_rng = [list(ALL_AREAS)]
    evaluation.params.area_rng_lbl = ["all"]
    evaluation.params.max_dets = [max(len(detections), 1)]
    evaluation.evaluate()
    cells = [cell for cell in evaluation.eval_imgs if cell is not None]

    detection_ids = _column(cell["dtIds"] for cell in cells) - 1
    met = np.full(len(detections), -1)
    met[detection_ids] = _column(cell["dtMatches"][0] for cell in cells) - 1
    matched = met >= 0
    excused = np.zeros(len(detections), dtype=np.bool_)
    excused[detection_ids] = _column(cell["dtIgnore"][0] for cell in cells) > 0
    truth_ids = _column(cell["gtIds"] for cell in cells) - 1
    reached = np.zeros(len(truth), dtype=np.bool_)
    reached[truth_ids] = _column(cell["gtMatches"][0] for cell in cells) > 0
    return Matches(
        truth,
        detections,
        hit=matched & ~excused,
        met=np.where(excused, -1, met),
        false_alarm=~matched & ~excused,
        reached=reached & ~truth.ignore,
    )


def best_threshold(matches: Matches) -> tuple[float | None, float | None]:
    """The highest F1 over all classes, and the confidence at which it is reached.

    Objects go to detections strongest first, so what a higher confidence would count is a prefix of
    what was matched, which ends with the last of equal scores. None where there is no object or no
    hit.

    Args:
        matches: of detections down to a low score.
    """
    judged = matches.hit | matches.false_alarm
    num_objects = int((~matches.truth.ignore).sum())
    order = np.argsort(-matches.detections.scores[judged], kind="stable")
    hits = matches.hit[judged][order].cumsum()
    if not num_objects or not hits.size or not hits[-1]:
        return None, None
    scores = matches.detections.scores[judged][order]
    ends = np.append(scores[1:] != scores[:-1], True)
    f1 = 2 * hits / (np.arange(1, len(hits) + 1) + num_objects) * ends
    best = int(f1.argmax())
    return float(f1[best]), float(scores[best])


def _column(lists: Iterable[Iterable[int]]) -> NDArray[np.int64]:
    return np.fromiter(chain.from_iterable(lists), dtype=np.int64)
