"""Boxes of all tiles as one list in which a row number is a rank."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from smalldet.columns import convert, map_columns, take
from smalldet.detections import Detections, TileDetections, coordinates, order_by_strength
from smalldet.geometry.masks import united_masks
from smalldet.geometry.merge_oriented import enclosing_rectangles
from smalldet.geometry.oriented import canonical, enclosing_boxes
from smalldet.geometry.pairs import intersecting_pairs


@dataclass(frozen=True, eq=False)
class RankedBoxes(Detections):
    """What all tiles reported, strongest first, ties by coordinates, then by class.

    Of two boxes that are equal in all of these it does not matter which comes first, so whatever is
    computed from the rows in turn is a function of the set of boxes. Its columns are those of
    Detections, on the CPU; boxes, oriented boxes and scores are float64, and `boxes` enclose the
    oriented ones. Rows taken from it must be ranked too.
    """

    @classmethod
    def of(cls, dets: TileDetections) -> RankedBoxes:
        on_cpu = map_columns(dets.as_detections(), Tensor.cpu)
        boxes, scores = on_cpu.boxes.double(), on_cpu.scores.double()
        rboxes = None if on_cpu.rboxes is None else on_cpu.rboxes.double()
        order = order_by_strength(scores, coordinates(on_cpu).double(), on_cpu.labels)
        if rboxes is not None:
            boxes = enclosing_boxes(rboxes)
        return take(convert(on_cpu, cls, boxes=boxes, scores=scores, rboxes=rboxes), order)

    @property
    def shapes(self) -> Tensor:
        """(N, 4) boxes, or (N, 5) the oriented ones where there are any."""
        return self.boxes if self.rboxes is None else self.rboxes

    def pairs(self, across_classes: bool) -> tuple[Tensor, Tensor]:
        """Rows (stronger, weaker) of all pairs that share an area and may be one object."""
        stronger, weaker = intersecting_pairs(self.boxes)
        if across_classes:
            return stronger, weaker
        alike = self.labels[stronger] == self.labels[weaker]
        return stronger[alike], weaker[alike]

    def enclosing(self, owner: Tensor) -> Tensor:
        """(N, 4), for each row the box round its own and all that it owns; owner is (N,) int64."""
        column = owner[:, None].expand(-1, 2)
        low, high = self.boxes[:, :2], self.boxes[:, 2:]
        return torch.cat(
            (
                low.scatter_reduce(0, column, low, "amin"),
                high.scatter_reduce(0, column, high, "amax"),
            ),
            dim=1,
        )

    def grown(self, owner: Tensor) -> RankedBoxes:
        """As `enclosing`; oriented boxes grow to the smallest oriented ones, masks unite."""
        if self.rboxes is None:
            grown = replace(self, boxes=self.enclosing(owner))
        else:
            names, group = torch.unique(owner, return_inverse=True)
            rboxes = self.rboxes.clone()
            rboxes[names] = enclosing_rectangles(self.rboxes, group)
            grown = replace(self, boxes=enclosing_boxes(rboxes), rboxes=rboxes)
        if self.masks is None:
            return grown
        return replace(grown, masks=self._united_masks(self.masks, owner, grown.boxes))

    def _united_masks(self, masks: Tensor, owner: Tensor, grown: Tensor) -> Tensor:
        """(N, M, M), for each owner of several rows the shape of all; of others their own."""
        several = torch.bincount(owner, minlength=len(self)) > 1
        rows = torch.nonzero(several[owner]).flatten()
        names, group = torch.unique(owner[rows], return_inverse=True)
        united = masks.clone()
        boxes, onto = self.boxes[rows].float(), grown[names].float()
        united[names] = united_masks(masks[rows], boxes, group, onto)
        return united

    def detections(self, device: torch.device) -> Detections:
        """As a result for the scene."""
        detections = convert(
            self,
            Detections,
            boxes=self.boxes.float(),
            scores=self.scores.float(),
            rboxes=None if self.rboxes is None else canonical(self.rboxes.float()),
        )
        return detections.sorted_by_score().to(device)


def check_threshold(iou_threshold: float) -> None:
    """Raise ValueError unless the threshold is in [0, 1)."""
    if not 0 <= iou_threshold < 1:
        raise ValueError(f"iou_threshold must be at least 0 and below 1, not {iou_threshold}")
