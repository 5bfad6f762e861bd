"""What a perfect detector would find: what tiles, suppression and caps take away by themselves."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from smalldet.columns import cat
from smalldet.data.index import ImageRecord, Index
from smalldet.detections import Detections, TileDetections
from smalldet.evaluation.matching import match_boxes
from smalldet.evaluation.rows import detection_rows, truth_rows
from smalldet.geometry.merge import merge_tiles
from smalldet.geometry.suppression import nms
from smalldet.geometry.tiles import interior_cuts, tile_grid
from smalldet.tile_models.protocol import MAX_DETECTIONS_PER_TILE

# the part of an object that a tile must show, as in training, for it to be reported there
LEAST_VISIBLE = 0.3
TILES_AT_ONCE = 64


@dataclass(frozen=True, eq=False)
class Ceiling:
    """The fate of each object of a set, were every tile's detector perfect.

    Args:
        sides: (N,) square root of the box's area, pixels.
        found: (N,) bool, met by a detection at IoU 0.5 after the merge.
        whole: (N,) bool, whole in some tile.
        num_tiles: of all pictures.
    """

    sides: NDArray[np.float64]
    found: NDArray[np.bool_]
    whole: NDArray[np.bool_]
    num_tiles: int


def within(sides: Any, span: tuple[float, float]) -> Any:
    """Which sides lie in a range, low <= side < high."""
    return (sides >= span[0]) & (sides < span[1])


def recall_ceilings(
    index: Index, ways: Sequence[tuple[int, float]], nms_iou: float
) -> list[Ceiling]:
    """Run the truth through tiles, suppression within them, and the merge.

    Args:
        index: labelled pictures.
        ways: side of the tiles in pixels, and their least overlap.
        nms_iou: at which two boxes of a class in a tile are one.
    """
    merged: list[list[Detections]] = [[] for _ in ways]
    whole: list[list[NDArray[np.bool_]]] = [[] for _ in ways]
    num_tiles = [0 for _ in ways]
    for record in index.records:
        known: dict[bytes, tuple[Detections, NDArray[np.bool_]]] = {}
        for way, (tile_px, overlap_frac) in enumerate(ways):
            tiles = tile_grid(record.width, record.height, tile_px, overlap_frac)
            key = tiles.numpy().tobytes()
            if key not in known:  # small pictures are cut alike by many ways
                seen = _seen(record, tiles, index.class_names, nms_iou)
                found = merge_tiles(seen) if len(tiles) > 1 else seen.as_detections()
                known[key] = found, _whole(record, tiles)
            merged[way].append(known[key][0])
            whole[way].append(known[key][1])
            num_tiles[way] += len(tiles)
    truth = truth_rows(index)
    objects = ~truth.ignore
    sides = np.sqrt(truth.areas[objects])
    reached = (match_boxes(index, truth, detection_rows(own)).reached[objects] for own in merged)
    return [
        Ceiling(sides, found, np.concatenate(held), num)
        for found, held, num in zip(reached, whole, num_tiles, strict=True)
    ]


def _whole(record: ImageRecord, tiles: Tensor) -> NDArray[np.bool_]:
    """(N,) whether some tile holds all of an object, ignored ones left out."""
    boxes = torch.from_numpy(record.boxes[~record.ignore])
    held = torch.zeros(len(boxes), dtype=torch.bool)
    for part in tiles.split(TILES_AT_ONCE):
        inside = (boxes[:, None, :2] >= part[:, :2]) & (boxes[:, None, 2:] <= part[:, 2:])
        held |= inside.all(2).any(1)
    return held.numpy()


def _seen(
    record: ImageRecord, tiles: Tensor, class_names: tuple[str, ...], nms_iou: float
) -> TileDetections:
    """What a perfect detector reports of each tile, strongest where most of an object is seen."""
    parts = list(_parts(record, tiles, class_names, nms_iou))
    return cat(parts) if parts else TileDetections.empty(class_names, tiles)


def _parts(
    record: ImageRecord, tiles: Tensor, class_names: tuple[str, ...], nms_iou: float
) -> Iterator[TileDetections]:
    boxes = torch.from_numpy(record.boxes[~record.ignore])
    labels = torch.from_numpy(record.labels[~record.ignore])
    areas = (boxes[:, 2:] - boxes[:, :2]).prod(1).clamp(min=1e-9)
    for row, window in enumerate(tiles):
        clipped = torch.cat(
            (torch.maximum(boxes[:, :2], window[:2]), torch.minimum(boxes[:, 2:], window[2:])), 1
        )
        visible = (clipped[:, 2:] - clipped[:, :2]).clamp(min=0).prod(1) / areas
        seen = (visible >= LEAST_VISIBLE).nonzero()[:, 0]
        kept = nms(clipped[seen], visible[seen], labels[seen], nms_iou)
        seen = seen[kept[:MAX_DETECTIONS_PER_TILE]]
        if not len(seen):
            continue
        tile = torch.full((len(seen),), row)
        cut = interior_cuts(clipped[seen], tile, tiles, record.width, record.height)
        yield TileDetections(
            clipped[seen], visible[seen], labels[seen], tile, cut, tiles, class_names
        )
