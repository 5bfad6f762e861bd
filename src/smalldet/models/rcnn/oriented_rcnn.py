"""Oriented R-CNN: Faster R-CNN whose proposals, regions and boxes are oriented.

Source: Xie et al. 2021, arXiv 2108.05699.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any, Literal

from pydantic import Field

from smalldet.models.losses import OrientedBoxLoss
from smalldet.models.oriented_losses import small_oriented_loss
from smalldet.models.rcnn.box_forms import ORIENTED
from smalldet.models.rcnn.box_outputs import TurnedOutputs
from smalldet.models.rcnn.faster_rcnn import FasterRcnn, FasterRcnnConfig
from smalldet.models.rcnn.oriented_coders import FrameCoder, MidpointCoder
from smalldet.models.rcnn.oriented_pool import OrientedPool
from smalldet.models.rcnn.regions import BoxErrors
from smalldet.models.rcnn.two_stages import Coding, build_parts

ORIENTED_CODING = Coding(ORIENTED, MidpointCoder(), FrameCoder(), OrientedPool)
# Of the second stage's turns, as Detectron2 starts boxes: objects themselves are among what it
# learns from, and of their turn, which is none, weights of 0 would learn nothing.
START_STD = 0.001


class OrientedRcnnConfig(FasterRcnnConfig):
    """Schema of Oriented R-CNN in a recipe: that of Faster R-CNN with losses of oriented boxes."""

    family: Literal["oriented_rcnn"] = Field(
        default="oriented_rcnn", description="which kind of detector"
    )
    pool_samples: int = Field(default=2, ge=1, description="a bin and axis")
    box_loss: Literal["l1"] | OrientedBoxLoss = Field(
        default="l1",
        description="smooth l1 of the codes as published, or of the boxes as Gaussians, mixed with "
        "NWD under 32 px",
    )

    @property
    def needs_rboxes(self) -> bool:
        return True

    def box_errors(self) -> BoxErrors | None:
        return None if self.box_loss == "l1" else partial(small_oriented_loss, kind=self.box_loss)

    def build(self, class_names: Sequence[str], tile_px: int) -> OrientedRcnn:
        """An untrained Oriented R-CNN."""
        parts = build_parts(self, len(class_names), ORIENTED_CODING)
        first: Any = parts.rpn.head
        second: Any = parts.roi_heads.box_predictor
        first.bbox_pred = TurnedOutputs(first.bbox_pred, MidpointCoder.more)
        second.bbox_pred = TurnedOutputs(second.bbox_pred, FrameCoder.more, START_STD)
        return OrientedRcnn(
            class_names,
            tile_px=tile_px,
            stride=self.max_stride,
            backbone=parts.backbone,
            rpn=parts.rpn,
            roi_heads=parts.roi_heads,
            nms_iou=self.nms_iou,
        )


class OrientedRcnn(FasterRcnn):
    """Faster R-CNN whose boxes are oriented, from the first stage on."""

    form = ORIENTED
