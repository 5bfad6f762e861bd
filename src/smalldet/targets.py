"""Target: what a detector is trained on for one picture."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

from smalldet.columns import column, map_columns


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
        masks: (N, M, M) int8 or None: each object on a grid that fills its box, 1 where it is, 0
            where it is not, -1 all over where nobody has outlined it.
        rboxes: (N, 5) float32 canonical oriented boxes (cx, cy, w, h, angle; see
            `geometry.oriented`) or None. `boxes` then enclose them, within the picture.
    """

    boxes: Tensor = field(metadata=column("objects"))
    labels: Tensor = field(metadata=column("objects"))
    mute_boxes: Tensor = field(metadata=column("mute regions"))
    mute_classes: Tensor = field(metadata=column("mute regions"))
    masks: Tensor | None = field(default=None, metadata=column("objects", filler=-1))
    rboxes: Tensor | None = field(default=None, metadata=column("objects"))

    @classmethod
    def of(cls, boxes: Tensor, labels: Tensor, num_classes: int) -> Target:
        """A fully labelled picture: no mute regions."""
        return cls(
            boxes, labels, boxes.new_zeros((0, 4)), torch.zeros(0, num_classes, dtype=torch.bool)
        )

    def oriented(self) -> Tensor:
        """(N, 5) the oriented boxes, for a detector that learns from these alone.

        Raises:
            ValueError: there are objects and no oriented boxes.
        """
        if self.rboxes is not None:
            return self.rboxes
        if len(self.boxes):
            raise ValueError(
                "the labels have upright boxes alone, and this model learns from oriented ones: "
                "give labels with oriented boxes, or train a model that finds upright ones"
            )
        return self.boxes.new_zeros((0, 5))

    def to(self, device: torch.device | str, non_blocking: bool = False) -> Target:
        return map_columns(self, lambda values: values.to(device, non_blocking=non_blocking))

    def pin_memory(self) -> Target:
        """In page-locked memory, from which copies to a GPU need not be waited for."""
        return map_columns(self, Tensor.pin_memory)
