"""Measures: what the assigner of small objects asks of boxes, for each form that they have."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor

from smalldet.geometry.boxes import box_sides
from smalldet.geometry.gaussians import kullback_leibler
from smalldet.geometry.oriented import enclosing_boxes, points_in_frames, rbox_areas
from smalldet.geometry.overlaps import receptive_field_distance
from smalldet.models.losses import small_overlap
from smalldet.models.oriented_losses import small_oriented_overlap
from smalldet.targets import Target

Limits = tuple[float, float]
"""What half a side of an object counts as at least and at most, pixels."""


class BoxMeasure(Protocol):
    """Boxes are (..., K) of the form; P stands for pairs of a place and an object."""

    def boxes_of(self, targets: Sequence[Target]) -> Tensor:
        """(N, K) the objects of all targets."""
        ...

    def sides(self, boxes: Tensor) -> Tensor:
        """(N,) side of the square of equal area, pixels."""
        ...

    def reach(self, boxes: Tensor, limits: Limits) -> tuple[Tensor, Tensor]:
        """Centre and half sides, each (N, 2), of an upright box round all that is near."""
        ...

    def near(self, points: Tensor, boxes: Tensor, least: Tensor, most: Tensor) -> Tensor | None:
        """(P,) bool, which of the points that `reach` holds are near; None: all are.

        Args:
            points: (P, 2).
            boxes: (P, K).
            least: (P, 1) what half a side counts as at least, pixels.
            most: (P, 1) and at most.
        """
        ...

    def overlap(self, predicted: Tensor, truth: Tensor) -> Tensor:
        """(P,) in 0..1."""
        ...

    def field_likeness(self, centres: Tensor, half: Tensor, truth: Tensor) -> Tensor:
        """(P,) in 0..1: RFLA's of square receptive fields, by centres (P, 2) and half sides."""
        ...


class UprightMeasure:
    """Boxes (..., 4) xyxy pixels, by IoU mixed with NWD."""

    def boxes_of(self, targets: Sequence[Target]) -> Tensor:
        return torch.cat([target.boxes for target in targets])

    def sides(self, boxes: Tensor) -> Tensor:
        return box_sides(boxes)

    def reach(self, boxes: Tensor, limits: Limits) -> tuple[Tensor, Tensor]:
        centre = (boxes[:, :2] + boxes[:, 2:]) / 2
        return centre, ((boxes[:, 2:] - boxes[:, :2]) / 2).clamp(*limits)  # pyright: ignore[reportArgumentType, reportCallIssue]

    def near(self, points: Tensor, boxes: Tensor, least: Tensor, most: Tensor) -> Tensor | None:
        return None

    def overlap(self, predicted: Tensor, truth: Tensor) -> Tensor:
        return small_overlap(predicted, truth)

    def field_likeness(self, centres: Tensor, half: Tensor, truth: Tensor) -> Tensor:
        fields = torch.cat([centres - half, centres + half], 1)
        return receptive_field_distance(fields, truth)


class OrientedMeasure:
    """Oriented boxes (..., 5), as Gaussians: by ProbIoU mixed with NWD.

    What is near an object lies along it: most of the box that encloses a thin diagonal one is far
    from it.
    """

    def boxes_of(self, targets: Sequence[Target]) -> Tensor:
        return torch.cat([target.oriented() for target in targets])

    def sides(self, boxes: Tensor) -> Tensor:
        return rbox_areas(boxes).sqrt()

    def reach(self, boxes: Tensor, limits: Limits) -> tuple[Tensor, Tensor]:
        least, most = (torch.full_like(boxes[:, :1], limit) for limit in limits)
        around = enclosing_boxes(_held(boxes, least, most))
        return boxes[:, :2], (around[:, 2:] - around[:, :2]) / 2

    def near(self, points: Tensor, boxes: Tensor, least: Tensor, most: Tensor) -> Tensor | None:
        apart = points_in_frames(points[:, None], boxes)[:, 0].abs()
        return (apart <= _held(boxes, least, most)[:, 2:4] / 2).all(1)

    def overlap(self, predicted: Tensor, truth: Tensor) -> Tensor:
        return small_oriented_overlap(predicted, truth)

    def field_likeness(self, centres: Tensor, half: Tensor, truth: Tensor) -> Tensor:
        fields = torch.cat([centres, 2 * half.expand(-1, 2), torch.zeros_like(half)], 1)
        return 1 / (1 + kullback_leibler(truth, fields))


def _held(rboxes: Tensor, least: Tensor, most: Tensor) -> Tensor:
    """Oriented boxes (N, 5) whose half sides are held within limits (N, 1)."""
    sides = torch.minimum(torch.maximum(rboxes[:, 2:4], 2 * least), 2 * most)
    return torch.cat([rboxes[:, :2], sides, rboxes[:, 4:]], 1)
