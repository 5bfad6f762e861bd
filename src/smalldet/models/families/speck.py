"""Speck: smalldet's own detector, made for objects of 3 to 40 pixels."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Literal, NamedTuple

import torch
from pydantic import Field, field_validator
from torch import Tensor, nn

from smalldet.config.base import Frozen
from smalldet.detections import Detections
from smalldet.geometry.boxes import clip_boxes
from smalldet.geometry.suppression import nms
from smalldet.models.assigners import Assignment, SmallObjectAssigner
from smalldet.models.backbones import Backbone
from smalldet.models.detector import Detector, as_float
from smalldet.models.heads import DecoupledHead, Locations
from smalldet.models.losses import box_loss, mean_over_processes, quality_focal_loss
from smalldet.models.necks import PathAggregation
from smalldet.targets import Target

CANDIDATES_PER_DETECTION = 3


class Size(NamedTuple):
    backbone: str
    width: int


SIZES = {
    "n": Size("tf_efficientnet_lite0", 96),
    "s": Size("tf_efficientnet_lite2", 160),
    "m": Size("resnet34", 224),
}


class SpeckConfig(Frozen):
    """Schema of Speck in a recipe."""

    family: Literal["speck"] = "speck"
    size: Literal["n", "s", "m"] = "n"
    backbone: str | None = Field(default=None, description="timm name instead of the size's own")
    width: int | None = Field(default=None, ge=16, description="channels of neck and head")
    strides: tuple[int, ...] = (4, 8, 16)
    num_frozen_stages: int = Field(default=0, ge=0, description="backbone stages that do not learn")
    num_locations: int = Field(default=9, ge=1, description="most locations that learn one object")
    nwd_share: float = Field(
        default=0.5, ge=0, le=1, description="NWD's share for objects up to 8 px"
    )
    box_weight: float = Field(default=2.0, gt=0)
    nms_iou: float = Field(default=0.6, gt=0, le=1)

    @field_validator("strides")
    @classmethod
    def _doubling(cls, strides: tuple[int, ...]) -> tuple[int, ...]:
        if len(strides) < 2 or any(b != 2 * a for a, b in pairwise(strides)):
            raise ValueError("strides must double from level to level, e.g. [4, 8, 16]")
        if strides[0] < 2 or strides[-1] > 32:
            raise ValueError("strides lie between 2 and 32")
        return strides

    def build(self, class_names: Sequence[str], tile_px: int) -> Speck:
        """An untrained Speck."""
        size = SIZES[self.size]
        return Speck(
            class_names,
            tile_px=tile_px,
            backbone=self.backbone or size.backbone,
            width=self.width or size.width,
            strides=self.strides,
            num_frozen_stages=self.num_frozen_stages,
            num_locations=self.num_locations,
            nwd_share=self.nwd_share,
            box_weight=self.box_weight,
            nms_iou=self.nms_iou,
        )


class Speck(Detector):
    """A cut backbone, thin path aggregation and an anchor-free decoupled head.

    Args:
        class_names: what it finds.
        tile_px: side of training tiles.
        backbone: timm name.
        width: channels of neck and head.
        strides: of the levels, doubling.
        num_frozen_stages: of the backbone.
        num_locations: most locations that learn one object.
        nwd_share: share of NWD in overlap and box loss for objects up to 8 px.
        box_weight: of the box loss against the class loss.
        nms_iou: two boxes of a class and tile above it are one object.
    """

    in_channels = 3
    mean: Tensor
    std: Tensor

    def __init__(
        self,
        class_names: Sequence[str],
        *,
        tile_px: int = 640,
        backbone: str = "tf_efficientnet_lite0",
        width: int = 96,
        strides: Sequence[int] = (4, 8, 16),
        num_frozen_stages: int = 0,
        num_locations: int = 9,
        nwd_share: float = 0.5,
        box_weight: float = 2.0,
        nms_iou: float = 0.6,
    ) -> None:
        super().__init__()
        self.class_names = tuple(class_names)
        self.tile_px = tile_px
        self.stride = max(strides)
        self.nwd_share = nwd_share
        self.box_weight = box_weight
        self.nms_iou = nms_iou
        self.backbone = Backbone(backbone, strides, num_frozen_stages)
        self.neck = PathAggregation(self.backbone.channels, width)
        self.head = DecoupledHead(width, len(self.class_names), strides)
        self.assigner = SmallObjectAssigner(num_locations)
        self.register_buffer("mean", torch.tensor(self.backbone.mean).view(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor(self.backbone.std).view(1, 3, 1, 1))
        for module in self.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.momentum = 0.03

    def load_imagenet(self, weights: Path | None = None) -> None:
        """Start the backbone from ImageNet (see `Backbone.load_imagenet`)."""
        self.backbone.load_imagenet(weights)

    def raw(self, images: Tensor) -> tuple[Tensor, Tensor, Locations]:
        """Class logits (B, L, C), boxes xyxy (B, L, 4) in pixels, and the L locations."""
        x = (as_float(images) - self.mean) / self.std
        return self.head(self.neck(self.backbone(x)))

    def assign(
        self, logits: Tensor, boxes: Tensor, locations: Locations, target: Target
    ) -> Assignment:
        """What the locations of one picture learn: logits (L, C), boxes (L, 4)."""
        scores = logits.detach().float().sigmoid()
        return self.assigner(scores, boxes.detach(), locations, target.boxes, target.labels)

    def loss(self, images: Tensor, targets: list[Target]) -> dict[str, Tensor]:
        """`class` and `box`, sums over the batch divided by `positives`, all on one scale.

        The divisor is the batch's sum of target qualities, averaged over processes, so that
        several processes step as one would.
        """
        logits, boxes, locations = self.raw(images)
        class_sum = logits.new_zeros((), dtype=torch.float32)
        box_sum = boxes.new_zeros(())
        quality_sum = boxes.new_zeros(())
        for picture, target in enumerate(targets):
            found = self.assign(logits[picture], boxes[picture], locations, target)
            class_sum = class_sum + _class_sum(logits[picture].float(), found, locations, target)
            held = found.objects >= 0
            truth = target.boxes[found.objects[held]]
            errors = box_loss(boxes[picture][held], truth, self.nwd_share)
            box_sum = box_sum + (errors * found.quality[held]).sum()
            quality_sum = quality_sum + found.quality.sum()
        norm = mean_over_processes(quality_sum).clamp(min=1.0)
        return {"class": class_sum / norm, "box": self.box_weight * box_sum / norm}

    @torch.no_grad()
    def predict(
        self, images: Tensor, conf: float = 0.05, max_detections: int = 3000
    ) -> list[Detections]:
        logits, boxes, _ = self.raw(images)
        scores = logits.float().sigmoid()
        height, width = images.shape[-2:]
        return [
            self._decode(s, clip_boxes(b, width, height), conf, max_detections)
            for s, b in zip(scores, boxes, strict=True)
        ]

    def _decode(
        self, scores: Tensor, boxes: Tensor, conf: float, max_detections: int
    ) -> Detections:
        """Scores (L, C) and boxes (L, 4) of one picture to its detections."""
        places, labels = (scores > conf).nonzero(as_tuple=True)
        scores = scores[places, labels]
        # time of NMS is quadratic: at very low scores 30,000 candidates of a tile take a second
        if len(scores) > CANDIDATES_PER_DETECTION * max_detections:
            scores, kept = scores.topk(CANDIDATES_PER_DETECTION * max_detections)
            places, labels = places[kept], labels[kept]
        boxes = boxes[places]
        sound = torch.isfinite(boxes).all(1) & (boxes[:, 2:] > boxes[:, :2]).all(1)
        boxes, scores, labels = boxes[sound], scores[sound], labels[sound]
        kept = nms(boxes, scores, labels, self.nms_iou)[:max_detections]
        return Detections(boxes[kept], scores[kept], labels[kept], self.class_names)


def _class_sum(logits: Tensor, found: Assignment, locations: Locations, target: Target) -> Tensor:
    """Quality focal loss over all locations (L, C) of a picture, without its mute places."""
    held = found.objects >= 0
    quality = torch.zeros_like(logits)
    quality[held, target.labels[found.objects[held]]] = found.quality[held]
    losses = quality_focal_loss(logits, quality)
    if len(target.mute_boxes):
        losses = losses.masked_fill(mute_mask(locations, target) & ~held[:, None], 0.0)
    return losses.sum()


def mute_mask(locations: Locations, target: Target) -> Tensor:
    """(L, C) bool: places where a class may occur without a label."""
    x, y = locations.centres[:, 0, None], locations.centres[:, 1, None]
    x1, y1, x2, y2 = target.mute_boxes.unbind(1)
    inside = (x >= x1) & (x < x2) & (y >= y1) & (y < y2)
    return (inside.float() @ target.mute_classes.float()) > 0
