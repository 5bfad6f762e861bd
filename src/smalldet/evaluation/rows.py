"""Boxes of many pictures in columns, and the way from them to COCO evaluation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from hotcoco import COCO
from numpy.typing import NDArray

from smalldet.columns import column, take
from smalldet.data.index import Index
from smalldet.detections import Detections
from smalldet.evaluation.mask_codes import Codes, codes_of, codes_of_record, whole_boxes
from smalldet.evaluation.sizes import rounded_areas
from smalldet.geometry.oriented import canonical


@dataclass(frozen=True, eq=False)
class Rows:
    """Boxes of many pictures, one row each.

    Args:
        pictures: (N,) int64, position of the picture in the Index.
        labels: (N,) int64.
        boxes: (N, 4) float64 xyxy pixels.
        scores: (N,) float64; 1 for truth.
        ignore: (N,) bool, neither hit nor false alarm; False for detections.
        masks: (N,) run-length codes of `mask_codes`, where masks are measured.
        rboxes: (N, 5) float64 canonical oriented boxes, where the labels or the detections have
            any; those without among others are upright.
    """

    pictures: NDArray[np.int64] = field(metadata=column())
    labels: NDArray[np.int64] = field(metadata=column())
    boxes: NDArray[np.float64] = field(metadata=column())
    scores: NDArray[np.float64] = field(metadata=column())
    ignore: NDArray[np.bool_] = field(metadata=column())
    masks: Codes | None = field(default=None, metadata=column())
    rboxes: NDArray[np.float64] | None = field(default=None, metadata=column())

    def __len__(self) -> int:
        return len(self.boxes)

    def __getitem__(self, index: NDArray[np.bool_]) -> Rows:
        return take(self, index)

    @property
    def areas(self) -> NDArray[np.float64]:
        """(N,) square pixels."""
        return rounded_areas(self.boxes)

    @property
    def rbox_areas(self) -> NDArray[np.float64]:
        """(N,) square pixels of the oriented boxes."""
        rboxes = self.oriented
        return rounded_areas(np.concatenate([np.zeros((len(self), 2)), rboxes[:, 2:4]], axis=1))

    @property
    def oriented(self) -> NDArray[np.float64]:
        """(N, 5) `rboxes`.

        Raises:
            ValueError: the rows are upright.
        """
        if self.rboxes is None:
            raise ValueError("the labels or the detections have no oriented boxes")
        return self.rboxes

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


def truth_rows(truth: Index, with_masks: bool = False) -> Rows:
    """Objects of all pictures, then one ignore region over each picture for each unknown class."""
    records = truth.records
    unknown = [(i, c) for i, record in enumerate(records) for c in sorted(record.unknown)]
    whole = [(0.0, 0.0, records[i].width, records[i].height) for i, _ in unknown]
    sizes = [len(record.boxes) for record in records]
    extra = np.array(unknown, dtype=np.int64).reshape(-1, 2)
    labels = np.concatenate([*(r.labels for r in records), extra[:, 1]]).astype(np.int64)
    regions = np.array(whole, dtype=np.float64).reshape(-1, 4)
    return Rows(
        np.concatenate([np.repeat(np.arange(len(records)), sizes), extra[:, 0]]),
        labels,
        np.concatenate([*(r.boxes for r in records), regions]).astype(np.float64),
        np.ones(len(labels)),
        np.concatenate([*(r.ignore for r in records), np.ones(len(extra), dtype=np.bool_)]),
        np.concatenate([*map(codes_of_record, records), np.full(len(extra), "", dtype=np.object_)])
        if with_masks
        else None,
        _oriented([*(r.rboxes for r in records), None], [*(r.boxes for r in records), regions]),
    )


def detection_rows(
    detections: Sequence[Detections],
    max_detections: int | None = None,
    *,
    masks_in: Index | None = None,
) -> Rows:
    """Detections of all pictures, strongest first in each, at most `max_detections` a picture.

    Args:
        detections: of each picture.
        max_detections: no limit if None.
        masks_in: the pictures, where the rows shall have masks and detections do.
    """
    kept = [one.to("cpu").sorted_by_score(max_detections) for one in detections]
    if not any(map(len, kept)):
        none = np.zeros(0, dtype=np.int64)
        no, turned = np.zeros(0, dtype=np.bool_), np.zeros((0, 5))
        return Rows(none, none, np.zeros((0, 4)), np.zeros(0), no, rboxes=turned)
    sizes = [len(one) for one in kept]
    turned = [None if one.rboxes is None else one.rboxes.double().numpy() for one in kept]
    return Rows(
        np.repeat(np.arange(len(kept)), sizes),
        np.concatenate([one.labels.numpy() for one in kept]),
        np.concatenate([one.boxes.numpy() for one in kept]).astype(np.float64),
        np.concatenate([one.scores.numpy() for one in kept]).astype(np.float64),
        np.zeros(sum(sizes), dtype=np.bool_),
        None if masks_in is None else _masks(kept, masks_in),
        _oriented(turned, [one.boxes.numpy() for one in kept]),
    )


def _oriented(
    rboxes: Sequence[NDArray[np.floating] | None], boxes: Sequence[NDArray[np.floating]]
) -> NDArray[np.float64] | None:
    """(N, 5) of all pictures, upright ones for those without; None where none has any."""
    if all(part is None for part in rboxes):
        return None
    parts: list[NDArray[np.float64]] = []
    for turned, upright in zip(rboxes, boxes, strict=True):
        if turned is None:
            sides = upright[:, 2:] - upright[:, :2]
            centres = (upright[:, :2] + upright[:, 2:]) / 2
            turned = np.concatenate([centres, sides, np.zeros((len(upright), 1))], axis=1)
        parts.append(turned.astype(np.float64))
    return canonical(torch.from_numpy(np.concatenate(parts))).numpy()


def _masks(detections: Sequence[Detections], index: Index) -> Codes:
    pairs = zip(detections, index.records, strict=True)
    return np.concatenate(
        [codes_of(one.masks, one.boxes, record) for one, record in pairs if one.masks is not None]
    )


def ranks_in(groups: NDArray[np.int64]) -> NDArray[np.int64]:
    """(N,) how many rows of its group stand before each row."""
    order = np.argsort(groups, kind="stable")
    ordered = groups[order]
    ranks = np.empty(len(groups), dtype=np.int64)
    ranks[order] = np.arange(len(groups)) - np.searchsorted(ordered, ordered)
    return ranks


def areas_in(
    rows: Rows, units_per_px: NDArray[np.float64] | None, *, oriented: bool = False
) -> NDArray[np.float64]:
    """(N,) areas in square pixels, or in the unit of `units_per_px` (num pictures,)."""
    areas = rows.rbox_areas if oriented else rows.areas
    return areas if units_per_px is None else areas * units_per_px[rows.pictures] ** 2


def coco_pair(
    index: Index,
    truth: Rows,
    detections: Rows,
    units_per_px: NDArray[np.float64] | None = None,
    *,
    by_masks: bool = False,
) -> tuple[COCO, COCO]:
    """Truth and detections as COCO data sets; ids of pictures, classes and boxes are row + 1.

    The area that tells the size is that of the box, for truth and detections alike: in pixels, or
    in the unit of `units_per_px` (num pictures,).

    By masks, an object that nobody has outlined is its whole box, and an ignore region.
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
        iscrowd=truth.ignore | (truth.masks == "") if by_masks else truth.ignore,
        segmentation=segmentation(index, truth) if by_masks else None,
    )
    pictures, labels = detections.pictures + 1, detections.labels + 1
    dt = gt.load_res(
        np.column_stack([pictures, detections.boxes_xywh, detections.scores, labels]),
        segmentation=segmentation(index, detections) if by_masks else None,
    )
    areas = areas_in(detections, units_per_px)
    dt.update_anns(ids=np.arange(1, len(detections) + 1), area=areas)
    return gt, dt


def segmentation(index: Index, rows: Rows) -> list[Any]:
    """COCO's `segmentation` of each row: a run-length code; the whole box where there is none."""
    codes = np.full(len(rows), "", dtype=np.object_) if rows.masks is None else rows.masks.copy()
    without = np.flatnonzero(codes == "")
    for row in without.tolist():
        picture = index.records[rows.pictures[row]]
        codes[row] = whole_boxes(rows.boxes[[row]], picture)[0]
    sizes = [[record.height, record.width] for record in index.records]
    pictures = rows.pictures.tolist()
    return [
        {"size": sizes[picture], "counts": code}
        for picture, code in zip(pictures, codes.tolist(), strict=True)
    ]
