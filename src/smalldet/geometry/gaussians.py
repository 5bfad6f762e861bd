"""How alike two oriented boxes are as Gaussians: smooth measures to train by.

A box (cx, cy, w, h, angle) stands for the Gaussian with its centre as mean, its axes as principal
axes, and standard deviations of w/2 and h/2. That says the same of a box in every form it can be
written in, so that losses have no jump where an angle wraps or two sides trade places.

Every measure takes `(..., 5)` and `(..., 5)` oriented boxes in pixels, broadcasts their leading
dimensions and gives `(...)`. The published formulas are over matrices; here they are written over
sides and the angle between two boxes, in terms that do not cancel, so that float32 is enough for
thin and for distant boxes. Values and gradients are finite everywhere, also at empty boxes.
"""

from __future__ import annotations

import torch
from torch import Tensor

_SIDE_FLOOR = 1e-3  # px; a thinner box counts as this thick
_ROOT_FLOOR = 1e-8  # under this the square root of prob_iou goes straight to zero


def gaussians(rboxes: Tensor) -> tuple[Tensor, Tensor]:
    """Mean (..., 2) and covariance (..., 2, 2) of oriented boxes (..., 5), in px and px^2."""
    angle = rboxes[..., 4]
    cos, sin = angle.cos(), angle.sin()
    turn = torch.stack((torch.stack((cos, -sin), dim=-1), torch.stack((sin, cos), dim=-1)), dim=-2)
    half_axes = turn * (rboxes[..., None, 2:4] / 2)
    return rboxes[..., :2], half_axes @ half_axes.mT


def gaussian_wasserstein(a: Tensor, b: Tensor) -> Tensor:
    """Squared Wasserstein distance of two boxes as Gaussians, in px^2; symmetric.

    Source: Yang et al. 2021, arXiv 2101.11952.
    """
    a, b = _floating(a), _floating(b)
    (wa, ha), (wb, hb) = _sides(a).unbind(-1), _sides(b).unbind(-1)
    turn = a[..., 4] - b[..., 4]
    like, unlike = wa * wb + ha * hb, wa * hb + ha * wb
    # like - sqrt(like^2 cos^2 + unlike^2 sin^2), twice the loss by the turn, without cancelling
    root = torch.hypot(like * turn.cos(), unlike * turn.sin())
    turned = (wa - ha) * (wa + ha) * (wb - hb) * (wb + hb) * turn.sin().square() / (like + root)
    sides = ((wa - wb).square() + (ha - hb).square()) / 4
    return (a[..., :2] - b[..., :2]).square().sum(dim=-1) + (sides + turned / 2).clamp(min=0)


def covariance_wasserstein(
    mean_a: Tensor, covariance_a: Tensor, mean_b: Tensor, covariance_b: Tensor
) -> Tensor:
    """Squared Wasserstein distance of Gaussians that need not be boxes, in px^2; symmetric.

    Its terms cancel, so give it float64 and expect the square of the distance to be good to a
    millionth of a millionth of the covariances; train with `gaussian_wasserstein`.

    Args:
        mean_a: (..., 2).
        covariance_a: (..., 2, 2).
        mean_b: (..., 2).
        covariance_b: (..., 2, 2).

    Returns:
        (...).
    """
    traces = _trace(covariance_a) + _trace(covariance_b)
    crossed = (covariance_a * covariance_b).sum(dim=(-2, -1))
    volumes = (_determinant(covariance_a) * _determinant(covariance_b)).clamp(min=0).sqrt()
    shared = (crossed + 2 * volumes).clamp(min=0).sqrt()
    apart = (mean_a - mean_b).square().sum(dim=-1)
    return apart + (traces - 2 * shared).clamp(min=0)


