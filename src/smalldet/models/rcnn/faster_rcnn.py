"""Faster R-CNN with a feature pyramid, on torchvision's modules.

Source: Ren et al. 2015, arXiv 1506.01497; Lin et al. 2017, arXiv 1612.03144.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, Literal, NamedTuple

import torch
from pydantic import Field
from torch import Tensor, nn
from torchvision.models import detection
from torchvision.models.detection.faster_rcnn import FastRCNNPredictor, TwoMLPHead
from torchvision.models.detection.rpn import RPNHead

from smalldet.detections import Detections
from smalldet.geometry.boxes import clip_boxes
from smalldet.models.detector import Detector, Outputs, Size
from smalldet.models.losses import BoxLoss, box_loss
from smalldet.models.postprocess import select_detections
from smalldet.models.rcnn.anchors import (
    AnchorConfig,
    AssignerName,
    box_coder,
    build_assign,
)
from smalldet.models.rcnn.proposals import AnchorOutputs, ProposalNetwork
from smalldet.models.rcnn.pyramid import (
    Pyramid,
    PyramidConfig,
    any_pyramid,
    torchvision_pyramid,
)
from smalldet.models.rcnn.regions import Drawn, RegionHeads, RegionPool
from smalldet.models.rcnn.sampling import MIN_SIDE_PX, picture_generators
from smalldet.targets import Target

POOL_PX = 7
REGION_WEIGHTS = (10.0, 10.0, 5.0, 5.0)


class Network(NamedTuple):
    """What a network of torchvision has: strides of its levels, of those pooled from, anchors."""

    strides: tuple[int, ...]
    pooled: tuple[int, ...]
    anchors: AnchorConfig


_RESNET = Network(
    (4, 8, 16, 32, 64),
    (4, 8, 16, 32),
    AnchorConfig(sizes=((32,), (64,), (128,), (256,), (512,)), rounded=True, offset=0.0),
)
# Both levels that its pyramid is built from have stride 32; torchvision pools from them as 0 and 1
_MOBILENET = Network(
    (32, 32, 64),
    (32, 32),
    AnchorConfig(sizes=((32, 64, 128, 256, 512),) * 3, rounded=True, offset=0.0),
)
NETWORKS = {
    "fasterrcnn_resnet50_fpn": _RESNET,
    "fasterrcnn_resnet50_fpn_v2": _RESNET,
    "fasterrcnn_mobilenet_v3_large_fpn": _MOBILENET,
    "maskrcnn_resnet50_fpn": _RESNET,
    "maskrcnn_resnet50_fpn_v2": _RESNET,
}


class RegionConfig(PyramidConfig):
    """What Faster and Mask R-CNN have in common."""

    anchors: AnchorConfig | None = Field(
        default=None, description="default: a network's own, else of 2 strides"
    )
    assigner: AssignerName = Field(default="iou", description="of the proposals")
    positive_iou: float = Field(
        default=0.7, gt=0, le=1, description="anchors with so much of an object learn it"
    )
    negative_iou: float = Field(
        default=0.3, ge=0, le=1, description="proposals with less of every object are background"
    )
    num_sampled_anchors: int = Field(default=256, ge=2, description="of a picture, that learn")
    num_sampled_regions: int = Field(
        default=512, ge=2, description="proposals of a picture that the second stage learns from"
    )
    num_proposals: int = Field(
        default=3000, ge=1, description="most of a level and of a picture; each can be an object"
    )
    proposal_nms_iou: float = Field(
        default=0.7, gt=0, le=1, description="proposals of a level that overlap more are one"
    )
    hidden_width: int = Field(
        default=512, ge=8, description="of the second stage, where no network is named"
    )
    pool_samples: int = Field(default=2, ge=0, description="a bin and axis; 0: as many as pixels")
    box_loss: Literal["l1"] | BoxLoss = Field(
        default="l1", description="smooth l1 of the codes as published, or of the boxes"
    )
    nms_iou: float = Field(
        default=0.5, gt=0, le=1, description="boxes of a class and tile that overlap more are one"
    )


class Parts(NamedTuple):
    """Of a detector with two stages; `built` is the network of torchvision, if one is named."""

    backbone: Pyramid
    rpn: ProposalNetwork
    roi_heads: RegionHeads
    pooled: tuple[int, ...]
    built: Any


def build_parts(config: RegionConfig, num_classes: int) -> Parts:
    """Both stages, over any backbone or as torchvision's network of that name has them."""
    network = config.network
    if network is None:
        built = None
        pyramid = any_pyramid(config)
        pooled = pyramid.strides
        settings = config.anchors or AnchorConfig()
        anchors = settings.build(settings.sizes or [[2.0 * s] for s in pooled], pooled)
        rpn_head = RPNHead(config.width, anchors.num_each)
        box_head: nn.Module = TwoMLPHead(config.width * POOL_PX**2, config.hidden_width)
        predictor = FastRCNNPredictor(config.hidden_width, num_classes + 1)
    else:
        known = NETWORKS[network]
        pooled = known.pooled
        settings = config.anchors or known.anchors
        anchors = settings.build(settings.sizes or known.anchors.sizes or [], known.strides)
        built = getattr(detection, network)(
            weights=None, weights_backbone=None, num_classes=num_classes + 1
        )
        pyramid = torchvision_pyramid(built.backbone, known.strides, config)
        rpn_head = built.rpn.head
        if rpn_head.cls_logits.out_channels != anchors.num_each:
            width = built.backbone.out_channels
            rpn_head = RPNHead(width, anchors.num_each, len(rpn_head.conv))
        box_head, predictor = built.roi_heads.box_head, built.roi_heads.box_predictor
    rpn = ProposalNetwork(
        rpn_head,
        anchors,
        box_coder(),
        build_assign(config.assigner, config.positive_iou, config.negative_iou),
        num_proposals=config.num_proposals,
        nms_iou=config.proposal_nms_iou,
        num_sampled=config.num_sampled_anchors,
    )
    regions = RegionHeads(
        box_head,
        predictor,
        RegionPool(POOL_PX, pooled, config.pool_samples, pools_aligned(config)),
        box_coder(REGION_WEIGHTS),
        num_sampled=config.num_sampled_regions,
        box_loss=None if config.box_loss == "l1" else partial(box_loss, kind=config.box_loss),
    )
    return Parts(pyramid, rpn, regions, pooled, built)


