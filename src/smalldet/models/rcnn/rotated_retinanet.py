"""Rotated RetinaNet: RetinaNet that finds oriented boxes.

Anchors are upright, and learn by the box round each oriented one. The numbers of a box have no jump
at any angle (`ShapeCoder`), and what is learned is how alike two boxes are as Gaussians.

Source: Lin et al. 2017, arXiv 1708.02002; Yang et al. 2021, arXiv 2106.01883.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any, Literal, Self

from pydantic import Field, model_validator

from smalldet.models.losses import OrientedBoxLoss
from smalldet.models.oriented_losses import small_oriented_loss
from smalldet.models.rcnn.anchors import build_assign
from smalldet.models.rcnn.box_forms import ORIENTED
from smalldet.models.rcnn.box_outputs import TurnedOutputs
from smalldet.models.rcnn.oriented_coders import ShapeCoder
from smalldet.models.rcnn.retinanet import RetinaNet, RetinaNetConfig


class RotatedRetinaNetConfig(RetinaNetConfig):
    """Schema of Rotated RetinaNet in a recipe: that of RetinaNet with losses of oriented boxes."""

    family: Literal["rotated_retinanet"] = Field(
        default="rotated_retinanet", description="which kind of detector"
    )
    box_loss: Literal["l1"] | OrientedBoxLoss = Field(
        default="prob_iou",
        description="l1 of the codes, or of the boxes as Gaussians, mixed with NWD under 32 px",
    )

    @model_validator(mode="after")
    def _codes_are_its_own(self) -> Self:
        if self.conventions.box_codes != "centre":
            raise ValueError("conventions.box_codes are of upright boxes: leave them out")
        return self

    @property
    def needs_rboxes(self) -> bool:
        return True

    def build(self, class_names: Sequence[str], tile_px: int) -> RotatedRetinaNet:
        """An untrained Rotated RetinaNet."""
        pyramid, anchors, head = self.parts(len(class_names))
        boxes: Any = head.regression_head
        boxes.bbox_reg = TurnedOutputs(boxes.bbox_reg, ShapeCoder.more)
        errors = None if self.box_loss == "l1" else partial(small_oriented_loss, kind=self.box_loss)
        return RotatedRetinaNet(
            class_names,
            tile_px=tile_px,
            stride=self.max_stride,
            backbone=pyramid,
            head=head,
            anchors=anchors,
            coder=ShapeCoder(),
            assign=build_assign(self.assigner, self.positive_iou, self.negative_iou),
            box_loss=errors,
            box_weight=self.box_weight,
            nms_iou=self.nms_iou,
        )


class RotatedRetinaNet(RetinaNet):
    """RetinaNet whose boxes are oriented."""

    form = ORIENTED
