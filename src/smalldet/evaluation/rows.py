"""Boxes of many pictures in columns, and the way from them to COCO evaluation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from hotcoco import COCO
from numpy.typing import NDArray

from smalldet.columns import column, take
from smalldet.data.index import Index
from smalldet.detections import Detections
from smalldet.evaluation.sizes import rounded_areas


@dataclass(frozen=True, eq=False)
class Rows:
    """Boxes of many pictures, one row each.

    Args:
        pictures: (N,) int64, position of the picture in the Index.
        labels: (N,) int64.
        boxes: (N, 4) float64 xyxy pixels.
        scores: (N,) float64; 1 for truth.
        ignore: (N,) bool, neither hit nor false alarm; False for detections.
    """

    pictures: NDArray[np.int64] = field(metadata=column())
    labels: NDArray[np.int64] = field(metadata=column())
    boxes: NDArray[np.float64] = field(metadata=column())
    scores: NDArray[np.float64] = field(metadata=column())
    ignore: NDArray[np.bool_] = field(metadata=column())

    def __len__(self) -> int:
        return len(self.boxes)

    def __getitem__(self, index: NDArray[np.bool_]) -> Rows:
        return take(self, index)

    @property
    def areas(self) -> NDArray[np.float64]:
        """(N,) square pixels."""
        return rounded_areas(self.boxes)

    @property
    def boxes_xywh(self) -> NDArray[np.float64]:
        """(N, 4) left, top, width, height in pixels."""
        corner = self.boxes[:, :2]
        return np.concatenate([corner, np.maximum(self.boxes[:, 2:] - corner, 0.0)], axis=1)

    def at_least(self, conf: float) -> Rows:
        """Rows with a score of `conf` or more."""
        return self[self.is_at_least(conf)]

    def is_at_least(self, conf: float) -> NDArray[np.bool_]:
        """(N,) a score of `conf` or more; compared as float32, which scores are made as."""
        return self.scores >= np.float64(np.float32(conf))


def truth_rows(truth: Index) -> Rows:
    """Objects of all pictures, then one ignore region over each picture for each unknown class."""
    records = truth.records
    unknown = [(i, c) for i, record in enumerate(records) for c in sorted(record.unknown)]
    whole = [(0.0, 0.0, records[i].width, records[i].height) for i, _ in unknown]
    sizes = [len(record.boxes) for record in records]
    extra = np.array(unknown, dtype=np.int64).reshape(-1, 2)
    labels = np.concatenate([*(r.labels for r in records), extra[:, 1]]).astype(np.int64)
    return Rows(
        np.concatenate([np.repeat(np.arange(len(records)), sizes), extra[:, 0]]),
        labels,
        np.concatenate(
            [*(r.boxes for r in records), np.array(whole, dtype=np.float64).reshape(-1, 4)]
        ).astype(np.float64),
        np.ones(len(labels)),
        np.concatenate([*(r.ignore for r in records), np.ones(len(extra), dtype=np.bool_)]),
    )


def detection_rows(detections: Sequence[Detections], max_detections: int | None = None) -> Rows:
    """Detections of all pictures, strongest first in each, at most `max_detections` a picture."""
    kept = [one.to("cpu").sorted_by_score(max_detections) for one in detections]
    if not any(map(len, kept)):
        none = np.zeros(0, dtype=np.int64)
        return Rows(none, none, np.zeros((0, 4)), np.zeros(0), np.zeros(0, dtype=np.bool_))
    sizes = [len(one) for one in kept]
    return Rows(
        np.repeat(np.arange(len(kept)), sizes),
        np.concatenate([one.labels.numpy() for one in kept]),
        np.concatenate([one.boxes.numpy() for one in kept]).astype(np.float64),
        np.concatenate([one.scores.numpy() for one in kept]).astype(np.float64),
        np.zeros(sum(sizes), dtype=np.bool_),
    )


def areas_in(rows: Rows, units_per_px: NDArray[np.float64] | None) -> NDArray[np.float64]:
    """(N,) areas in square pixels, or in the unit of `units_per_px` (num pictures,)."""
    return rows.areas if units_per_px is None else rows.areas * units_per_px[rows.pictures] ** 2


def coco_pair(
    index: Index, truth: Rows, detections: Rows, units_per_px: NDArray[np.float64] | None = None
) -> tuple[COCO, COCO]:
    """Truth and detections as COCO data sets; ids of pictures, classes and boxes are row + 1.

    The area that tells the size is that of the box, for truth and detections alike: in pixels, or
    in the unit of `units_per_px` (num pictures,).
    """
    images = [
        {"id": i, "width": r.width, "height": r.height, "file_name": r.path.name}
        for i, r in enumerate(index.records, start=1)
    ]
    categories = [{"id": i, "name": name} for i, name in enumerate(index.class_names, start=1)]
    gt = COCO.from_arrays(
        images,
        categories,
        truth.pictures + 1,
        truth.labels + 1,
        truth.boxes_xywh,
        area=areas_in(truth, units_per_px),
        iscrowd=truth.ignore,
    )
    pictures, labels = detections.pictures + 1, detections.labels + 1
    dt = gt.load_res(np.column_stack([pictures, detections.boxes_xywh, detections.scores, labels]))
    areas = areas_in(detections, units_per_px)
    dt.update_anns(ids=np.arange(1, len(detections) + 1), area=areas)
    return gt, dt
