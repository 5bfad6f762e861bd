"""The merge of a scene that comes from top to bottom: what is complete leaves, the rest waits."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from smalldet.detections import Detections, TileDetections
from smalldet.geometry.clusters import connected_components
from smalldet.geometry.pairs import intersecting_pairs


class StreamedMerge:
    """Merges tiles row by row; the outcome is that of merging all of them at once.

    Boxes can only join along a chain of boxes that intersect. A chain none of whose boxes reaches
    down to where the tiles to come begin is complete: it is merged and leaves. Memory follows the
    tiles of a row and the chains that they left open.

    Args:
        merge: one of `geometry.alternatives.MERGES`, or any function of the set of boxes in which
            only boxes that intersect have to do with each other.
        across_classes: boxes of different classes meet too.
    """

    def __init__(
        self, merge: Callable[[TileDetections], Detections], across_classes: bool = False
    ) -> None:
        self._merge, self._across_classes = merge, across_classes
        self._open: list[TileDetections] = []

    def add(self, found: TileDetections) -> None:
        """Take in the detections of more tiles; `tiles` must be all tiles of the scene."""
        self._open.append(found)

    def completed(self, next_top_px: float) -> Detections | None:
        """What can grow no more, merged; None where nothing can leave.

        Args:
            next_top_px: no tile that is still to come reaches above it; infinite at the end.
        """
        if not self._open:
            return None
        found = joined(self._open)
        waits = found.boxes[:, 3] > next_top_px
        if bool(waits.any()):
            group = None if self._across_classes else found.labels
            chain = connected_components(len(found), *intersecting_pairs(found.boxes, group))
            waiting_chains = torch.zeros_like(waits)
            waiting_chains[chain[waits]] = True
            waits = waiting_chains[chain]
        self._open = [found[waits]]
        return None if bool(waits.all()) else self._merge(found[~waits])


def joined(parts: Sequence[TileDetections]) -> TileDetections:
    """All detections of several parts of one scene, which share one table of tiles."""
    rboxes = [one.rboxes for one in parts if one.rboxes is not None]
    masks = [one.masks for one in parts if one.masks is not None]
    return replace(
        parts[0],
        boxes=torch.cat([one.boxes for one in parts]),
        scores=torch.cat([one.scores for one in parts]),
        labels=torch.cat([one.labels for one in parts]),
        tile=torch.cat([one.tile for one in parts]),
        cut=torch.cat([one.cut for one in parts]),
        rboxes=torch.cat(rboxes) if rboxes else None,
        masks=torch.cat(masks) if masks else None,
    )


def in_tiles(found: TileDetections, rows: Tensor) -> TileDetections:
    """The detections of some tiles, which become all tiles there are."""
    place = torch.full((len(found.tiles),), -1)
    place[rows] = torch.arange(len(rows))
    kept = found[place[found.tile] >= 0]
    return replace(kept, tile=place[kept.tile], tiles=found.tiles[rows])


def without_far_tiles(found: TileDetections) -> TileDetections:
    """Without the tiles that lie above or below all boxes: they cost a merge time, and no more."""
    if len(found) == 0:
        return in_tiles(found, torch.arange(1))
    top, bottom = found.boxes[:, 1].min(), found.boxes[:, 3].max()
    near = (found.tiles[:, 3] > top) & (found.tiles[:, 1] < bottom)
    near[found.tile] = True
    return in_tiles(found, torch.nonzero(near).flatten())


def seen_once(found: TileDetections) -> Detections:
    """The detections of a single tile, which need no merge."""
    return Detections(
        found.boxes, found.scores, found.labels, found.class_names, found.rboxes, found.masks
    )


def united(parts: Sequence[Detections]) -> Detections:
    """The detections of several parts of one scene, strongest first, as the merges order them."""
    rboxes = [one.rboxes for one in parts if one.rboxes is not None]
    masks = [one.masks for one in parts if one.masks is not None]
    found = replace(
        parts[0],
        boxes=torch.cat([one.boxes for one in parts]),
        scores=torch.cat([one.scores for one in parts]),
        labels=torch.cat([one.labels for one in parts]),
        rboxes=torch.cat(rboxes) if rboxes else None,
        masks=torch.cat(masks) if masks else None,
    )
    return found.sorted_by_score()
