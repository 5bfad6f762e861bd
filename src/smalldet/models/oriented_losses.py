"""Losses of oriented boxes, all without a jump where an angle wraps or two sides trade places."""

from __future__ import annotations

import torch
from torch import Tensor

from smalldet.geometry.gaussians import gaussian_wasserstein, prob_iou
from smalldet.geometry.log_shapes import log_shapes
from smalldet.geometry.oriented import rbox_areas
from smalldet.models.losses import OrientedBoxLoss, oriented_box_loss, tiny_weight

_THINNEST = 1.0  # px; a thinner object is no longer for that, where its direction is weighed
_NEAREST = 1e-12  # px^2; boxes that lie closer coincide, and have no slope


def small_oriented_overlap(predicted: Tensor, truth: Tensor, nwd_share: float = 0.5) -> Tensor:
    """`losses.small_overlap` of oriented boxes: ProbIoU, for tiny ones mixed with NWD, in 0..1.

    Args:
        predicted: (..., 5) pixels.
        truth: (..., 5) pixels.
        nwd_share: NWD's share for objects up to 8 px.
    """
    share = tiny_weight(_sides(truth), nwd_share)
    return (1 - share) * prob_iou(predicted, truth) + share * _wasserstein(predicted, truth)


def small_oriented_loss(
    predicted: Tensor, truth: Tensor, kind: OrientedBoxLoss = "prob_iou", nwd_share: float = 0.5
) -> Tensor:
    """`losses.oriented_box_loss`, mixed with NWD for small objects; (P, 5) and (P, 5) to (P,)."""
    share = tiny_weight(_sides(truth), nwd_share)
    loss = oriented_box_loss(predicted, truth, kind)
    return (1 - share) * loss + share * (1 - _wasserstein(predicted, truth))


def turn_loss(predicted: Tensor, truth: Tensor) -> Tensor:
    """(P,) how far the directions of oriented boxes (P, 5) are apart, in parts of their stretch.

    It is the distance of the two shapes in `geometry.log_shapes` without their size. A square has
    one place there for all directions, and a long object a ring, half a turn round: the error of
    an angle counts as much as the object is long, and nothing in a square.
    """
    one, other = (
        torch.cat((boxes[..., :2], boxes[..., 2:4].clamp(min=_THINNEST), boxes[..., 4:]), dim=-1)
        for boxes in (predicted, truth)
    )
    apart = log_shapes(one) - log_shapes(other)
    along, turned = (apart[..., 0] - apart[..., 1]) / 2, apart[..., 2]
    return torch.linalg.vector_norm(torch.stack((along, turned), dim=-1), dim=-1)  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]


def _sides(rboxes: Tensor) -> Tensor:
    return rbox_areas(rboxes).sqrt()


def _wasserstein(predicted: Tensor, truth: Tensor) -> Tensor:
    """NWD of oriented boxes, in units of each object's own side: that of upright ones, turned."""
    distance = gaussian_wasserstein(predicted, truth).clamp(min=_NEAREST).sqrt()
    return torch.exp(-distance / _sides(truth).clamp(min=3.0))
