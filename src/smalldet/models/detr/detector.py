"""A detector of queries: each becomes one object or none, so that nothing is suppressed."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from smalldet.detections import Detections
from smalldet.geometry.boxes import cxcywh_to_xyxy
from smalldet.models.detector import Detector, Outputs, Size, as_float
from smalldet.models.detr.losses import layer_losses, matched_queries
from smalldet.models.detr.networks import layers_of
from smalldet.models.losses import BoxLoss, mean_over_processes
from smalldet.models.postprocess import select_detections
from smalldet.targets import Target

logger = logging.getLogger(__name__)


class Detr(Detector):
    """A network of transformers that gives logits and boxes of Q queries.

    `network` gives class logits (B, Q, C) and boxes (B, Q, 4), cxcywh in parts of the picture's
    sides; in training also those of the encoder's choice, of the earlier layers and of other groups
    of queries, (B, L, Q, C) and (B, L, Q, 4).

    Args:
        class_names: what it finds.
        tile_px: side of training tiles.
        stride: what sides of pictures are multiples of.
        network: transformers' model without its loss.
        pixel_mean: of pictures of 0..1, a value a band, or None.
        pixel_std: likewise.
        box_loss: of matched boxes, beside L1.
        weights: of the class loss, of L1 and of the box loss.
        least_px: side of pictures that have a place for each query.
        num_groups: of queries that each learn all objects.
        is_square: whether pictures must be; others are filled up with the mean below or beside.
    """

    fixed_shape = True
    pixel_mean: Tensor
    pixel_std: Tensor

    def __init__(
        self,
        class_names: Sequence[str],
        *,
        tile_px: int,
        stride: int,
        network: nn.Module,
        pixel_mean: Sequence[float] | None,
        pixel_std: Sequence[float] | None,
        box_loss: BoxLoss,
        weights: tuple[float, float, float],
        least_px: int,
        num_groups: int = 1,
        is_square: bool = False,
    ) -> None:
        super().__init__()
        self.class_names = tuple(class_names)
        self.tile_px = tile_px
        self.stride = stride
        self.least_px = least_px
        self.in_channels = 3
        # The backbone is a part of ours, so that it learns at its own rate; theirs reaches it too
        self.backbone: Any = network.backbone
        del network.backbone
        network.__dict__["backbone"] = self.backbone
        self.transformer: Any = network
        mean, std = (
            torch.tensor(one or default).view(-1, 1, 1)
            for one, default in ((pixel_mean, (0.0,) * 3), (pixel_std, (1.0,) * 3))
        )
        self.register_buffer("pixel_mean", mean, persistent=False)
        self.register_buffer("pixel_std", std, persistent=False)
        self.box_loss: BoxLoss = box_loss
        self.weights = weights
        self.num_groups = num_groups
        self.is_square = is_square
        self._has_warned = False

    def network(self, images: Tensor) -> Outputs:
        pictures = (as_float(images) - self.pixel_mean) / self.pixel_std
        height, width = pictures.shape[-2:]
        side = max(height, width)
        if self.is_square and height != width:
            pictures = functional.pad(pictures, (0, side - width, 0, side - height))
        logits, boxes = layers_of(self.transformer, self.transformer(pictures))
        if self.is_square and height != width:
            boxes = boxes * boxes.new_tensor([side / width, side / height] * 2)
        last = logits[:, -1], boxes[:, -1]
        return (*last, logits[:, :-1], boxes[:, :-1]) if self.training else last

    def decode(
        self, outputs: Outputs, size: Size, conf: float = 0.05, max_detections: int = 3000
    ) -> list[Detections]:
        scores = outputs[0].detach().float().sigmoid()
        corners = self._in_pixels(outputs[1].detach(), size)
        found: list[Detections] = []
        for score, box in zip(scores, corners, strict=True):
            query, label = (score > conf).nonzero(as_tuple=True)
            found.append(
                select_detections(
                    box[query],
                    score[query, label],
                    label,
                    self.class_names,
                    nms_iou=1.0,
                    max_detections=max_detections,
                )
            )
        return found

    def losses(self, outputs: Outputs, images: Tensor, targets: list[Target]) -> dict[str, Tensor]:
        """`class`, `l1` and `box`, sums over all layers divided by the objects of the batch; groups
        of queries count as one.
        """
        height, width = images.shape[-2:]
        self._warn_of_crowds(outputs[0].shape[1], max(len(one.boxes) for one in targets))
        last_logits, last_boxes, *earlier = outputs
        layers = [(last_logits, last_boxes)]
        if earlier:
            layers += zip(*(one.unbind(1) for one in earlier), strict=True)
        terms = [
            layer_losses(logits.float(), boxes.float(), (height, width), targets, self.box_loss)
            for logits, boxes in layers
        ]
        num = mean_over_processes(last_logits.new_tensor(sum(len(one.boxes) for one in targets)))
        totals = torch.stack(terms).sum(0) / (self.num_groups * num.float().clamp(min=1))
        named = zip(("class", "l1", "box"), totals, self.weights, strict=True)
        return {name: weight * total for name, total, weight in named}

    def num_positives(self, outputs: Outputs, size: Size, targets: list[Target]) -> list[Tensor]:
        counts: list[Tensor] = []
        for logits, boxes, target in zip(outputs[0], outputs[1], targets, strict=True):
            _, objects = matched_queries(logits.float(), boxes.float(), size, target)
            counts.append(torch.bincount(objects.cpu(), minlength=len(target.boxes)))
        return counts

    def class_rows(self, key: str, num_classes: int) -> Tensor | None:
        if "class_embed." in key or "enc_score_head." in key:
            return torch.arange(num_classes)[:, None]
        return None

    def _warn_of_crowds(self, num_queries: int, most_objects: int) -> None:
        """Once, where a tile has objects that no query is left for."""
        if most_objects > num_queries and not self._has_warned:
            self._has_warned = True
            logger.warning(
                "a tile has %d objects and the model %d queries: the others are not learned; take "
                "smaller tiles (data.tile_px) or more queries (model.num_queries)",
                most_objects,
                num_queries,
            )

    def _in_pixels(self, boxes: Tensor, size: Size) -> Tensor:
        height, width = size
        return cxcywh_to_xyxy(boxes.float()) * boxes.new_tensor([width, height, width, height])
