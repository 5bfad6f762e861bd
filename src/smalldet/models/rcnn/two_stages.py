"""What Faster and Mask R-CNN are built of: their common schema, and both stages.

Source: Ren et al. 2015, arXiv 1506.01497; Lin et al. 2017, arXiv 1612.03144.
"""

from __future__ import annotations

from functools import partial
from typing import Any, Literal, NamedTuple

from pydantic import Field
from torch import nn
from torchvision.models import detection
from torchvision.models.detection.faster_rcnn import FastRCNNPredictor, TwoMLPHead
from torchvision.models.detection.rpn import RPNHead

from smalldet.models.losses import BoxLoss, box_loss
from smalldet.models.rcnn.anchors import (
    AnchorConfig,
    AssignerName,
    BoxCoder,
    box_coder,
    build_assign,
)
from smalldet.models.rcnn.box_forms import UPRIGHT, BoxForm
from smalldet.models.rcnn.proposals import ProposalNetwork
from smalldet.models.rcnn.pyramid import Pyramid, any_pyramid, torchvision_pyramid
from smalldet.models.rcnn.pyramid_config import PyramidConfig
from smalldet.models.rcnn.regions import BoxErrors, RegionHeads, RegionPool

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

    def box_errors(self) -> BoxErrors | None:
        """`box_loss` as a function of boxes and truth; None for smooth l1 of the codes."""
        return None if self.box_loss == "l1" else partial(box_loss, kind=self.box_loss)


class Coding(NamedTuple):
    """How both stages write boxes.

    Args:
        form: of the boxes.
        proposals: coder of the first stage.
        regions: coder of the second stage.
        pool: of the second stage.
    """

    form: BoxForm
    proposals: BoxCoder
    regions: BoxCoder
    pool: type[RegionPool]


UPRIGHT_CODING = Coding(UPRIGHT, box_coder(), box_coder(REGION_WEIGHTS), RegionPool)


class Parts(NamedTuple):
    """Of a detector with two stages; `built` is the network of torchvision, if one is named."""

    backbone: Pyramid
    rpn: ProposalNetwork
    roi_heads: RegionHeads
    pooled: tuple[int, ...]
    built: Any


def build_parts(config: RegionConfig, num_classes: int, coding: Coding = UPRIGHT_CODING) -> Parts:
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
        coding.proposals,
        build_assign(config.assigner, config.positive_iou, config.negative_iou),
        num_proposals=config.num_proposals,
        nms_iou=config.proposal_nms_iou,
        num_sampled=config.num_sampled_anchors,
        form=coding.form,
    )
    regions = RegionHeads(
        box_head,
        predictor,
        coding.pool(POOL_PX, pooled, config.pool_samples, pools_aligned(config)),
        coding.regions,
        num_sampled=config.num_sampled_regions,
        box_loss=config.box_errors(),
        form=coding.form,
    )
    return Parts(pyramid, rpn, regions, pooled, built)


def pools_aligned(config: RegionConfig) -> bool:
    """torchvision's networks were trained with pixel centres at whole numbers."""
    aligned = config.conventions.pool_aligned
    return config.network is None if aligned is None else aligned
