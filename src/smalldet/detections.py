"""Detections: the one result that every room speaks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Self

import torch
from torch import Tensor

from smalldet.columns import column, convert, map_columns, take


@dataclass(frozen=True, eq=False)
class Detections:
    """Objects found in one picture.

    Args:
        boxes: (N, 4) float32, xyxy in absolute pixels of the picture.
        scores: (N,) float32 in 0..1.
        labels: (N,) int64, positions in `class_names`.
        class_names: names of all classes the detector knows.
        rboxes: (N, 5) oriented boxes (cx, cy, w, h, angle) or None; `boxes` then enclose them.
        masks: (N, M, M) uint8 or None: each object's shape on a grid that fills its box, 255 where
            it is (see `geometry.masks`).
        num_cut: of a model's own detections of one tile: candidates that a limit on their number
            left out.

    Raises:
        ValueError: shapes disagree, a label is out of range, a value is not finite, or a side of an
            oriented box is negative.
    """

    boxes: Tensor = field(metadata=column())
    scores: Tensor = field(metadata=column())
    labels: Tensor = field(metadata=column())
    class_names: tuple[str, ...]
    rboxes: Tensor | None = field(default=None, metadata=column())
    masks: Tensor | None = field(default=None, metadata=column())
    num_cut: int = 0

    def __post_init__(self) -> None:
        num = len(self.boxes)
        if self.boxes.shape != (num, 4):
            raise ValueError(f"boxes must be (N, 4), not {tuple(self.boxes.shape)}")
        if self.scores.shape != (num,) or self.labels.shape != (num,):
            raise ValueError(
                f"{num} boxes need as many scores and labels, not "
                f"{tuple(self.scores.shape)} and {tuple(self.labels.shape)}"
            )
        if self.rboxes is not None:
            _check_rboxes(self.rboxes, num)
        _check_masks(self.masks, num)
        if num == 0:
            return
        if not bool(torch.isfinite(self.boxes).all() & torch.isfinite(self.scores).all()):
            raise ValueError("boxes and scores must be finite")
        low, high = (int(v) for v in torch.aminmax(self.labels))
        if low < 0 or high >= len(self.class_names):
            raise ValueError(f"labels {low}..{high} do not fit {len(self.class_names)} class names")

    @classmethod
    def empty(cls, class_names: Sequence[str]) -> Self:
        return cls(
            torch.zeros(0, 4), torch.zeros(0), torch.zeros(0, dtype=torch.long), tuple(class_names)
        )

    def __len__(self) -> int:
        return len(self.boxes)

    def __getitem__(self, index: Tensor | slice) -> Self:
        """A part of the detections, by mask, index tensor or slice."""
        return take(self, index)

    def to(self, device: torch.device | str) -> Self:
        return map_columns(self, lambda values: values.to(device))

    def sorted_by_score(self, limit: int | None = None) -> Self:
        """Strongest first, ties broken by coordinates, then by label, at most `limit`."""
        return self[order_by_strength(self.scores, coordinates(self), self.labels)[:limit]]

    def named(self) -> list[str]:
        """Class name of each detection."""
        return [self.class_names[i] for i in self.labels.tolist()]


@dataclass(frozen=True, eq=False)
class TileDetections:
    """Detections of many tiles of one scene, before they are merged.

    Args:
        boxes: (N, 4) float32 xyxy in scene pixels.
        scores: (N,).
        labels: (N,) int64.
        tile: (N,) int64, row of `tiles` that each detection came from.
        cut: (N, 4) bool, which *interior* tile edges (left, top, right, bottom) each box touches.
        tiles: (T, 4) int64 xyxy windows of the scene.
        class_names: names of all classes.
        rboxes: (N, 5) oriented boxes (cx, cy, w, h, angle) in scene pixels, or None; `boxes` then
            enclose them, so that `cut` holds for both.
        masks: (N, M, M) uint8 grids that fill the boxes, or None.

    Raises:
        ValueError: rboxes have another shape, are not finite, or have a negative side.
    """

    boxes: Tensor = field(metadata=column())
    scores: Tensor = field(metadata=column())
    labels: Tensor = field(metadata=column())
    tile: Tensor = field(metadata=column())
    cut: Tensor = field(metadata=column())
    tiles: Tensor
    class_names: tuple[str, ...]
    rboxes: Tensor | None = field(default=None, metadata=column())
    masks: Tensor | None = field(default=None, metadata=column())

    def __post_init__(self) -> None:
        if self.rboxes is not None:
            _check_rboxes(self.rboxes, len(self.boxes))
        _check_masks(self.masks, len(self.boxes))

    @classmethod
    def empty(cls, class_names: Sequence[str], tiles: Tensor) -> TileDetections:
        """No detections in these tiles, (T, 4) int64 xyxy."""
        nothing = Detections.empty(class_names)
        return cls(
            nothing.boxes,
            nothing.scores,
            nothing.labels,
            torch.zeros(0, dtype=torch.long),
            torch.zeros((0, 4), dtype=torch.bool),
            tiles,
            nothing.class_names,
        )

    def __len__(self) -> int:
        return len(self.boxes)

    def __getitem__(self, index: Tensor) -> TileDetections:
        """Some of the detections, by mask or rows; the tiles stay all there are."""
        return take(self, index)

    def as_detections(self) -> Detections:
        """The same rows without what they say of tiles: of a single tile, all there is to merge."""
        return convert(self, Detections, dropping=("tile", "cut"))


def coordinates(detections: Detections | TileDetections) -> Tensor:
    """(N, 4), or (N, 9) with oriented boxes: what tells one detection's place from another's."""
    if detections.rboxes is None:
        return detections.boxes
    return torch.cat((detections.boxes, detections.rboxes), dim=1)


def order_by_strength(scores: Tensor, boxes: Tensor, *further: Tensor) -> Tensor:
    """Indices by falling score, ties by coordinates: a function of the set, not of its order.

    Whatever comes after the score is looked at in ties only.

    Args:
        scores: (N,).
        boxes: (N, K), of any layout; the first column that differs decides.
        further: (N,) each, keys that come after the coordinates.
    """
    order = torch.argsort(scores, descending=True, stable=True)
    falling = scores[order]
    same = falling[1:] == falling[:-1]
    tied = torch.zeros(len(scores), dtype=torch.bool, device=scores.device)
    tied[1:] |= same
    tied[:-1] |= same
    rows = order[tied]
    if len(rows):
        for key in (*further[::-1], *boxes.unbind(1)[::-1], -scores):
            rows = rows[torch.argsort(key[rows], stable=True)]
        order[tied] = rows
    return order


def _check_masks(masks: Tensor | None, num: int) -> None:
    if masks is not None and (
        masks.ndim != 3 or len(masks) != num or masks.shape[1] != masks.shape[2]
    ):
        raise ValueError(f"masks must be ({num}, M, M), not {tuple(masks.shape)}")


def _check_rboxes(rboxes: Tensor, num: int) -> None:
    if rboxes.shape != (num, 5):
        raise ValueError(f"rboxes must be ({num}, 5), not {tuple(rboxes.shape)}")
    if not bool(torch.isfinite(rboxes).all()):
        raise ValueError("rboxes must be finite")
    if bool((rboxes[:, 2:4] < 0).any()):
        raise ValueError("sides of rboxes must not be negative")
