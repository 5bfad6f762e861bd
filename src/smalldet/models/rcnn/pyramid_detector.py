"""What the detectors over a feature pyramid have in common."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from torch import Tensor

from smalldet.detections import Detections
from smalldet.models.detector import Detector, Size
from smalldet.models.postprocess import select_detections
from smalldet.models.rcnn.box_forms import UPRIGHT, BoxForm
from smalldet.models.rcnn.pyramid import Pyramid
from smalldet.models.rcnn.sampling import MIN_SIDE_PX


class PyramidDetector(Detector):
    """A detector whose features come from a pyramid.

    Args:
        class_names: what it finds.
        backbone: pyramid of features.
        tile_px: side of training tiles.
        stride: what sides of pictures are multiples of.
        nms_iou: two boxes of a class and tile above it are one object.

    Attributes:
        form: of the boxes that it finds.
    """

    in_channels = 3
    form: BoxForm = UPRIGHT

    def __init__(
        self,
        class_names: Sequence[str],
        backbone: Pyramid,
        *,
        tile_px: int,
        stride: int,
        nms_iou: float,
    ) -> None:
        super().__init__()
        self.class_names = tuple(class_names)
        self.tile_px, self.stride, self.nms_iou = tile_px, stride, nms_iou
        self.backbone = backbone

    def load_imagenet(self, weights: Path | None = None) -> None:
        """Start the backbone from ImageNet (see `Pyramid.load_imagenet`)."""
        self.backbone.load_imagenet(weights)

    def _select(
        self, boxes: Tensor, scores: Tensor, labels: Tensor, size: Size, max_detections: int
    ) -> Detections:
        """Detections of one picture from candidates: boxes (N, size), scores (N,), labels (N,)."""
        return select_detections(
            self.form.within(boxes, size[1], size[0]),
            scores,
            labels,
            self.class_names,
            nms_iou=self.nms_iou,
            max_detections=max_detections,
            min_side_px=MIN_SIDE_PX,
        )