def pools_aligned(config: RegionConfig) -> bool:
    """torchvision's networks were trained with pixel centres at whole numbers."""
    aligned = config.conventions.pool_aligned
    return config.network is None if aligned is None else aligned


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


class FasterRcnn(Detector):
    """Two stages over a feature pyramid.

    `network` gives the features of each level (B, width, H / stride, W / stride), fine to coarse,
    then objectness (B, A) and box codes (B, A, 4) of the anchors of all levels. The second stage
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

    in_channels = 3
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
        super().__init__()
        self.class_names = tuple(class_names)
        self.tile_px = tile_px
        self.stride = stride
        self.backbone = backbone
        self.rpn = rpn
        self.roi_heads = roi_heads
        self.nms_iou = nms_iou

    def load_imagenet(self, weights: Path | None = None) -> None:
        """Start the backbone from ImageNet (see `Pyramid.load_imagenet`)."""
        self.backbone.load_imagenet(weights)

    def class_rows(self, key: str, num_classes: int) -> Tensor | None:
        outputs = {".cls_score.": 1, ".bbox_pred.": 4, ".mask_fcn_logits.": 1}
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
        """Proposals (P, 4), scores (P, C) and codes (P, C + 1, 4) of one picture."""
        rows, labels = (scores > conf).nonzero(as_tuple=True)
        boxes = self.roi_heads.coder.decode_single(codes[rows, labels + 1], proposals[rows])
        return select_detections(
            clip_boxes(boxes, size[1], size[0]),
            scores[rows, labels],
            labels,
            self.class_names,
            nms_iou=self.nms_iou,
            max_detections=max_detections,
            min_side_px=MIN_SIDE_PX,
        )
