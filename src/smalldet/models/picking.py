"""Picking: what of a picture's candidates becomes its detections, alike for all families."""

from __future__ import annotations

import torch
from torch import Tensor

from smalldet.detections import Detections
from smalldet.geometry.suppression import nms


def pick(
    boxes: Tensor,
    scores: Tensor,
    labels: Tensor,
    class_names: tuple[str, ...],
    *,
    nms_iou: float,
    max_detections: int,
    candidates_per_detection: int = 10,
    min_side_px: float = 0.0,
) -> Detections:
    """Detections of one picture, strongest first.

    Args:
        boxes: (N, 4) xyxy pixels; empty ones and those that are no numbers go.
        scores: (N,) above the confidence asked for.
        labels: (N,).
        class_names: what labels point into.
        nms_iou: two boxes of a class above it are one object.
        max_detections: most that stay.
        candidates_per_detection: the strongest so many for each of `max_detections` go through NMS,
            which bounds its time and memory at very low scores.
        min_side_px: boxes thinner than this go too.
    """
    sides = boxes[:, 2:] - boxes[:, :2]
    sound = torch.isfinite(boxes).all(1) & (sides > 0).all(1) & (sides >= min_side_px).all(1)
    rows = sound.nonzero()[:, 0]
    if len(rows) > candidates_per_detection * max_detections:
        rows = rows[scores[rows].topk(candidates_per_detection * max_detections).indices]
    boxes, scores, labels = boxes[rows], scores[rows], labels[rows]
    kept = nms(boxes, scores, labels, nms_iou)[:max_detections]
    return Detections(boxes[kept], scores[kept], labels[kept], class_names)
