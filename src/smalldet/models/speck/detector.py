"""Speck: smalldet's own detector, made for objects of 3 to 40 pixels."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Literal, NamedTuple

import torch
from pydantic import Field, field_validator
from torch import Tensor, nn
from torchvision.ops import sigmoid_focal_loss

from smalldet.config.base import Frozen
from smalldet.detections import Detections
from smalldet.geometry.boxes import clip_boxes
from smalldet.models.assigners.small_objects import Assignment, SmallObjectAssigner, Truth
from smalldet.models.attention import AttentionName, AttentionPlace, LevelAttention
from smalldet.models.backbones import Backbone
from smalldet.models.detector import Detector, as_float
from smalldet.models.losses import (
    BoxLoss,
    ClassLoss,
    EqualizedFocalLoss,
    box_loss,
    mean_over_processes,
    mute_masks,
    quality_focal_loss,
)
from smalldet.models.postprocess import VOTER_SHARE, select_detections
from smalldet.models.speck.head import DecoupledHead, Locations
from smalldet.models.speck.neck import PathAggregation
from smalldet.models.speck.refiner import PixelRefiner
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
    num_context: int = Field(default=7, ge=0, description="blocks of the neck's coarsest level")
    num_frozen_stages: int = Field(default=0, ge=0, description="backbone stages that do not learn")
    freeze_norms: bool = Field(default=False, description="backbone norms stay as they start")
    attention: AttentionName = "none"
    attention_at: tuple[AttentionPlace, ...] = ("neck",)
    num_locations: int = Field(default=9, ge=1, description="most locations that learn one object")
    nwd_share: float = Field(
        default=0.5, ge=0, le=1, description="NWD's share for objects up to 8 px"
    )
    class_loss: ClassLoss = "quality_focal"
    box_loss: BoxLoss = "nwd_ciou"
    box_weight: float = Field(default=2.0, gt=0)
    refine: bool = Field(
        default=False, description="tiny boxes that are found are moved by a look at their pixels"
    )
    nms_iou: float = Field(default=0.6, gt=0, le=1)
    vote_iou: float | None = Field(
        default=0.7, ge=0, lt=1, description="boxes that overlap a found one by more move its edges"
    )

    @field_validator("strides")
    @classmethod
    def _doubling(cls, strides: tuple[int, ...]) -> tuple[int, ...]:
        if len(strides) < 2 or any(b != 2 * a for a, b in pairwise(strides)):
            raise ValueError("strides must double from level to level, e.g. [4, 8, 16]")
        if strides[0] < 2 or strides[-1] > 32:
            raise ValueError("strides lie between 2 and 32")
        return strides

    @property
    def max_stride(self) -> int:
        """Sides of pictures are multiples of it."""
        return max(self.strides)

    def build(self, class_names: Sequence[str], tile_px: int) -> Speck:
        """An untrained Speck."""
        size = SIZES[self.size]
        return Speck(
            class_names,
            tile_px=tile_px,
            backbone=self.backbone or size.backbone,
            width=self.width or size.width,
            strides=self.strides,
            num_context=self.num_context,
            num_frozen_stages=self.num_frozen_stages,
            freeze_norms=self.freeze_norms,
            attention=self.attention,
            attention_at=self.attention_at,
            num_locations=self.num_locations,
            nwd_share=self.nwd_share,
            class_loss=self.class_loss,
            box_loss=self.box_loss,
            box_weight=self.box_weight,
            refine=self.refine,
            nms_iou=self.nms_iou,
            vote_iou=self.vote_iou,
        )


class Speck(Detector):
    """A cut backbone, thin path aggregation and an anchor-free decoupled head.

    Args:
        class_names: what it finds.
        tile_px: side of training tiles.
        backbone: timm name.
        width: channels of neck and head.
        strides: of the levels, doubling.
        num_context: blocks of the neck's coarsest level.
        num_frozen_stages: of the backbone.
        freeze_norms: of the backbone.
        attention: blocks at `attention_at`, see `models/attention.py`.
        attention_at: `backbone`, on what it gives the neck; `neck`, on what that gives the head.
        num_locations: most locations that learn one object.
        nwd_share: share of NWD in overlap and box loss for objects up to 8 px.
        class_loss: `quality_focal`; `focal`, which asks every location that learns an object for a
            score of 1; `equalized_focal` for classes of very unlike frequency.
        box_loss: see `losses.box_loss`.
        box_weight: of the box loss against the class loss.
        refine: look again at the pixels of each tiny box that is found; see `PixelRefiner`.
        nms_iou: two boxes of a class and tile above it are one object.
        vote_iou: boxes of that object which overlap the strongest by more vote on where its edges
            are; None: the strongest stays where it is.
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
        num_context: int = 7,
        num_frozen_stages: int = 0,
        freeze_norms: bool = False,
        attention: AttentionName = "none",
        attention_at: Sequence[AttentionPlace] = ("neck",),
        num_locations: int = 9,
        nwd_share: float = 0.5,
        class_loss: ClassLoss = "quality_focal",
        box_loss: BoxLoss = "nwd_ciou",
        box_weight: float = 2.0,
        refine: bool = False,
        nms_iou: float = 0.6,
        vote_iou: float | None = 0.7,
    ) -> None:
        super().__init__()
        self.class_names = tuple(class_names)
        self.tile_px = tile_px
        self.stride = max(strides)
        self.nwd_share = nwd_share
        self.class_loss = class_loss
        self.box_loss: BoxLoss = box_loss
        self.box_weight = box_weight
        self.nms_iou = nms_iou
        self.vote_iou = vote_iou
        self.backbone = Backbone(backbone, strides, num_frozen_stages, freeze_norms)
        self.backbone_attention = LevelAttention(
            attention if "backbone" in attention_at else "none", self.backbone.channels
        )
        self.neck = PathAggregation(self.backbone.channels, width, num_context)
        self.neck_attention = LevelAttention(
            attention if "neck" in attention_at else "none", [width] * len(strides)
        )
        self.head = DecoupledHead(width, len(self.class_names), strides)
        if class_loss == "equalized_focal":
            self.equalized_focal = EqualizedFocalLoss(len(self.class_names))
        self.refiner = PixelRefiner() if refine else None
        self.assigner = SmallObjectAssigner(num_locations)
        self.register_buffer("mean", torch.tensor(self.backbone.mean).view(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor(self.backbone.std).view(1, 3, 1, 1))
        for module in self.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.momentum = 0.03

    def load_imagenet(self, weights: Path | None = None) -> None:
        """Start the backbone from ImageNet (see `Backbone.load_imagenet`)."""
        self.backbone.load_imagenet(weights)

    def class_rows(self, key: str, num_classes: int) -> Tensor | None:
        of_classes = "class_outputs" in key or key.startswith("equalized_focal.")
        return torch.arange(num_classes)[:, None] if of_classes else None

    def raw(self, images: Tensor) -> tuple[Tensor, Tensor, Locations]:
        """Class logits (B, L, C), boxes xyxy (B, L, 4) in pixels, and the L locations."""
        x = (as_float(images) - self.mean) / self.std
        features = self.backbone_attention(self.backbone(x))
        return self.head(self.neck_attention(self.neck(features)))

    def loss(self, images: Tensor, targets: list[Target]) -> dict[str, Tensor]:
        """`class`, `box` and with a refiner `refine`: sums over the batch, all on one scale.

        The divisor is the batch's sum of target qualities (their number for the class loss
        `focal`), averaged over processes, so that several processes step as one would.
        """
        logits, boxes, locations = self.raw(images)
        muted = mute_masks(locations.centres, targets)
        truth = Truth.of(targets, boxes.device)
        found = self.assigner(logits, boxes, locations, truth)
        held = found.objects >= 0
        wanted = _wanted_scores(found, truth, logits.shape)
        losses = self._class_losses(logits.float(), wanted)
        if muted is not None:
            losses = losses.masked_fill(muted & ~held[..., None], 0.0)
        where = held.nonzero(as_tuple=True)
        wanted_boxes, quality = truth.boxes[found.objects[where]], found.quality[where]
        norm = mean_over_processes(found.quality.sum()).clamp(min=1.0)
        num_held = mean_over_processes(held.sum().float()).clamp(min=1.0)
        class_norm = num_held if self.class_loss == "focal" else norm

        def of_boxes(predicted: Tensor) -> Tensor:
            errors = box_loss(predicted, wanted_boxes, self.box_loss, self.nwd_share)
            return self.box_weight * (errors * quality).sum() / norm

        terms = {"class": losses.sum() / class_norm, "box": of_boxes(boxes[where])}
        if self.refiner is not None:
            seen = self.refiner(as_float(images), boxes[where].detach(), where[0])
            terms["refine"] = of_boxes(seen)
        return terms

    def _class_losses(self, logits: Tensor, wanted: Tensor) -> Tensor:
        if self.class_loss == "focal":
            return sigmoid_focal_loss(logits, (wanted > 0).float())
        if self.class_loss == "equalized_focal":
            return self.equalized_focal(logits, wanted)
        return quality_focal_loss(logits, wanted)

    @torch.no_grad()
    def predict(
        self, images: Tensor, conf: float = 0.05, max_detections: int = 3000
    ) -> list[Detections]:
        logits, boxes, _ = self.raw(images)
        scores = logits.float().sigmoid()
        height, width = images.shape[-2:]
        found = [
            self._decode(s, clip_boxes(b, width, height), conf, max_detections)
            for s, b in zip(scores, boxes, strict=True)
        ]
        return found if self.refiner is None else self._refined(self.refiner, images, found)

    def _refined(
        self, refiner: PixelRefiner, images: Tensor, found: list[Detections]
    ) -> list[Detections]:
        """Detections after a second look; two whose boxes now are one leave the stronger."""
        height, width = images.shape[-2:]
        counts = [len(part) for part in found]
        pictures = torch.arange(len(found), device=images.device)
        pictures = pictures.repeat_interleave(torch.tensor(counts, device=images.device))
        boxes = refiner(as_float(images), torch.cat([part.boxes for part in found]), pictures)
        return [
            select_detections(
                clip_boxes(box, width, height),
                part.scores,
                part.labels,
                self.class_names,
                nms_iou=self.nms_iou,
                max_detections=len(part),
            )
            for box, part in zip(boxes.split(counts), found, strict=True)
        ]

    def _decode(
        self, scores: Tensor, boxes: Tensor, conf: float, max_detections: int
    ) -> Detections:
        """Scores (L, C) and boxes (L, 4) of one picture to its detections."""
        share = 1.0 if self.vote_iou is None else VOTER_SHARE
        places, labels = (scores > conf * share).nonzero(as_tuple=True)
        return select_detections(
            boxes[places],
            scores[places, labels],
            labels,
            self.class_names,
            nms_iou=self.nms_iou,
            max_detections=max_detections,
            candidates_per_detection=CANDIDATES_PER_DETECTION,
            min_score=conf,
            vote_iou=self.vote_iou,
        )


def _wanted_scores(found: Assignment, truth: Truth, shape: torch.Size) -> Tensor:
    """(B, L, C) the score that each location should give to each class."""
    wanted = found.quality.new_zeros(shape)
    if len(truth.boxes) == 0:
        return wanted
    labels = truth.labels[found.objects.clamp(min=0)]
    return wanted.scatter_(2, labels[..., None], found.quality[..., None])
