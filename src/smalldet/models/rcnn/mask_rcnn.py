"""Mask R-CNN on torchvision's modules: Faster R-CNN that also outlines what it finds.

Source: He et al. 2017, arXiv 1703.06870.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Literal

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn
from torchvision.models.detection.mask_rcnn import MaskRCNNHeads, MaskRCNNPredictor
from torchvision.ops import roi_align

from smalldet.detections import Detections
from smalldet.models.detector import Outputs, Size
from smalldet.models.losses import mean_over_processes
from smalldet.models.rcnn.faster_rcnn import FasterRcnn
from smalldet.models.rcnn.regions import RegionPool
from smalldet.models.rcnn.two_stages import RegionConfig, build_parts, pools_aligned
from smalldet.targets import Target

MASK_POOL_PX = 14
NUM_MASK_LAYERS = 4
# As Detectron2 starts it: every pixel undecided. torchvision's start grows as classes become fewer:
# with four the masks' loss begins near 10, above all others together, and the clipped gradient is
# theirs alone.
START_STD = 0.001


class MaskRcnnConfig(RegionConfig):
    """Schema of Mask R-CNN in a recipe: any backbone, or a network of torchvision by name."""

    needs_masks = True

    family: Literal["mask_rcnn"] = Field(default="mask_rcnn", description="which kind of detector")
    network: Literal["maskrcnn_resnet50_fpn", "maskrcnn_resnet50_fpn_v2"] | None = Field(
        default=None, description="torchvision's, in place of backbone, strides and width"
    )

    def build(self, class_names: Sequence[str], tile_px: int) -> MaskRcnn:
        """An untrained Mask R-CNN."""
        parts = build_parts(self, len(class_names))
        detector = MaskRcnn(
            class_names,
            tile_px=tile_px,
            stride=self.max_stride,
            backbone=parts.backbone,
            rpn=parts.rpn,
            roi_heads=parts.roi_heads,
            nms_iou=self.nms_iou,
        )
        if parts.built is None:
            head: nn.Module = MaskRCNNHeads(self.width, [self.width] * NUM_MASK_LAYERS, 1)
            predictor: nn.Module = MaskRCNNPredictor(self.width, self.width, len(class_names) + 1)
        else:
            head = parts.built.roi_heads.mask_head
            predictor = parts.built.roi_heads.mask_predictor
        last: Any = predictor
        nn.init.normal_(last.mask_fcn_logits.weight, std=START_STD)
        nn.init.zeros_(last.mask_fcn_logits.bias)
        aligned = pools_aligned(self)
        pool = RegionPool(MASK_POOL_PX, parts.pooled, self.pool_samples, aligned)
        detector.add_masks(head, predictor, pool)
        return detector


class MaskRcnn(FasterRcnn):
    """Faster R-CNN with a third output: the mask of each object within its box."""

    finds_masks = True

    def add_masks(self, head: nn.Module, predictor: nn.Module, pool: RegionPool) -> None:
        """Give it torchvision's mask modules, under torchvision's names."""
        self.roi_heads.mask_head = head
        self.roi_heads.mask_predictor = predictor
        self.mask_pool = pool

    def mask_logits(self, features: list[Tensor], boxes: list[Tensor], labels: Tensor) -> Tensor:
        """(R, 28, 28) of each box's own class (labels (R,), background not counted)."""
        pooled = self.mask_pool(features, boxes)
        head, predictor = self.roi_heads.mask_head, self.roi_heads.mask_predictor
        assert isinstance(head, nn.Module) and isinstance(predictor, nn.Module)
        logits = predictor(head(pooled))
        return logits[torch.arange(len(labels), device=labels.device), labels + 1]

    def losses(self, outputs: Outputs, images: Tensor, targets: list[Target]) -> dict[str, Tensor]:
        """The terms of Faster R-CNN and `mask`, over the pixels of the masks that are known."""
        terms, features, drawn = self._learn(outputs, images, targets)
        held = [part.labels > 0 for part in drawn]
        boxes = [part.boxes[keep] for part, keep in zip(drawn, held, strict=True)]
        labels = torch.cat([part.labels[keep] for part, keep in zip(drawn, held, strict=True)]) - 1
        logits = self.mask_logits(features, boxes, labels).float()
        side = logits.shape[-1]
        wanted = torch.cat(
            [
                regions_of_masks(target, part.rows[keep], part.boxes[keep], side)
                for target, part, keep in zip(targets, drawn, held, strict=True)
            ]
        )
        known = wanted >= 0
        errors = F.binary_cross_entropy_with_logits(logits, wanted.clamp(min=0), reduction="none")
        norm = mean_over_processes(known.sum().float()).clamp(min=1)
        return {**terms, "mask": errors.masked_fill(~known, 0.0).sum() / norm}

    @torch.no_grad()
    def decode(
        self, outputs: Outputs, size: Size, conf: float = 0.05, max_detections: int = 3000
    ) -> list[Detections]:
        detections = super().decode(outputs, size, conf, max_detections)
        features = list(outputs[:-2])
        labels = torch.cat([part.labels for part in detections])
        logits = self.mask_logits(features, [part.boxes for part in detections], labels).float()
        shapes = logits.split([len(part) for part in detections])
        return [
            replace(part, masks=(255 * shape.sigmoid()).round().to(torch.uint8))
            for part, shape in zip(detections, shapes, strict=True)
        ]


def regions_of_masks(target: Target, rows: Tensor, boxes: Tensor, side: int) -> Tensor:
    """What the masks of objects look like from boxes near them.

    Args:
        target: with `masks`, grids that fill the objects' boxes; without, nothing is known.
        rows: (P,) of the target.
        boxes: (P, 4) xyxy.
        side: of the result.

    Returns:
        (P, side, side) in 0..1, how much of each part is object; -1 where the object has no mask.
    """
    if target.masks is None or len(rows) == 0:
        return boxes.new_full((len(rows), side, side), -1.0)
    grids = target.masks[rows]
    truth = target.boxes[rows]
    scale = grids.shape[-1] / (truth[:, 2:] - truth[:, :2])
    within = (boxes - truth[:, :2].repeat(1, 2)) * scale.repeat(1, 2)
    number = torch.arange(len(rows), device=boxes.device)[:, None]
    seen = roi_align(
        grids.clamp(min=0)[:, None].to(boxes.dtype),
        torch.cat([number.to(boxes.dtype), within], 1),
        side,
        sampling_ratio=2,
        aligned=True,
    )[:, 0]
    unknown = (grids.flatten(1) < 0).any(1)
    return seen.masked_fill(unknown[:, None, None], -1.0)
