"""YoloDetector: a YOLO of any generation with anchors, as its graph describes it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial

import torch
from torch import Tensor, nn

from smalldet.detections import Detections
from smalldet.geometry.boxes import clip_boxes
from smalldet.models.detector import Detector, Outputs, Size, as_float
from smalldet.models.postprocess import select_detections
from smalldet.models.yolo import ratio_loss, yolo_loss
from smalldet.models.yolo.anchors import present_anchors
from smalldet.models.yolo.layers import ConvolutionLayer
from smalldet.models.yolo.net import GraphNet
from smalldet.models.yolo.shapes import Graph
from smalldet.models.yolo.yolo_head import (
    Grid,
    Places,
    decode_places,
    grid_of,
    likely_places,
)
from smalldet.targets import Target

# How often a place holds an object, to start objectness with (arXiv 1708.02002, section 4.1).
OBJECT_PRIOR = 0.01


class YoloDetector(Detector):
    """A graph with `Yolo` outputs.

    `network` gives what each of them holds, (B, A * (5 + C), H, W), in the order of the graph.

    Args:
        graph: of a cfg (`read_cfg`), of our own texts (`parse_network`).
        class_names: as many as the outputs have classes, in the order of the weights.
        tile_px: side of training tiles; default: the longer side that the graph states.
        nms_iou: two boxes of a class and tile above it are one object.

    Raises:
        ValueError: the graph has no output, or its classes are not as many as the names.
    """

    def __init__(
        self,
        graph: Graph,
        class_names: Sequence[str],
        *,
        tile_px: int | None = None,
        nms_iou: float = 0.45,
    ) -> None:
        super().__init__()
        if not graph.outputs:
            raise ValueError("the network has no [yolo] layer: it cannot detect")
        for output in graph.outputs:
            if output.num_classes != len(class_names):
                raise ValueError(
                    f"the network has {output.num_classes} classes, "
                    f"but {len(class_names)} class names were given"
                )
        self.class_names = tuple(class_names)
        self.in_channels = graph.in_channels
        self.stride = graph.max_stride
        self.tile_px = tile_px or max(graph.width_px, graph.height_px)
        self.nms_iou = nms_iou
        self.outputs = graph.outputs
        self.net = GraphNet(graph)
        self._start_rare()

    def network(self, images: Tensor) -> Outputs:
        return tuple(self.net(as_float(images)))

    def places(self, outputs: Outputs, size: Size) -> list[tuple[Grid, Places]]:
        """Decoded places of each output, for pictures of a size."""
        height, width = size
        places: list[tuple[Grid, Places]] = []
        for layer, output in zip(self.outputs, outputs, strict=True):
            grid = grid_of(layer, output, width, height)
            places.append((grid, decode_places(layer, output, grid)))
        return places

    def losses(self, outputs: Outputs, images: Tensor, targets: list[Target]) -> dict[str, Tensor]:
        """`box`, `objectness` and `class`, as the generation of the network has them."""
        height, width = images.shape[-2:]
        places = self.places(outputs, (height, width))
        levels = [(layer, *level) for layer, level in zip(self.outputs, places, strict=True)]
        if self.outputs[0].assignment == "side_ratio":
            return ratio_loss.batch_loss(levels, targets, max(height, width))
        return yolo_loss.batch_loss(levels, targets)

    @torch.no_grad()
    def num_positives(self, outputs: Outputs, size: Size, targets: list[Target]) -> list[Tensor]:
        levels = [
            (layer, grid)
            for layer, (grid, _) in zip(self.outputs, self.places(outputs, size), strict=True)
        ]
        if self.outputs[0].assignment == "side_ratio":
            learn = ratio_loss.assign
        else:
            learn = partial(yolo_loss.assign, present=present_anchors(self.outputs))
        counts = []
        for target in targets:
            objects = torch.cat([learn(layer, grid, target.boxes)[1] for layer, grid in levels])
            counts.append(torch.bincount(objects, minlength=len(target.boxes)))
        return counts

    @torch.no_grad()
    def decode(
        self, outputs: Outputs, size: Size, conf: float = 0.05, max_detections: int = 3000
    ) -> list[Detections]:
        height, width = size
        levels = [
            (layer, output, grid_of(layer, output, width, height))
            for layer, output in zip(self.outputs, outputs, strict=True)
        ]
        return [
            self._detections(
                [likely_places(layer, output[i], grid, conf) for layer, output, grid in levels],
                size,
                conf,
                max_detections,
            )
            for i in range(len(outputs[0]))
        ]

    def class_rows(self, key: str, num_classes: int) -> Tensor | None:
        for layer in self.outputs:
            if key.startswith(f"net.layers.{self.net.names[layer.sources[0]]}.conv."):
                first = torch.arange(len(layer.mask)) * (5 + num_classes) + 5
                return first + torch.arange(num_classes)[:, None]
        return None

    def _detections(
        self, levels: list[Places], size: Size, conf: float, max_detections: int
    ) -> Detections:
        """The likely places of one picture to detections."""
        # A score is never above its objectness: most places are gone before anything else is read.
        boxes = torch.cat([level.boxes for level in levels])
        objectness = torch.cat([level.objectness for level in levels]).sigmoid()
        classes = torch.cat([level.classes for level in levels])
        scores = objectness[:, None] * classes.sigmoid()
        rows, labels = (scores > conf).nonzero(as_tuple=True)
        return select_detections(
            clip_boxes(boxes[rows], size[1], size[0]),
            scores[rows, labels],
            labels,
            self.class_names,
            nms_iou=self.nms_iou,
            max_detections=max_detections,
        )

    def _start_rare(self) -> None:
        """Objectness starts low: nearly all places hold nothing."""
        for layer in self.outputs:
            module = self.net.layers[self.net.names[layer.sources[0]]]
            if isinstance(module, ConvolutionLayer) and module.conv.bias is not None:
                biases = module.conv.bias.data.view(len(layer.mask), -1)
                biases[:, 4] = math.log(OBJECT_PRIOR / (1 - OBJECT_PRIOR))
                nn.init.zeros_(biases[:, 5:])
