"""Losses and the overlap measure that both the losses and the assigner use."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from smalldet.geometry.boxes import box_sides
from smalldet.geometry.overlaps import ciou, iou, normalized_wasserstein

TINY_PX = 8.0
SMALL_PX = 32.0


def tiny_weight(sides: Tensor, most: float) -> Tensor:
    """Share of the Wasserstein term: `most` up to 8 px, falling to 0 at 32 px."""
    return most * ((SMALL_PX - sides) / (SMALL_PX - TINY_PX)).clamp(0, 1)


def small_overlap(predicted: Tensor, truth: Tensor, nwd_share: float = 0.5) -> Tensor:
    """IoU for large objects, half IoU and half NWD for tiny ones, in 0..1.

    The scale of NWD is each object's own side, not one constant of the data set: a shift by a
    quarter of the side then counts alike at 4 px and at 16 px.

    Args:
        predicted: (..., 4) xyxy.
        truth: (..., 4) xyxy.
        nwd_share: NWD's share for objects up to 8 px.
    """
    sides = box_sides(truth)
    share = tiny_weight(sides, nwd_share)
    wasserstein = normalized_wasserstein(predicted, truth, sides.clamp(min=3.0))
    return (1 - share) * iou(predicted, truth) + share * wasserstein


def box_loss(predicted: Tensor, truth: Tensor, nwd_share: float = 0.5) -> Tensor:
    """(P,) 1 - CIoU, mixed with 1 - NWD for small objects, where IoU has no slope.

    Source: CIoU of Zheng et al. 2020, arXiv 1911.08287; NWD of Wang et al. 2021, arXiv 2110.13389.
    """
    sides = box_sides(truth)
    share = tiny_weight(sides, nwd_share)
    wasserstein = normalized_wasserstein(predicted, truth, sides.clamp(min=3.0))
    return (1 - share) * (1 - ciou(predicted, truth)) + share * (1 - wasserstein)


def quality_focal_loss(logits: Tensor, quality: Tensor, beta: float = 2.0) -> Tensor:
    """Cross entropy against a soft target, weighted by |target - score|^beta; same shape as given.

    Source: Li et al. 2020, arXiv 2006.04388, eq. 4.
    """
    entropy = F.binary_cross_entropy_with_logits(logits, quality, reduction="none")
    with torch.no_grad():
        weight = (quality - logits.sigmoid()).abs() ** beta
    return entropy * weight


def mean_over_processes(value: Tensor) -> Tensor:
    """The mean of a scalar over all processes; itself where there is one."""
    if not (torch.distributed.is_available() and torch.distributed.is_initialized()):
        return value
    value = value.clone()
    torch.distributed.all_reduce(value)
    return value / torch.distributed.get_world_size()
