"""Boxes: layouts, sizes, clipping. A box is four numbers in the last dimension, in pixels."""

from __future__ import annotations

import torch
from torch import Tensor


def cxcywh_to_xyxy(boxes: Tensor) -> Tensor:
    """(..., 4) centre and sides to (..., 4) corners."""
    cx, cy, w, h = boxes.unbind(-1)
    return torch.stack((cx - w / 2, cy - h / 2, cx + w / 2, cy + h / 2), dim=-1)


def xyxy_to_cxcywh(boxes: Tensor) -> Tensor:
    """(..., 4) corners to (..., 4) centre and sides."""
    x1, y1, x2, y2 = boxes.unbind(-1)
    return torch.stack(((x1 + x2) / 2, (y1 + y2) / 2, x2 - x1, y2 - y1), dim=-1)


def xywh_to_xyxy(boxes: Tensor) -> Tensor:
    """(..., 4) top left corner and sides to (..., 4) corners."""
    return torch.cat((boxes[..., :2], boxes[..., :2] + boxes[..., 2:]), dim=-1)


def xyxy_to_xywh(boxes: Tensor) -> Tensor:
    """(..., 4) corners to (..., 4) top left corner and sides."""
    return torch.cat((boxes[..., :2], boxes[..., 2:] - boxes[..., :2]), dim=-1)


def box_areas(boxes: Tensor) -> Tensor:
    """Area of each box, (..., 4) xyxy to (...); zero where a side is not positive."""
    sides = (boxes[..., 2:] - boxes[..., :2]).clamp(min=0)
    return sides[..., 0] * sides[..., 1]


def box_sides(boxes: Tensor) -> Tensor:
    """Side of the square of equal area, the absolute size of an object: (..., 4) xyxy to (...).

    A measure of size, not for losses: the square root has no finite gradient at an empty box.
    """
    return box_areas(boxes).sqrt()


def clip_boxes(boxes: Tensor, width: float, height: float) -> Tensor:
    """Boxes cut to a picture of `width` x `height` pixels, (..., 4) xyxy."""
    limit = boxes.new_tensor((width, height, width, height))
    return torch.minimum(boxes.clamp(min=0), limit)
