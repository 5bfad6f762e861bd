"""Merging what was seen of a scene at several resolutions."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from smalldet.columns import cat
from smalldet.detections import Detections, TileDetections
from smalldet.geometry.boxes import box_areas
from smalldet.geometry.clusters import constrained_clusters
from smalldet.geometry.overlaps import iou, normalized_wasserstein
from smalldet.geometry.pairs import intersecting_pairs
from smalldet.geometry.streaming import in_tiles, united

INSIDE_FRAC = 0.8
"""A piece lies within its object with more than this share of its area."""


def merge_scales(
    detections: TileDetections,
    level: Tensor,
    scales: Sequence[float],
    merge: Callable[[TileDetections], Detections],
    *,
    across_classes: bool = False,
    iou_threshold: float = 0.3,
    tiny_px: float = 8.0,
) -> Detections:
    """Merge the tiles of each scale, and then the scales.

    Boxes of two scales are one object where their IoU, or their Wasserstein distance for boxes of
    few pixels *of the coarser scale*, is over the threshold; strongest pairs first, and at most one
    box of each scale. The sharpest one that a tile saw whole represents the object, and where all
    are cut the coarsest; the score is the best one's. A sharp box that was cut and lies within a
    coarser one that was not is a piece of it, and is dropped.

    Args:
        detections: detections of the tiles of all scales.
        level: (T,) int64, which of `scales` each tile is of.
        scales: pixels of the detector for one of the scene.
        merge: for the tiles of one scale.
        across_classes: whether boxes of different classes can be one object.
        iou_threshold: pairs join over this overlap, in (0, 1).
        tiny_px: squares of this side, in pixels of the coarser scale, are held alike by IoU and
            distance at the same shift.

    Returns:
        Detections in scene pixels, strongest first.
    """
    sets, whole = [], []
    for number in range(len(scales)):
        of_scale = in_tiles(detections, torch.nonzero(level == number).flatten())
        sets.append(merge(of_scale))
        whole.append(_seen_whole(sets[-1], of_scale))
    every, seen_whole = cat(sets), torch.cat(whole)
    scale = torch.cat(
        [torch.full((len(s),), v, dtype=torch.float64) for s, v in zip(sets, scales, strict=True)]
    )
    boxes = every.boxes.double()
    first, second = intersecting_pairs(every.boxes)
    meet = scale[first] != scale[second]
    if not across_classes:
        meet &= every.labels[first] == every.labels[second]
    first, second = first[meet], second[meet]

    coarser = torch.minimum(scale[first], scale[second]).double()
    overlap = _overlap(boxes[first], boxes[second], coarser, iou_threshold, tiny_px)
    join = overlap > iou_threshold
    seat = torch.unique(scale, return_inverse=True)[1]
    cluster = constrained_clusters(first[join], second[join], overlap[join], seat)
    piece = _pieces(boxes, scale, seen_whole, first, second)
    represents, scores = _representatives(every.scores, scale, seen_whole, cluster)
    kept = represents & ~piece
    return united([replace(every, scores=scores)[kept]])


def _seen_whole(merged: Detections, reported: TileDetections) -> Tensor:
    """(N,) bool: the box is one that a tile reported and did not cut."""
    uncut = reported.boxes[~reported.cut.any(dim=1)]
    _, box = torch.unique(torch.cat((uncut, merged.boxes)), dim=0, return_inverse=True)
    return torch.isin(box[len(uncut) :], box[: len(uncut)])


def _overlap(a: Tensor, b: Tensor, scale: Tensor, iou_threshold: float, tiny_px: float) -> Tensor:
    """(P,) the larger of IoU and Wasserstein distance, as `geometry.merge` compares parts."""
    alike = iou(a, b)
    shift_px = tiny_px / scale * (1 - iou_threshold) / (1 + iou_threshold)
    scale_px = shift_px / -math.log(iou_threshold)
    return torch.where(alike > 0, torch.maximum(alike, normalized_wasserstein(a, b, scale_px)), 0)


def _pieces(
    boxes: Tensor, scale: Tensor, seen_whole: Tensor, first: Tensor, second: Tensor
) -> Tensor:
    """(N,) bool, boxes cut at their scale that lie within one seen whole at a coarser scale."""
    sharp = torch.where(scale[first] > scale[second], first, second)
    coarse = torch.where(scale[first] > scale[second], second, first)
    low = torch.maximum(boxes[sharp, :2], boxes[coarse, :2])
    high = torch.minimum(boxes[sharp, 2:], boxes[coarse, 2:])
    shared = (high - low).clamp(min=0).prod(dim=1)
    within = shared > INSIDE_FRAC * box_areas(boxes[sharp])
    piece = torch.zeros(len(boxes), dtype=torch.bool)
    piece[sharp[within & ~seen_whole[sharp] & seen_whole[coarse]]] = True
    return piece


def _representatives(
    scores: Tensor, scale: Tensor, seen_whole: Tensor, cluster: Tensor
) -> tuple[Tensor, Tensor]:
    """(N,) bool, which box represents its cluster, and (N,) the best score of its cluster."""
    best = torch.zeros_like(scores).scatter_reduce(0, cluster, scores, "amax")[cluster]
    # sharpest first among those seen whole; of the others the coarsest
    rank = torch.where(seen_whole, scale, -scale)
    foremost = torch.full_like(rank, -math.inf).scatter_reduce(0, cluster, rank, "amax")
    return rank == foremost[cluster], best
