"""How alike two boxes are: IoU and its kin, and measures for objects too small for IoU.

Every measure takes `(..., 4)` and `(..., 4)` xyxy boxes in pixels, broadcasts their leading
dimensions and gives `(...)`. `pairwise` makes an (N, M) table of any of them.

All are written over *differences* of coordinates, which float32 holds exactly for neighbours, so
that a box 100,000 px from the origin is measured like one at the origin. Values and gradients are
finite everywhere, also at empty boxes; half precision is computed in float32.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

# Below these a side (px) or an area (px^2) is nothing: quotients by it have no meaning.
_SIDE_FLOOR = 1e-6
_AREA_FLOOR = 1e-12


def pairwise(measure: Callable[..., Tensor], a: Tensor, b: Tensor, **options: Any) -> Tensor:
    """Table of a measure over all pairs.

    Args:
        measure: any measure of this file.
        a: (N, 4) xyxy.
        b: (M, 4) xyxy.
        options: passed to the measure, such as `scale_px`.

    Returns:
        (N, M).
    """
    return measure(a[:, None, :], b[None, :, :], **options)


def iou(a: Tensor, b: Tensor) -> Tensor:
    """Intersection over union, in 0..1; 0 where both boxes are empty."""
    a, b = _floating(a), _floating(b)
    inter, union = _inter_union(a, b)
    return _quotient(inter, union)


def giou(a: Tensor, b: Tensor) -> Tensor:
    """Generalised IoU, in -1..1: IoU less the empty part of the enclosing box.

    Source: Rezatofighi et al. 2019, arXiv 1902.09630, algorithm 1.
    """
    a, b = _floating(a), _floating(b)
    inter, union = _inter_union(a, b)
    enclosing = _area(_enclosing_sides(a, b))
    return _quotient(inter, union) - _quotient(enclosing - union, enclosing)


def diou(a: Tensor, b: Tensor) -> Tensor:
    """Distance IoU, in -1..1: IoU less squared centre distance over squared enclosing diagonal.

    Source: Zheng et al. 2020, arXiv 1911.08287, eq. 6 and 7.
    """
    a, b = _floating(a), _floating(b)
    inter, union = _inter_union(a, b)
    return _quotient(inter, union) - _centre_penalty(a, b)


def ciou(a: Tensor, b: Tensor) -> Tensor:
    """Complete IoU: DIoU less a penalty for unlike aspect; its weight alpha gets no gradient.

    Source: Zheng et al. 2020, arXiv 1911.08287, eq. 8 to 11.
    """
    a, b = _floating(a), _floating(b)
    inter, union = _inter_union(a, b)
    overlap = _quotient(inter, union)
    wa, ha = _sides(a).clamp(min=_SIDE_FLOOR).unbind(-1)
    wb, hb = _sides(b).clamp(min=_SIDE_FLOOR).unbind(-1)
    aspect = (4 / math.pi**2) * (torch.atan2(wb, hb) - torch.atan2(wa, ha)).square()
    alpha = _quotient(aspect, 1 - overlap + aspect).detach()
    return overlap - _centre_penalty(a, b) - alpha * aspect


def normalized_wasserstein(a: Tensor, b: Tensor, scale_px: float | Tensor) -> Tensor:
    """Similarity of boxes as Gaussians, for objects too small for IoU.

    Args:
        a: (..., 4) xyxy.
        b: (..., 4) xyxy.
        scale_px: the data set's mean object side (12.7 for AI-TOD).

    Returns:
        (...) in 0..1; 1 where boxes coincide.

    Source: Wang et al. 2021, arXiv 2110.13389, eq. 8.
    """
    a, b = _floating(a), _floating(b)
    apart = torch.cat((_centre_shift(a, b), (_sides(a) - _sides(b)) / 2), dim=-1)
    return torch.exp(-_length(apart) / scale_px)


def receptive_field_distance(priors: Tensor, objects: Tensor) -> Tensor:
    """Similarity of a prior's receptive field to an object, in 0..1: 1 / (1 + KL divergence).

    Args:
        priors: (..., 4) xyxy; a box round the prior's point whose side is the effective receptive
            field, half the theoretical one.
        objects: (..., 4) xyxy. Not symmetric: distances are in units of the object's sides.

    Source: Xu et al. 2022 (RFLA), arXiv 2208.08738, eq. 4 to 6.
    """
    priors, objects = _floating(priors), _floating(objects)
    field = _sides(priors).clamp(min=_SIDE_FLOOR)
    extent = _sides(objects).clamp(min=_SIDE_FLOOR)
    terms = (
        (field / extent).square()
        + 4 * (_centre_shift(priors, objects) / extent).square()
        + 2 * (extent.log() - field.log())
        - 1
    )
    # KL is never negative; rounding can take it there.
    return 1 / (1 + terms.sum(dim=-1).clamp(min=0) / 2)


def _floating(boxes: Tensor) -> Tensor:
    return boxes if boxes.dtype in (torch.float32, torch.float64) else boxes.float()


def _sides(boxes: Tensor) -> Tensor:
    return (boxes[..., 2:] - boxes[..., :2]).clamp(min=0)


def _area(sides: Tensor) -> Tensor:
    return sides[..., 0] * sides[..., 1]


def _length(vectors: Tensor) -> Tensor:
    # A norm, not the square root of a sum: its gradient at zero is zero, not NaN.
    return torch.linalg.vector_norm(vectors, dim=-1)  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]


def _centre_shift(a: Tensor, b: Tensor) -> Tensor:
    # Not a difference of two centres: far from the origin a centre is rounded, a difference is not.
    apart = a - b
    return (apart[..., :2] + apart[..., 2:]) / 2


def _inter_union(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    top_left = torch.maximum(a[..., :2], b[..., :2])
    bottom_right = torch.minimum(a[..., 2:], b[..., 2:])
    inter = _area((bottom_right - top_left).clamp(min=0))
    return inter, _area(_sides(a)) + _area(_sides(b)) - inter


def _enclosing_sides(a: Tensor, b: Tensor) -> Tensor:
    # Corners are sorted first: a box turned inside out must not shrink what encloses it.
    top_left = torch.minimum(_low_corner(a), _low_corner(b))
    bottom_right = torch.maximum(_high_corner(a), _high_corner(b))
    return bottom_right - top_left


def _low_corner(boxes: Tensor) -> Tensor:
    return torch.minimum(boxes[..., :2], boxes[..., 2:])


def _high_corner(boxes: Tensor) -> Tensor:
    return torch.maximum(boxes[..., :2], boxes[..., 2:])


def _centre_penalty(a: Tensor, b: Tensor) -> Tensor:
    diagonal = _enclosing_sides(a, b).square().sum(dim=-1)
    return _quotient(_centre_shift(a, b).square().sum(dim=-1), diagonal)


def _quotient(part: Tensor, whole: Tensor) -> Tensor:
    """part / whole; 0, with a gradient of 0, where the whole is nothing."""
    something = whole > _AREA_FLOOR
    return torch.where(something, part, 0) / torch.where(something, whole, 1)
