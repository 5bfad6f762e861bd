"""Losses and the overlap measure that both the losses and the assigner use."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from smalldet.geometry.boxes import box_sides
from smalldet.geometry.gaussians import gaussian_wasserstein, kullback_leibler, prob_iou
from smalldet.geometry.overlaps import ciou, diou, giou, iou, normalized_wasserstein
from smalldet.targets import Target

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


BoxLoss = Literal["ciou", "giou", "diou", "nwd", "nwd_ciou"]
_OVERLAPS = {"ciou": ciou, "giou": giou, "diou": diou}


def box_loss(
    predicted: Tensor, truth: Tensor, kind: BoxLoss = "nwd_ciou", nwd_share: float = 0.5
) -> Tensor:
    """What a predicted box costs, 0 where it is the truth.

    Args:
        predicted: (P, 4) xyxy pixels.
        truth: (P, 4) xyxy pixels.
        kind: one less an overlap. `nwd_ciou` is CIoU, mixed with NWD for small objects, where IoU
            has no slope; NWD is in units of each object's own side.
        nwd_share: of `nwd_ciou`, NWD's share for objects up to 8 px.

    Returns:
        (P,).

    Source: GIoU of Rezatofighi et al. 2019, arXiv 1902.09630; DIoU and CIoU of Zheng et al. 2020,
        arXiv 1911.08287; NWD of Wang et al. 2021, arXiv 2110.13389.
    """
    if kind in _OVERLAPS:
        return 1 - _OVERLAPS[kind](predicted, truth)
    sides = box_sides(truth)
    wasserstein = normalized_wasserstein(predicted, truth, sides.clamp(min=3.0))
    if kind == "nwd":
        return 1 - wasserstein
    share = tiny_weight(sides, nwd_share)
    return (1 - share) * (1 - ciou(predicted, truth)) + share * (1 - wasserstein)


OrientedBoxLoss = Literal["kld", "gwd", "prob_iou"]


def oriented_box_loss(predicted: Tensor, truth: Tensor, kind: OrientedBoxLoss = "kld") -> Tensor:
    """What a predicted oriented box costs as a Gaussian, in 0..1: 0 where it is the truth.

    Args:
        predicted: (P, 5) oriented boxes in any form.
        truth: (P, 5).
        kind: `kld` and `gwd` are 1 - 1 / (1 + log(1 + d)) of the distance d; GWD's in units of the
            truth's own side, so that it says the same at any scale. `prob_iou` is a distance.

    Returns:
        (P,).

    Source: Yang et al. 2021, arXiv 2106.01883 (KLD) and 2101.11952 (GWD); Murrugarra-Llerena et
        al. 2021, arXiv 2106.06072 (ProbIoU).
    """
    if kind == "prob_iou":
        return 1 - prob_iou(predicted, truth)
    if kind == "kld":
        distance = kullback_leibler(predicted, truth)
    else:
        area = truth[:, 2:4].clamp(min=1.0).prod(dim=1)
        distance = gaussian_wasserstein(predicted, truth) / area
    return 1 - 1 / (1 + torch.log1p(distance))


ClassLoss = Literal["quality_focal", "focal", "equalized_focal"]


def quality_focal_loss(logits: Tensor, quality: Tensor, beta: float | Tensor = 2.0) -> Tensor:
    """Cross entropy against a soft target, weighted by |target - score|^beta; same shape as given.

    Source: Li et al. 2020, arXiv 2006.04388, eq. 4.
    """
    entropy = F.binary_cross_entropy_with_logits(logits, quality, reduction="none")
    with torch.no_grad():
        weight = (quality - logits.sigmoid()).abs() ** beta
    return entropy * weight


class EqualizedFocalLoss(nn.Module):
    """Quality focal loss that spares the classes that are rarely seen.

    A rare class is pushed down by the negatives of all others far more than its own few objects
    push it up. The ratio g of the two gradients so far, 0..1, gives each class its own focus
    gamma = 2 + 8 (1 - g): the easy negatives of a rare class count less, and its loss is weighted
    by gamma / 2, so that its hard objects count more. All classes begin balanced, at g = 1.

    Args:
        num_classes: C.
        focus: gamma of a balanced class.
        scale: what the rarest class adds to it.

    Source: Li et al. 2022, arXiv 2201.02593, in the form for quality focal loss.
    """

    pushed_up: Tensor
    pushed_down: Tensor

    def __init__(self, num_classes: int, focus: float = 2.0, scale: float = 8.0) -> None:
        super().__init__()
        self.focus = focus
        self.scale = scale
        self.register_buffer("pushed_up", torch.zeros(num_classes))
        self.register_buffer("pushed_down", torch.zeros(num_classes))

    def forward(self, logits: Tensor, quality: Tensor) -> Tensor:
        """(..., C) and (..., C) to (..., C); notes the gradients on the way back."""
        gamma = self.gamma()
        if logits.requires_grad:
            logits.register_hook(lambda slope: self._note(slope, quality > 0))
        return quality_focal_loss(logits, quality, gamma) * (gamma / self.focus)

    def gamma(self) -> Tensor:
        """(C,) focus of each class."""
        seen = self.pushed_down > 0
        ratio = self.pushed_up / torch.where(seen, self.pushed_down, 1.0)
        balance = torch.where(seen, ratio.clamp(max=1.0), 1.0)
        return self.focus + self.scale * (1 - balance)

    @torch.no_grad()
    def _note(self, slope: Tensor, positive: Tensor) -> None:
        slope = slope.abs().flatten(0, -2)
        positive = positive.flatten(0, -2)
        self.pushed_up += torch.where(positive, slope, 0.0).sum(0)
        self.pushed_down += torch.where(positive, 0.0, slope).sum(0)


def mute_mask(centres: Tensor, target: Target) -> Tensor:
    """(L, C) bool: places, by their centres (L, 2), where a class may occur without a label."""
    inside = inside_boxes(centres, target.mute_boxes.to(centres.device))
    return (inside.float() @ target.mute_classes.to(centres.device).float()) > 0


def inside_boxes(points: Tensor, boxes: Tensor) -> Tensor:
    """(L, N) bool: which points (L, 2) lie in which boxes (N, 4)."""
    x, y = points[:, 0, None], points[:, 1, None]
    x1, y1, x2, y2 = boxes.unbind(1)
    return (x >= x1) & (x < x2) & (y >= y1) & (y < y2)


def mute_masks(centres: Tensor, targets: Sequence[Target]) -> Tensor | None:
    """(B, L, C) bool, the `mute_mask` of every picture; None where no picture mutes anything."""
    if not any(len(target.mute_boxes) for target in targets):
        return None
    return torch.stack([mute_mask(centres, target) for target in targets])


def mean_over_processes(value: Tensor) -> Tensor:
    """The mean of a scalar over all processes; itself where there is one."""
    if not (torch.distributed.is_available() and torch.distributed.is_initialized()):
        return value
    value = value.clone()
    torch.distributed.all_reduce(value)
    return value / torch.distributed.get_world_size()
