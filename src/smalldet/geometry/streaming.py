"""The merge of a scene that comes from top to bottom: what is complete leaves, the rest waits."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from smalldet.columns import cat
from smalldet.detections import Detections, TileDetections
from smalldet.geometry.clusters import connected_components
from smalldet.geometry.pairs import intersecting_pairs


class StreamedMerge:
    """Merges tiles row by row; the outcome is that of merging all of them at once.

    Boxes can only join along a chain of boxes that intersect. A chain none of whose boxes reaches
    down to where the tiles to come begin is complete: it is merged and leaves. Memory follows the
    tiles of a row and the chains that they left open.

    Args:
        merge: one of `geometry.merge_methods.MERGES`, or any function of the set of boxes in which
            only boxes that intersect have to do with each other.
        across_classes: boxes of different classes meet too.
    """

    def __init__(
        self, merge: Callable[[TileDetections], Detections], across_classes: bool = False
    ) -> None:
        self._merge, self._across_classes = merge, across_classes
        self._open: list[TileDetections] = []

    def add(self, detections: TileDetections) -> None:
        """Take in the detections of more tiles; `tiles` must be all tiles of the scene."""
        self._open.append(detections)

    def completed(self, next_top_px: float) -> Detections | None:
        """What can grow no more, merged; None where nothing can leave.

        Args:
            next_top_px: no tile that is still to come reaches above it; infinite at the end.
        """
        if not self._open:
            return None
        detections = cat(self._open)
        waits = detections.boxes[:, 3] > next_top_px
        if bool(waits.any()):
            group = None if self._across_classes else detections.labels
            pairs = intersecting_pairs(detections.boxes, group)
            chain = connected_components(len(detections), *pairs)
            waiting_chains = torch.zeros_like(waits)
            waiting_chains[chain[waits]] = True
            waits = waiting_chains[chain]
        self._open = [detections[waits]]
        return None if bool(waits.all()) else self._merge(detections[~waits])


def in_tiles(detections: TileDetections, rows: Tensor) -> TileDetections:
    """The detections of some tiles, which become all tiles there are."""
    place = torch.full((len(detections.tiles),), -1)
    place[rows] = torch.arange(len(rows))
    kept = detections[place[detections.tile] >= 0]
    return replace(kept, tile=place[kept.tile], tiles=detections.tiles[rows])


def without_far_tiles(detections: TileDetections) -> TileDetections:
    """Without the tiles that lie above or below all boxes: they cost a merge time, and no more."""
    if len(detections) == 0:
        return in_tiles(detections, torch.arange(1))
    top, bottom = detections.boxes[:, 1].min(), detections.boxes[:, 3].max()
    near = (detections.tiles[:, 3] > top) & (detections.tiles[:, 1] < bottom)
    near[detections.tile] = True
    return in_tiles(detections, torch.nonzero(near).flatten())


def united(parts: Sequence[Detections]) -> Detections:
    """The detections of several parts of one scene, strongest first, as the merges order them."""
    return cat(parts).sorted_by_score()
