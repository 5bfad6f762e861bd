"""What can be chosen about how Speck learns and how it picks its detections."""

from __future__ import annotations

from pydantic import Field

from smalldet.config.base import Frozen
from smalldet.models.losses import BoxLoss, ClassLoss, OrientedBoxLoss


class LossOptions(Frozen):
    """How Speck learns."""

    num_locations: int = Field(default=9, ge=1, description="most locations that learn one object")
    nwd_share: float = Field(
        default=0.5, ge=0, le=1, description="share of NWD in overlap and loss, objects up to 8 px"
    )
    class_loss: ClassLoss = Field(
        default="quality_focal",
        description="focal asks every location that learns an object for a score of 1; "
        "equalized_focal is for classes of very unlike frequency",
    )
    box_loss: BoxLoss = Field(
        default="nwd_ciou", description="1 - overlap; nwd_ciou is CIoU, mixed with NWD under 32 px"
    )
    obb_loss: OrientedBoxLoss = Field(
        default="prob_iou",
        description="of oriented boxes, in place of `box_loss`, and like it mixed with NWD under "
        "32 px",
    )
    turn_weight: float = Field(
        default=0.5,
        ge=0,
        description="of the error of an oriented box's direction and slimness, beside its box "
        "loss; a direction counts as much as the object is long",
    )
    box_weight: float = Field(
        default=2.0, gt=0, description="of the box loss against the class loss"
    )


class SuppressionOptions(Frozen):
    """How several boxes of one object become one."""

    nms_iou: float = Field(
        default=0.6, gt=0, le=1, description="boxes of a class and tile that overlap more are one"
    )
    vote_iou: float | None = Field(
        default=0.7,
        ge=0,
        lt=1,
        description="boxes that overlap a kept one by more move its edges; null: none do",
    )
