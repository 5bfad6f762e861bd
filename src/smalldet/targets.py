"""Target: what a detector is trained on for one picture."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, eq=False)
class Target:
    """Truth of one training picture.

    A *mute* region is a part of the picture in which some classes may occur without a label: a
    crowd box, or the whole area that came from a data set that does not label them. A location
    inside it gets no negative loss for those classes. Regions, not a flag for the picture, so that
    the truth survives mosaic.

    Args:
        boxes: (N, 4) float32 xyxy pixels.
        labels: (N,) int64.
        mute_boxes: (R, 4) float32 xyxy pixels.
        mute_classes: (R, C) bool, classes that get no negative loss inside the region.
    """

    boxes: Tensor
    labels: Tensor
    mute_boxes: Tensor
    mute_classes: Tensor

    @classmethod
    def of(cls, boxes: Tensor, labels: Tensor, num_classes: int) -> Target:
        """A fully labelled picture: no mute regions."""
        return cls(
            boxes, labels, boxes.new_zeros((0, 4)), torch.zeros(0, num_classes, dtype=torch.bool)
        )

    def to(self, device: torch.device | str) -> Target:
        return Target(
            self.boxes.to(device),
            self.labels.to(device),
            self.mute_boxes.to(device),
            self.mute_classes.to(device),
        )
