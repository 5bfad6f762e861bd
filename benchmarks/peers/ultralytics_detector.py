"""An Ultralytics checkpoint as a detector of smalldet's, for benchmarks.

Run by an interpreter that has `ultralytics`, which is AGPL-3.0: nothing in smalldet imports it, and
this file hands pictures to it and takes boxes from it.
"""

from __future__ import annotations

from torch import Tensor
from ultralytics import YOLO
from ultralytics.utils.nms import non_max_suppression

from smalldet.detections import Detections
from smalldet.models.detector import Detector, Outputs, Size, as_float
from smalldet.targets import Target

# Ultralytics' own for a prediction.
IOU_THRESHOLD, MAX_DETECTIONS = 0.7, 300


class UltralyticsDetector(Detector):
    """The network of a checkpoint with its batch norms folded, and Ultralytics' own NMS."""

    in_channels, stride, tile_px = 3, 32, 640

    def __init__(self, weights: str) -> None:
        super().__init__()
        self.net = YOLO(weights).model.float().fuse(verbose=False)
        self.class_names = tuple(self.net.names.values())

    def network(self, images: Tensor) -> Outputs:
        raw = self.net(as_float(images))
        return (raw if isinstance(raw, Tensor) else raw[0],)

    def losses(self, outputs: Outputs, images: Tensor, targets: list[Target]) -> dict[str, Tensor]:
        raise NotImplementedError("only predictions are compared")

    def decode(
        self, outputs: Outputs, size: Size, conf: float = 0.05, max_detections: int = 3000
    ) -> list[Detections]:
        rows = non_max_suppression(
            outputs[0], conf, IOU_THRESHOLD,
            max_det=min(max_detections, MAX_DETECTIONS), end2end=self.net.end2end,
        )  # fmt: skip
        boxes = (row[(row[:, 2:4] > row[:, :2]).all(dim=1)].float() for row in rows)
        return [
            Detections(row[:, :4], row[:, 4].clamp(0, 1), row[:, 5].long(), self.class_names)
            for row in boxes
        ]
