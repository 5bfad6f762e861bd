"""Precision and recall over all scores, as COCO evaluation gives them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from hotcoco import COCO, COCOeval
from numpy.typing import NDArray

COCO_CAPS = (1, 10, 100)  # detections a class and picture


@dataclass(frozen=True)
class Curves:
    """What COCO evaluation gives; -1 where there is nothing to measure.

    Area ranges: all, ours by size, COCO's. Caps: COCO's three, and one that cuts nothing.

    Args:
        precision: (IoU, recall point, class, area range, cap).
        recall: (IoU, class, area range, cap).
    """

    precision: NDArray[np.float64]
    recall: NDArray[np.float64]


def curves_of(
    pair: tuple[COCO, COCO],
    iou_type: str,
    ranges: Mapping[str, tuple[float, float]],
    max_detections: int,
) -> Curves:
    """Run COCO evaluation.

    Args:
        pair: truth and detections.
        iou_type: what is compared, `bbox` or `segm`.
        ranges: {name: least and greatest area}.
        max_detections: of a picture: the cap that cuts nothing.
    """
    evaluation = COCOeval(*pair, iou_type)
    evaluation.params.area_rng = [list(areas) for areas in ranges.values()]
    evaluation.params.area_rng_lbl = list(ranges)
    evaluation.params.max_dets = [*COCO_CAPS, max(max_detections, COCO_CAPS[-1] + 1)]
    evaluation.evaluate()
    evaluation.accumulate()
    curves = evaluation.eval
    assert curves is not None
    return Curves(curves["precision"], curves["recall"])
