"""Speck: smalldet's own detector, made for objects of 3 to 40 pixels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torchvision.ops import sigmoid_focal_loss

from smalldet.detections import Detections
from smalldet.models.assigners.small_objects import Assignment, SmallObjectAssigner, Truth
from smalldet.models.attention import LevelAttention
from smalldet.models.backbones import Backbone
from smalldet.models.bottlenecks import Bottleneck
from smalldet.models.detector import Detector, Outputs, Size, as_float
from smalldet.models.locations import Locations
from smalldet.models.losses import (
    EqualizedFocalLoss,
    mean_over_processes,
    mute_masks,
    quality_focal_loss,
)
from smalldet.models.postprocess import select_detections
from smalldet.models.speck.decoder import SpeckDecoder
from smalldet.models.speck.head import DecoupledHead
from smalldet.models.speck.neck import PathAggregation
from smalldet.models.speck.options import LossOptions, SuppressionOptions
from smalldet.models.speck.refiner import PixelRefiner
from smalldet.targets import Target

NORM_MOMENTUM = 0.03


class SpeckModules(NamedTuple):
    """What Speck is made of, in the order of a picture's way through it.

    The refiner looks again at the pixels of each tiny box that is found; None: nothing does.
    """

    backbone: Backbone
    backbone_attention: LevelAttention
    neck: PathAggregation
    neck_attention: LevelAttention
    head: DecoupledHead
    refiner: PixelRefiner | None


class Speck(SpeckDecoder, Detector):
    """A cut backbone, thin path aggregation and an anchor-free decoupled head.

    `network` gives class logits (B, L, C) and box codes (B, L, K), and with a refiner the pictures
    (B, 3, H, W), float 0..1, for it to look at. K is 4, and 5 of oriented boxes.

    Args:
        class_names: what it finds.
        modules: built for as many classes.
        tile_px: side of the tiles that it predicts on unless told.
        learning: assignment and losses.
        suppression: what becomes of several boxes of one object.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        class_names: Sequence[str],
        modules: SpeckModules,
        *,
        tile_px: int,
        learning: LossOptions,
        suppression: SuppressionOptions,
    ) -> None:
        Detector.__init__(self)
        head = modules.head
        SpeckDecoder.__init__(self, class_names, tile_px, head.strides, suppression, head.oriented)
        self.learning = learning
        self.backbone, self.backbone_attention, self.neck, self.neck_attention = modules[:4]
        self.head = head
        if learning.class_loss == "equalized_focal":
            self.equalized_focal = EqualizedFocalLoss(len(self.class_names))
        self.refiner = modules.refiner
        self.torch_parts = () if self.refiner is None else ("refiner",)
        self.assigner = SmallObjectAssigner(learning.num_locations, measure=self.form.measure)
        self.register_buffer("mean", torch.tensor(self.backbone.mean).view(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor(self.backbone.std).view(1, 3, 1, 1))
        for module in self.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.momentum = NORM_MOMENTUM

    def load_imagenet(self, weights: Path | None = None) -> None:
        """Start the backbone from ImageNet (see `Backbone.load_imagenet`)."""
        self.backbone.load_imagenet(weights)

    def class_rows(self, key: str, num_classes: int) -> Tensor | None:
        if key.startswith("head.class_outputs."):
            level = int(key.split(".")[2])
            num_rows = self.head.sides[level] ** 2
            return torch.arange(num_classes * num_rows).view(num_classes, num_rows)
        return torch.arange(num_classes)[:, None] if key.startswith("equalized_focal.") else None

    def bottlenecks(self) -> list[Bottleneck]:
        return [*self.backbone.bottlenecks(), *self.neck.bottlenecks()]

    def network(self, images: Tensor) -> Outputs:
        pictures = as_float(images)
        features = self.backbone_attention(self.backbone((pictures - self.mean) / self.std))
        logits, codes = self.head(self.neck_attention(self.neck(features)))
        return (logits, codes) if self.refiner is None else (logits, codes, pictures)

    def all_boxes(self, codes: Tensor, size: Size) -> tuple[Tensor, Locations]:
        """Boxes (B, L, K) in pixels of box codes (B, L, K), and where they stand."""
        locations = self.locations(size, codes.device)
        return self.form.decode(codes, locations.centres, locations.strides), locations

    def losses(self, outputs: Outputs, images: Tensor, targets: list[Target]) -> dict[str, Tensor]:
        """`class`, `box` and with a refiner `refine`: sums over the batch, all on one scale.

        The divisor is the batch's sum of target qualities (their number for the class loss
        `focal`), averaged over processes, so that several processes step as one would.
        """
        logits, codes = outputs[:2]
        height, width = images.shape[-2:]
        boxes, locations = self.all_boxes(codes, (height, width))
        muted = mute_masks(locations.centres, targets)
        truth = Truth.of(targets, boxes.device, self.form.measure)
        assignment = self.assigner(logits, boxes, locations, truth)
        held = assignment.objects >= 0
        wanted = _wanted_scores(assignment, truth, logits.shape)
        losses = self._class_losses(logits.float(), wanted)
        if muted is not None:
            losses = losses.masked_fill(muted & ~held[..., None], 0.0)
        where = held.nonzero(as_tuple=True)
        wanted_boxes, quality = truth.boxes[assignment.objects[where]], assignment.quality[where]
        norm = mean_over_processes(assignment.quality.sum()).clamp(min=1.0)
        num_held = mean_over_processes(held.sum().float()).clamp(min=1.0)
        class_norm = num_held if self.learning.class_loss == "focal" else norm

        def of_boxes(predicted: Tensor) -> Tensor:
            errors = self.form.loss(predicted, wanted_boxes, self.learning)
            return self.learning.box_weight * (errors * quality).sum() / norm

        terms = {"class": losses.sum() / class_norm, "box": of_boxes(boxes[where])}
        if self.refiner is not None:
            moved = self.refiner(outputs[2], boxes[where].detach(), where[0])
            terms["refine"] = of_boxes(moved)
        return terms

    @torch.no_grad()
    def num_positives(self, outputs: Outputs, size: Size, targets: list[Target]) -> list[Tensor]:
        logits, codes = outputs[:2]
        boxes, locations = self.all_boxes(codes, size)
        truth = Truth.of(targets, boxes.device, self.form.measure)
        held = self.assigner(logits, boxes, locations, truth).objects
        counts = torch.bincount(held[held >= 0], minlength=len(truth.boxes))
        return list(counts.split([len(target.boxes) for target in targets]))

    def _class_losses(self, logits: Tensor, wanted: Tensor) -> Tensor:
        if self.learning.class_loss == "focal":
            return sigmoid_focal_loss(logits, (wanted > 0).float())
        if self.learning.class_loss == "equalized_focal":
            return self.equalized_focal(logits, wanted)
        return quality_focal_loss(logits, wanted)

    @torch.no_grad()
    def decode(
        self, outputs: Outputs, size: Size, conf: float = 0.05, max_detections: int = 3000
    ) -> list[Detections]:
        detections = super().decode(outputs, size, conf, max_detections)
        if self.refiner is None:
            return detections
        return self._refined(self.refiner, outputs[2], detections)

    def _refined(
        self, refiner: PixelRefiner, images: Tensor, detections: list[Detections]
    ) -> list[Detections]:
        """Detections after a second look; two whose boxes now are one leave the stronger."""
        height, width = images.shape[-2:]
        counts = [len(part) for part in detections]
        pictures = torch.arange(len(detections), device=images.device)
        pictures = pictures.repeat_interleave(torch.tensor(counts, device=images.device))
        boxes = refiner(images, torch.cat([part.boxes for part in detections]), pictures)
        return [
            replace(
                select_detections(
                    self.form.within(box, (height, width)),
                    part.scores,
                    part.labels,
                    self.class_names,
                    nms_iou=self.suppression.nms_iou,
                    max_detections=len(part),
                ),
                num_cut=part.num_cut,
            )
            for box, part in zip(boxes.split(counts), detections, strict=True)
        ]


def _wanted_scores(assignment: Assignment, truth: Truth, shape: torch.Size) -> Tensor:
    """(B, L, C) the score that each location should give to each class."""
    wanted = assignment.quality.new_zeros(shape)
    if len(truth.boxes) == 0:
        return wanted
    labels = truth.labels[assignment.objects.clamp(min=0)]
    return wanted.scatter_(2, labels[..., None], assignment.quality[..., None])