def kullback_leibler(predicted: Tensor, target: Tensor) -> Tensor:
    """Kullback-Leibler divergence of the target from the prediction, KL(target || predicted).

    No unit, and the same at any scale: distances are in units of the predicted sides.

    Source: Yang et al. 2021, arXiv 2106.01883.
    """
    predicted, target = _floating(predicted), _floating(target)
    extent, extent_t = _sides(predicted), _sides(target)
    shift = _in_frame(predicted, target[..., :2] - predicted[..., :2]) / extent
    turn = target[..., 4] - predicted[..., 4]
    straight = (extent_t / extent).square()
    crossed = (extent_t.flip(-1) / extent).square()
    trace = straight * turn.cos().square()[..., None] + crossed * turn.sin().square()[..., None]
    logs = 2 * (extent.log() - extent_t.log())
    # Per axis: 4 d^2 / w^2 + trace + logs - 1; never negative in all, but for rounding.
    return ((4 * shift.square() + trace + logs - 1).sum(dim=-1) / 2).clamp(min=0)


def prob_iou(a: Tensor, b: Tensor) -> Tensor:
    """Overlap of two boxes as Gaussians, in 0..1: 1 less their Hellinger distance; symmetric.

    Not the IoU of the boxes, and no substitute for it in a metric. Here the Gaussians have
    the variance of an evenly filled box, w^2/12 and h^2/12.

    Source: Murrugarra-Llerena et al. 2021, arXiv 2106.06072.
    """
    a, b = _floating(a), _floating(b)
    (log_wa, log_ha), (log_wb, log_hb) = _sides(a).log().unbind(-1), _sides(b).log().unbind(-1)
    turn = a[..., 4] - b[..., 4]
    # |Sa + Sb| / (4 sqrt(|Sa| |Sb|)) is 1 + these: unlike in area, and in shape as it is turned
    unlike = (
        _sinh2(log_wa + log_ha - log_wb - log_hb)
        + _sinh2(log_wa - log_ha - log_wb + log_hb) * turn.cos().square()
        + _sinh2(log_wa - log_ha + log_wb - log_hb) * turn.sin().square()
    )
    shift = a[..., :2] - b[..., :2]
    spread = (_cross_spread(a, shift) + _cross_spread(b, shift)) * 3
    determinant = _sides(a).prod(dim=-1) * _sides(b).prod(dim=-1) * (1 + unlike)
    bhattacharyya = spread / determinant / 4 + torch.log1p(unlike) / 2
    hellinger2 = -torch.expm1(-bhattacharyya)
    return 1 - hellinger2 * (hellinger2 + _ROOT_FLOOR).rsqrt()


def _trace(matrices: Tensor) -> Tensor:
    return matrices[..., 0, 0] + matrices[..., 1, 1]


def _determinant(matrices: Tensor) -> Tensor:
    diagonal = matrices[..., 0, 0] * matrices[..., 1, 1]
    return diagonal - matrices[..., 0, 1] * matrices[..., 1, 0]


def _floating(rboxes: Tensor) -> Tensor:
    return rboxes if rboxes.dtype in (torch.float32, torch.float64) else rboxes.float()


def _sides(rboxes: Tensor) -> Tensor:
    return rboxes[..., 2:4].clamp(min=_SIDE_FLOOR)


def _in_frame(rboxes: Tensor, vectors: Tensor) -> Tensor:
    """Vectors (..., 2) by their parts along w and along h of the boxes."""
    cos, sin = rboxes[..., 4].cos(), rboxes[..., 4].sin()
    x, y = vectors[..., 0], vectors[..., 1]
    return torch.stack((x * cos + y * sin, y * cos - x * sin), dim=-1)


def _cross_spread(rboxes: Tensor, shift: Tensor) -> Tensor:
    """shift^T adj(12 S) shift: each side times the part of the shift across it, squared, summed."""
    return (_sides(rboxes) * _in_frame(rboxes, shift).flip(-1)).square().sum(dim=-1)


def _sinh2(doubled: Tensor) -> Tensor:
    return torch.sinh(doubled / 2).square()
