"""Forms of Speck's boxes, upright and oriented: how codes become boxes, and what an error costs."""

from __future__ import annotations

from typing import Protocol

from torch import Tensor

from smalldet.geometry.boxes import clip_boxes
from smalldet.models.assigners.measures import BoxMeasure, OrientedMeasure, UprightMeasure
from smalldet.models.detector import Size
from smalldet.models.losses import box_loss
from smalldet.models.oriented_losses import small_oriented_loss, turn_loss
from smalldet.models.speck.head import decode_boxes, decode_rboxes
from smalldet.models.speck.options import LossOptions


class BoxForm(Protocol):
    """Boxes have K numbers, box codes as many."""

    @property
    def measure(self) -> BoxMeasure:
        """Of boxes of this form, for the assigner."""
        ...

    def decode(self, codes: Tensor, centres: Tensor, strides: Tensor) -> Tensor:
        """Box codes (..., L, K) at locations (L, 2) and (L,) to boxes (..., L, K) in pixels."""
        ...

    def within(self, boxes: Tensor, size: Size) -> Tensor:
        """Boxes (N, K) as they are told of a picture of a size."""
        ...

    def loss(self, predicted: Tensor, truth: Tensor, learning: LossOptions) -> Tensor:
        """(P,) what boxes (P, K) cost against the truth (P, K)."""
        ...


class UprightBoxes:
    """Boxes (..., 4) xyxy pixels, which end at the picture's edges."""

    measure = UprightMeasure()

    def decode(self, codes: Tensor, centres: Tensor, strides: Tensor) -> Tensor:
        return decode_boxes(codes, centres, strides)

    def within(self, boxes: Tensor, size: Size) -> Tensor:
        return clip_boxes(boxes, size[1], size[0])

    def loss(self, predicted: Tensor, truth: Tensor, learning: LossOptions) -> Tensor:
        return box_loss(predicted, truth, learning.box_loss, learning.nwd_share)


class OrientedBoxes:
    """Oriented boxes (..., 5), pixels; a cut one may reach out of the picture, as truth does."""

    measure = OrientedMeasure()

    def decode(self, codes: Tensor, centres: Tensor, strides: Tensor) -> Tensor:
        return decode_rboxes(codes, centres, strides)

    def within(self, boxes: Tensor, size: Size) -> Tensor:
        return boxes

    def loss(self, predicted: Tensor, truth: Tensor, learning: LossOptions) -> Tensor:
        errors = small_oriented_loss(predicted, truth, learning.obb_loss, learning.nwd_share)
        return errors + learning.turn_weight * turn_loss(predicted, truth)
