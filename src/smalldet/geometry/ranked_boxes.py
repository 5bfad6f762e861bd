"""Boxes of all tiles as one list in which a row number is a rank."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from smalldet.detections import Detections, TileDetections, coordinates, order_by_strength
from smalldet.geometry.merge_oriented import enclosing_rectangles
from smalldet.geometry.oriented import canonical, enclosing_boxes
from smalldet.geometry.pairs import intersecting_pairs


@dataclass(frozen=True, eq=False)
class RankedBoxes:
    """What all tiles found, strongest first, ties by coordinates, then by class.

    Of two boxes that are equal in all of these it does not matter which comes first, so whatever is
    computed from the rows in turn is a function of the set of boxes.

    Args:
        boxes: (N, 4) float64 xyxy, scene pixels, on the CPU.
        scores: (N,) float64.
        labels: (N,) int64.
        rboxes: (N, 5) float64 oriented boxes that `boxes` enclose, or None.
    """

    boxes: Tensor
    scores: Tensor
    labels: Tensor
    rboxes: Tensor | None = None

    @classmethod
    def of(cls, dets: TileDetections) -> RankedBoxes:
        boxes, scores, labels = dets.boxes.cpu().double(), dets.scores.cpu().double(), dets.labels
        labels = labels.cpu()
        order = order_by_strength(scores, coordinates(dets).cpu().double(), labels)
        if dets.rboxes is None:
            return cls(boxes[order], scores[order], labels[order])
        rboxes = dets.rboxes.cpu().double()[order]
        return cls(enclosing_boxes(rboxes), scores[order], labels[order], rboxes)

    def __len__(self) -> int:
        return len(self.boxes)

    def __getitem__(self, index: Tensor) -> RankedBoxes:
        """Some of the boxes, by mask or rows; they must be ranked too."""
        rboxes = None if self.rboxes is None else self.rboxes[index]
        return RankedBoxes(self.boxes[index], self.scores[index], self.labels[index], rboxes)

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
        """As `enclosing`; oriented boxes grow to the smallest oriented ones."""
        if self.rboxes is None:
            return replace(self, boxes=self.enclosing(owner))
        names, group = torch.unique(owner, return_inverse=True)
        rboxes = self.rboxes.clone()
        rboxes[names] = enclosing_rectangles(self.rboxes, group)
        return replace(self, boxes=enclosing_boxes(rboxes), rboxes=rboxes)

    def detections(self, like: TileDetections) -> Detections:
        """As a result for the scene: class names and device are those of `like`."""
        rboxes = None if self.rboxes is None else canonical(self.rboxes.float())
        found = Detections(
            self.boxes.float(), self.scores.float(), self.labels, like.class_names, rboxes
        ).to(like.boxes.device)
        return found.sorted_by_score()


def check_threshold(iou_threshold: float) -> None:
    """Raise ValueError unless the threshold is in [0, 1)."""
    if not 0 <= iou_threshold < 1:
        raise ValueError(f"iou_threshold must be at least 0 and below 1, not {iou_threshold}")
