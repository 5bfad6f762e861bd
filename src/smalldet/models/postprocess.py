"""Picking: what of a picture's candidates becomes its detections, alike for all families."""

from __future__ import annotations

import torch
from torch import Tensor

from smalldet.detections import Detections
from smalldet.geometry.oriented import canonical, enclosing_boxes
from smalldet.geometry.rotated import rotated_nms
from smalldet.geometry.suppression import nms
from smalldet.geometry.voting import vote_boxes

# A voter has at least this share of the score of the box that it votes on: so who votes does not
# depend on the confidence asked for, as long as candidates reach down to that share of it.
VOTER_SHARE = 0.5


def select_detections(
    boxes: Tensor,
    scores: Tensor,
    labels: Tensor,
    class_names: tuple[str, ...],
    *,
    nms_iou: float,
    max_detections: int,
    candidates_per_detection: int = 10,
    min_side_px: float = 0.0,
    min_score: float = 0.0,
    vote_iou: float | None = None,
) -> Detections:
    """Detections of one picture, strongest first.

    Args:
        boxes: (N, 4) xyxy pixels, or (N, 5) oriented; empty ones and those that are no numbers go.
        scores: (N,).
        labels: (N,).
        class_names: what labels point into.
        nms_iou: two boxes of a class above it are one object.
        max_detections: most that stay.
        candidates_per_detection: the strongest so many for each of `max_detections` go through NMS,
            which bounds its time and memory at very low scores.
        min_side_px: boxes thinner than this go too.
        min_score: only stronger boxes stay; weaker ones may still vote.
        vote_iou: boxes that overlap one that stays by more vote on where its edges are (see
            `vote_boxes`); None: none do.
    """
    oriented = boxes.shape[1] == 5
    sides = boxes[:, 2:4] if oriented else boxes[:, 2:] - boxes[:, :2]
    sound = torch.isfinite(boxes).all(1) & (sides > 0).all(1) & (sides >= min_side_px).all(1)
    rows = sound.nonzero()[:, 0]
    num_cut = max(0, len(rows) - candidates_per_detection * max_detections)
    if num_cut:
        rows = rows[scores[rows].topk(candidates_per_detection * max_detections).indices]
    boxes, scores, labels = boxes[rows], scores[rows], labels[rows]
    boxes = canonical(boxes) if oriented else boxes
    kept = (rotated_nms if oriented else nms)(boxes, scores, labels, nms_iou)
    kept = kept[scores[kept] > min_score]
    num_cut += max(0, len(kept) - max_detections)
    kept = kept[:max_detections]
    if vote_iou is None:
        kept_boxes = boxes[kept]
    else:
        kept_boxes = vote_boxes(boxes, scores, labels, kept, vote_iou, VOTER_SHARE)
    return Detections(
        enclosing_boxes(kept_boxes) if oriented else kept_boxes,
        scores[kept],
        labels[kept],
        class_names,
        rboxes=kept_boxes if oriented else None,
        num_cut=num_cut,
    )
