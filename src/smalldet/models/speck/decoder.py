"""What Speck's outputs mean, without its network."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from smalldet.detections import Detections
from smalldet.models.detector import Decoder, Outputs, Size
from smalldet.models.locations import Locations, grid_locations
from smalldet.models.postprocess import VOTER_SHARE, select_detections
from smalldet.models.speck.box_forms import BoxForm, OrientedBoxes, UprightBoxes
from smalldet.models.speck.options import SuppressionOptions

CANDIDATES_PER_DETECTION = 3


class SpeckDecoder(Decoder):
    """Decodes class logits (B, L, C) and box codes (B, L, K); K is 4, and 5 of oriented boxes.

    Args:
        class_names: what it finds.
        tile_px: side of the tiles that it predicts on unless told.
        strides: of the levels in pixels.
        suppression: what becomes of several boxes of one object.
        oriented: whether boxes are.
    """

    in_channels = 3

    def __init__(
        self,
        class_names: Sequence[str],
        tile_px: int,
        strides: Sequence[int],
        suppression: SuppressionOptions,
        oriented: bool,
    ) -> None:
        self.class_names = tuple(class_names)
        self.tile_px = tile_px
        self.strides = tuple(strides)
        self.stride = max(self.strides)
        self.suppression = suppression
        self.form: BoxForm = OrientedBoxes() if oriented else UprightBoxes()

    def locations(self, size: Size, device: torch.device) -> Locations:
        """Where the L outputs stand in pictures of a size."""
        return grid_locations(size, self.strides, device)

    @torch.no_grad()
    def decode(
        self, outputs: Outputs, size: Size, conf: float = 0.05, max_detections: int = 3000
    ) -> list[Detections]:
        logits, codes = outputs[:2]
        locations = self.locations(size, logits.device)
        return [
            self._detections(*picture, locations, size, conf, max_detections)
            for picture in zip(logits.float().sigmoid(), codes, strict=True)
        ]

    def _detections(
        self,
        scores: Tensor,
        codes: Tensor,
        locations: Locations,
        size: Size,
        conf: float,
        max_detections: int,
    ) -> Detections:
        """Scores (L, C) and codes (L, K) of one picture to its detections."""
        vote_iou = self.suppression.vote_iou
        share = 1.0 if vote_iou is None else VOTER_SHARE
        rows, labels = (scores > conf * share).nonzero(as_tuple=True)
        boxes = self.form.decode(codes[rows], locations.centres[rows], locations.strides[rows])
        return select_detections(
            self.form.within(boxes, size),
            scores[rows, labels],
            labels,
            self.class_names,
            nms_iou=self.suppression.nms_iou,
            max_detections=max_detections,
            candidates_per_detection=CANDIDATES_PER_DETECTION,
            min_score=conf,
            vote_iou=vote_iou,
        )
