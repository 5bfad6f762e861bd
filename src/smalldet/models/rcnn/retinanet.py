"""RetinaNet on torchvision's modules.

Source: Lin et al. 2017, arXiv 1708.02002.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any, Literal

import torch
from pydantic import Field
from torch import Tensor, nn
from torchvision.models import detection
from torchvision.models.detection.retinanet import RetinaNetHead
from torchvision.ops import sigmoid_focal_loss
from torchvision.ops.feature_pyramid_network import LastLevelP6P7

from smalldet.detections import Detections
from smalldet.models.detector import Outputs, Size
from smalldet.models.losses import BoxLoss, box_loss, mean_over_processes, mute_masks
from smalldet.models.rcnn.anchors import (
    AnchorConfig,
    Anchors,
    Assign,
    AssignerName,
    BoxCoder,
    CornerCoder,
    box_coder,
    build_assign,
    num_held,
)
from smalldet.models.rcnn.box_outputs import beside_each_other
from smalldet.models.rcnn.pyramid import Pyramid, any_pyramid, torchvision_pyramid
from smalldet.models.rcnn.pyramid_config import PyramidConfig
from smalldet.models.rcnn.pyramid_detector import PyramidDetector
from smalldet.models.rcnn.regions import BoxErrors
from smalldet.targets import Target

NETWORK_STRIDES = (8, 16, 32, 64, 128)
# torchvision's own: three octaves, cut to whole pixels
NETWORK_ANCHORS = AnchorConfig(
    sizes=tuple(
        (float(x), float(int(x * 2 ** (1 / 3))), float(int(x * 2 ** (2 / 3))))
        for x in (32, 64, 128, 256, 512)
    ),
    rounded=True,
    offset=0.0,
)
OCTAVES = (1.0, 2 ** (1 / 3), 2 ** (2 / 3))
NUM_NORM_GROUPS = 16


class RetinaNetConfig(PyramidConfig):
    """Schema of RetinaNet in a recipe: any backbone, or a network of torchvision by name."""

    family: Literal["retinanet"] = Field(default="retinanet", description="which kind of detector")
    network: Literal["retinanet_resnet50_fpn", "retinanet_resnet50_fpn_v2"] | None = Field(
        default=None, description="torchvision's, in place of backbone, strides and width"
    )
    anchors: AnchorConfig | None = Field(default=None, description="default: from 2 strides on")
    assigner: AssignerName = Field(default="iou", description="which anchors learn which object")
    positive_iou: float = Field(
        default=0.5, gt=0, le=1, description="anchors with so much of an object learn it"
    )
    negative_iou: float = Field(
        default=0.4, ge=0, le=1, description="anchors with less of every object are background"
    )
    box_loss: Literal["l1"] | BoxLoss = Field(
        default="nwd_ciou", description="l1 of the codes as published, or of the boxes"
    )
    box_weight: float = Field(
        default=1.0, gt=0, description="of the box loss against the class loss"
    )
    nms_iou: float = Field(
        default=0.5, gt=0, le=1, description="boxes of a class and tile that overlap more are one"
    )

    def build(self, class_names: Sequence[str], tile_px: int) -> RetinaNet:
        """An untrained RetinaNet."""
        pyramid, anchors, head = self.parts(len(class_names))
        coder = CornerCoder() if self.conventions.box_codes == "corners" else box_coder()
        return RetinaNet(
            class_names,
            tile_px=tile_px,
            stride=self.max_stride,
            backbone=pyramid,
            head=head,
            anchors=anchors,
            coder=coder,
            assign=build_assign(self.assigner, self.positive_iou, self.negative_iou),
            box_loss=None if self.box_loss == "l1" else partial(box_loss, kind=self.box_loss),
            box_weight=self.box_weight,
            nms_iou=self.nms_iou,
        )

    def parts(self, num_classes: int) -> tuple[Pyramid, Anchors, RetinaNetHead]:
        """What a RetinaNet of this schema is built of."""
        if self.network is None:
            pyramid = any_pyramid(self)
            settings = self.anchors or AnchorConfig()
            sizes = settings.sizes or [[2 * s * o for o in OCTAVES] for s in pyramid.strides]
            anchors = settings.build(sizes, pyramid.strides)
            norm = partial(nn.GroupNorm, NUM_NORM_GROUPS)
            head = RetinaNetHead(self.width, anchors.num_each, num_classes, norm_layer=norm)
        else:
            settings = self.anchors or NETWORK_ANCHORS
            sizes = settings.sizes or NETWORK_ANCHORS.sizes
            assert sizes is not None
            anchors = settings.build(sizes, NETWORK_STRIDES)
            built = self._torchvision(num_classes, anchors.num_each)
            pyramid = torchvision_pyramid(built.backbone, NETWORK_STRIDES, self)
            head = built.head
        return pyramid, anchors, head

    def _torchvision(self, num_classes: int, num_anchors: int) -> Any:
        network = getattr(detection, str(self.network))
        built: Any = network(weights=None, weights_backbone=None, num_classes=num_classes)
        width = built.backbone.out_channels
        if self.conventions.top_from_backbone and self.network == "retinanet_resnet50_fpn":
            built.backbone.fpn.extra_blocks = LastLevelP6P7(2048, width)
        if num_anchors != built.head.classification_head.num_anchors:
            built.head = RetinaNetHead(width, num_anchors, num_classes)
        return built


class RetinaNet(PyramidDetector):
    """One stage over a feature pyramid, trained with focal loss.

    `network` gives class logits (B, A, C) and box codes (B, A, K) of the anchors of all levels.

    Args:
        class_names: what it finds.
        tile_px: side of training tiles.
        stride: what sides of pictures are multiples of.
        backbone: pyramid of features.
        head: torchvision's.
        anchors: of all levels of the pyramid.
        coder: of boxes.
        assign: which anchors learn which object.
        box_loss: of decoded boxes and truth; default L1 of the codes.
        box_weight: of the box loss against the class loss.
        nms_iou: two boxes of a class and tile above it are one object.
    """

    def __init__(
        self,
        class_names: Sequence[str],
        *,
        tile_px: int,
        stride: int,
        backbone: Pyramid,
        head: RetinaNetHead,
        anchors: Anchors,
        coder: BoxCoder,
        assign: Assign,
        box_loss: BoxErrors | None,
        box_weight: float,
        nms_iou: float,
    ) -> None:
        super().__init__(class_names, backbone, tile_px=tile_px, stride=stride, nms_iou=nms_iou)
        self.head = head
        self.anchors = anchors
        self.coder = coder
        self.assign = assign
        self.box_loss = box_loss
        self.box_weight = box_weight

    def class_rows(self, key: str, num_classes: int) -> Tensor | None:
        if ".cls_logits." not in key:
            return None
        return torch.arange(self.anchors.num_each * num_classes).view(-1, num_classes).T

    def network(self, images: Tensor) -> Outputs:
        features = self.backbone(images)
        boxes = self.head.regression_head
        codes = [boxes.bbox_reg(boxes.conv(level)) for level in features]
        logits = self.head.classification_head(features)
        return logits, beside_each_other(codes, self.anchors.num_each)

    def losses(self, outputs: Outputs, images: Tensor, targets: list[Target]) -> dict[str, Tensor]:
        """`class` and `box`, sums over the batch divided by its anchors that hold an object."""
        logits, codes = outputs
        height, width = images.shape[-2:]
        anchors = self.anchors.for_picture((height, width))
        muted = mute_masks((anchors[:, :2] + anchors[:, 2:]) / 2, targets)
        class_sum = logits.new_zeros((), dtype=torch.float32)
        box_sum = class_sum.clone()
        num_held = 0
        for picture, target in enumerate(targets):
            truth = self.form.truth(target)
            matched = self.assign(anchors, target.boxes)
            held = (matched >= 0).nonzero()[:, 0]
            rows = matched[held]
            wanted = torch.zeros_like(logits[picture], dtype=torch.float32)
            wanted[held, target.labels[rows]] = 1.0
            losses = sigmoid_focal_loss(logits[picture].float(), wanted)
            silent = (matched == -2)[:, None]
            if muted is not None:
                silent = silent | (muted[picture] & (matched < 0)[:, None])
            class_sum = class_sum + losses.masked_fill(silent, 0.0).sum()
            box_sum = box_sum + self._box_errors(
                codes[picture, held].float(), anchors[held], truth[rows]
            )
            num_held += len(held)
        norm = mean_over_processes(class_sum.new_tensor(float(num_held))).clamp(min=1)
        return {"class": class_sum / norm, "box": self.box_weight * box_sum / norm}

    @torch.no_grad()
    def num_positives(self, outputs: Outputs, size: Size, targets: list[Target]) -> list[Tensor]:
        return num_held(self.assign, self.anchors.for_picture(size), targets)

    def _box_errors(self, codes: Tensor, anchors: Tensor, truth: Tensor) -> Tensor:
        if self.box_loss is None:
            return (codes - self.coder.encode_single(truth, anchors)).abs().sum()
        return self.box_loss(self.coder.decode_single(codes, anchors), truth).sum()

    @torch.no_grad()
    def decode(
        self, outputs: Outputs, size: Size, conf: float = 0.05, max_detections: int = 3000
    ) -> list[Detections]:
        logits, codes = outputs
        anchors = self.anchors.for_picture(size)
        pictures = zip(logits.float().sigmoid(), codes.float(), strict=True)
        return [self._detections(*it, anchors, size, conf, max_detections) for it in pictures]

    def _detections(
        self,
        scores: Tensor,
        codes: Tensor,
        anchors: Tensor,
        size: Size,
        conf: float,
        max_detections: int,
    ) -> Detections:
        """Scores (A, C) and codes (A, K) of one picture's anchors (A, 4)."""
        rows, labels = (scores > conf).nonzero(as_tuple=True)
        boxes = self.coder.decode_single(codes[rows], anchors[rows])
        return self._select(boxes, scores[rows, labels], labels, size, max_detections)
