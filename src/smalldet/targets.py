"""Target: what a detector is trained on for one picture."""

from __future__ import annotations

from collections.abc import Callable, Sequence
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
        masks: (N, M, M) int8 or None: each object on a grid that fills its box, 1 where it is, 0
            where it is not, -1 all over where nobody has outlined it.
    """

    boxes: Tensor
    labels: Tensor
    mute_boxes: Tensor
    mute_classes: Tensor
    masks: Tensor | None = None

    @classmethod
    def of(cls, boxes: Tensor, labels: Tensor, num_classes: int) -> Target:
        """A fully labelled picture: no mute regions."""
        return cls(
            boxes, labels, boxes.new_zeros((0, 4)), torch.zeros(0, num_classes, dtype=torch.bool)
        )

    def to(self, device: torch.device | str, non_blocking: bool = False) -> Target:
        return self._each(lambda tensor: tensor.to(device, non_blocking=non_blocking))

    def pin_memory(self) -> Target:
        """In page-locked memory, from which copies to a GPU need not be waited for."""
        return self._each(Tensor.pin_memory)

    def _each(self, change: Callable[[Tensor], Tensor]) -> Target:
        return Target(
            change(self.boxes),
            change(self.labels),
            change(self.mute_boxes),
            change(self.mute_classes),
            None if self.masks is None else change(self.masks),
        )


def joined_targets(targets: Sequence[Target]) -> Target:
    """Everything that stands in any of the targets, of which there is at least one."""
    return Target(
        torch.cat([target.boxes for target in targets]),
        torch.cat([target.labels for target in targets]),
        torch.cat([target.mute_boxes for target in targets]),
        torch.cat([target.mute_classes for target in targets]),
        _joined_masks(targets),
    )


def _joined_masks(targets: Sequence[Target]) -> Tensor | None:
    sides = [target.masks.shape[-1] for target in targets if target.masks is not None]
    if not sides:
        return None
    return torch.cat(
        [
            torch.full((len(target.boxes), sides[0], sides[0]), -1, dtype=torch.int8)
            if target.masks is None
            else target.masks
            for target in targets
        ]
    )
