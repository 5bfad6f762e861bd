"""Which query learns which object, and what a layer of queries costs.

Source: Carion et al. 2020, arXiv 2005.12872 (matching); Zhao et al. 2024, arXiv 2304.08069
(varifocal loss, weights of both).
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module

import torch
from torch import Tensor

from smalldet.geometry.boxes import cxcywh_to_xyxy, xyxy_to_cxcywh
from smalldet.geometry.overlaps import giou, pairwise
from smalldet.models.detector import Size
from smalldet.models.losses import BoxLoss, box_loss, mute_mask, small_overlap
from smalldet.targets import Target

CLASS_COST, L1_COST, OVERLAP_COST = 2.0, 5.0, 2.0
FOCAL_ALPHA, FOCAL_GAMMA = 0.25, 2.0
NEGATIVE_ALPHA = 0.75
"""Of the varifocal loss: weight of what is no object."""


@torch.no_grad()
def matched_queries(
    logits: Tensor, boxes: Tensor, size: Size, target: Target
) -> tuple[Tensor, Tensor]:
    """One query for each object, by the least total cost; where there are fewer, some get none.

    Args:
        logits: (Q, C) of a picture.
        boxes: (Q, 4) cxcywh in parts of its sides.
        size: of the picture, pixels.
        target: N objects.

    Returns:
        Rows of queries and of objects, (M,) int64 each, M = min(Q, N).
    """
    scores = logits.sigmoid()[:, target.labels]
    positive = FOCAL_ALPHA * (1 - scores) ** FOCAL_GAMMA * -(scores + 1e-8).log()
    negative = (1 - FOCAL_ALPHA) * scores**FOCAL_GAMMA * -(1 - scores + 1e-8).log()
    truth = _in_parts(target.boxes, size)
    l1 = torch.cdist(boxes, truth, p=1)
    overlap = pairwise(giou, cxcywh_to_xyxy(boxes), cxcywh_to_xyxy(truth))
    cost = CLASS_COST * (positive - negative) + L1_COST * l1 - OVERLAP_COST * overlap
    solve = import_module("scipy.optimize").linear_sum_assignment
    rows, columns = solve(cost.nan_to_num(1e6).cpu().numpy())
    return torch.as_tensor(rows, device=boxes.device), torch.as_tensor(columns, device=boxes.device)


def layer_losses(
    logits: Tensor, boxes: Tensor, size: Size, targets: Sequence[Target], kind: BoxLoss
) -> Tensor:
    """(3,) sums over a batch: class loss, L1 in parts of the picture's sides, box loss.

    The class loss is varifocal: a matched query's score is to be its box's overlap with the object,
    as `small_overlap` measures it. Queries whose middle lies where a class is muted are no
    negatives of that class.

    Args:
        logits: (B, Q, C).
        boxes: (B, Q, 4) cxcywh in parts of the pictures' sides.
        size: of the pictures, pixels.
        targets: of each picture.
        kind: of the box loss.
    """
    height, width = size
    sides = boxes.new_tensor([width, height, width, height])
    totals = boxes.new_zeros(3)
    for logit, box, target in zip(logits, boxes, targets, strict=True):
        query, row = matched_queries(logit, box, size, target)
        truth = target.boxes.to(box)[row]
        corners = cxcywh_to_xyxy(box[query]) * sides
        wanted = torch.zeros_like(logit)
        labels = target.labels[row]
        wanted[query, labels] = small_overlap(corners.detach(), truth).clamp(0, 1)
        is_object = torch.zeros_like(logit, dtype=torch.bool)
        is_object[query, labels] = True
        with torch.no_grad():
            negative = NEGATIVE_ALPHA * logit.sigmoid() ** FOCAL_GAMMA
            weight = torch.where(is_object, wanted, negative)
            if len(target.mute_boxes):
                muted = mute_mask(box[:, :2] * sides[:2], target) & ~is_object
                weight = weight.masked_fill(muted, 0)
        entropy = torch.nn.functional.binary_cross_entropy_with_logits(
            logit, wanted, weight, reduction="sum"
        )
        l1 = (box[query] - _in_parts(truth, size)).abs().sum()
        totals = totals + torch.stack((entropy, l1, box_loss(corners, truth, kind).sum()))
    return totals


def _in_parts(boxes: Tensor, size: Size) -> Tensor:
    """xyxy pixels to cxcywh in parts of the picture's sides."""
    height, width = size
    return xyxy_to_cxcywh(boxes.float()) / boxes.new_tensor([width, height, width, height])
