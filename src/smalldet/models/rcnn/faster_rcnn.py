"""Faster R-CNN with a feature pyramid, on torchvision's modules.

Source: Ren et al. 2015, arXiv 1506.01497; Lin et al. 2017, arXiv 1612.03144.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from pydantic import Field
from torch import Tensor

from smalldet.detections import Detections
from smalldet.models.detector import Outputs, Size
from smalldet.models.rcnn.anchors import num_held
from smalldet.models.rcnn.proposals import AnchorOutputs, ProposalNetwork
from smalldet.models.rcnn.pyramid import Pyramid
from smalldet.models.rcnn.pyramid_detector import PyramidDetector
from smalldet.models.rcnn.regions import Drawn, RegionHeads
from smalldet.models.rcnn.sampling import picture_generators
from smalldet.models.rcnn.two_stages import RegionConfig, build_parts
from smalldet.targets import Target


class FasterRcnnConfig(RegionConfig):
    """Schema of Faster R-CNN in a recipe: any backbone, or a network of torchvision by name."""

    family: Literal["faster_rcnn"] = Field(
        default="faster_rcnn", description="which kind of detector"
    )
    network: (
        Literal[
            "fasterrcnn_resnet50_fpn",
            "fasterrcnn_resnet50_fpn_v2",
            "fasterrcnn_mobilenet_v3_large_fpn",
        ]
        | None
    ) = Field(default=None, description="torchvision's, in place of backbone, strides and width")

    def build(self, class_names: Sequence[str], tile_px: int) -> FasterRcnn:
        """An untrained Faster R-CNN."""
        parts = build_parts(self, len(class_names))
        return FasterRcnn(
            class_names,
            tile_px=tile_px,
            stride=self.max_stride,
            backbone=parts.backbone,
            rpn=parts.rpn,
            roi_heads=parts.roi_heads,
            nms_iou=self.nms_iou,
        )


class FasterRcnn(PyramidDetector):
    """Two stages over a feature pyramid.

    `network` gives the features of each level (B, width, H / stride, W / stride), fine to coarse,
    then objectness (B, A) and box codes (B, A, K) of the anchors of all levels. The second stage
    looks at those proposals that seem likely, whose number differs from picture to picture: it is
    part of `decode`.

    Args:
        class_names: what it finds.
        tile_px: side of training tiles.
        stride: what sides of pictures are multiples of.
        backbone: pyramid of features.
        rpn: the first stage.
        roi_heads: the second stage.
        nms_iou: two boxes of a class and tile above it are one object.
    """

    torch_parts = ("roi_heads",)

    def __init__(
        self,
        class_names: Sequence[str],
        *,
        tile_px: int,
        stride: int,
        backbone: Pyramid,
        rpn: ProposalNetwork,
        roi_heads: RegionHeads,
        nms_iou: float,
    ) -> None:
        super().__init__(class_names, backbone, tile_px=tile_px, stride=stride, nms_iou=nms_iou)
        self.rpn = rpn
        self.roi_heads = roi_heads

    def class_rows(self, key: str, num_classes: int) -> Tensor | None:
        outputs = {
            ".cls_score.": 1,
            ".bbox_pred.turn_": 1,
            ".bbox_pred.": 4,
            ".mask_fcn_logits.": 1,
        }
        each = next((n for name, n in outputs.items() if name in key), None)
        if each is None or not key.startswith("roi_heads."):
            return None
        return torch.arange(each, each * (num_classes + 1)).view(-1, each)

    def network(self, images: Tensor) -> Outputs:
        features = self.backbone(images)
        return (*features, *self.rpn(features))

    def losses(self, outputs: Outputs, images: Tensor, targets: list[Target]) -> dict[str, Tensor]:
        """`objectness` and `proposal` of the first stage, `class` and `box` of the second."""
        return self._learn(outputs, images, targets)[0]

    @torch.no_grad()
    def num_positives(self, outputs: Outputs, size: Size, targets: list[Target]) -> list[Tensor]:
        """Of the first stage: what it does not propose, the second never sees."""
        _, first = self._stages(outputs)
        return num_held(self.rpn.assign, torch.cat(first.anchors), targets)

    def _stages(self, outputs: Outputs) -> tuple[list[Tensor], AnchorOutputs]:
        """Features for the second stage, and what the first one says."""
        *features, objectness, codes = outputs
        return features, self.rpn.beside_anchors(features, objectness, codes)

    def _learn(
        self, outputs: Outputs, images: Tensor, targets: list[Target]
    ) -> tuple[dict[str, Tensor], list[Tensor], list[Drawn]]:
        """The losses, the features, and the proposals that the second stage learned from."""
        features, first = self._stages(outputs)
        generators = picture_generators(images)
        objectness, proposal = self.rpn.loss(first, targets, generators)
        proposals = self.rpn.propose(first, *images.shape[-2:])
        drawn = [
            self.roi_heads.draw(boxes, target, generator)
            for boxes, target, generator in zip(proposals, targets, generators, strict=True)
        ]
        classes, boxes = self.roi_heads.loss(features, drawn, targets)
        terms = {"objectness": objectness, "proposal": proposal, "class": classes, "box": boxes}
        return terms, features, drawn

    @torch.no_grad()
    def decode(
        self, outputs: Outputs, size: Size, conf: float = 0.05, max_detections: int = 3000
    ) -> list[Detections]:
        features, first = self._stages(outputs)
        proposals = self.rpn.propose(first, *size)
        counts = [len(boxes) for boxes in proposals]
        logits, codes = self.roi_heads(features, proposals)
        scores = logits.float().softmax(1)[:, 1:].split(counts)
        regions = zip(proposals, scores, codes.float().split(counts), strict=True)
        return [self._detections(*region, size, conf, max_detections) for region in regions]

    def _detections(
        self,
        proposals: Tensor,
        scores: Tensor,
        codes: Tensor,
        size: Size,
        conf: float,
        max_detections: int,
    ) -> Detections:
        """Proposals (P, size), scores (P, C) and codes (P, C + 1, K) of one picture."""
        rows, labels = (scores > conf).nonzero(as_tuple=True)
        boxes = self.roi_heads.coder.decode_single(codes[rows, labels + 1], proposals[rows])
        return self._select(boxes, scores[rows, labels], labels, size, max_detections)
