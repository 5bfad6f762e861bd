"""Other ways to merge the detections of tiles, by the same interface as smalldet's own.

They know nothing of tile borders, and compare boxes of one tile as they do boxes of two. All are
functions of the set of boxes alone: neither the order of the boxes nor that of the tiles matters.
All but weighted boxes fusion take oriented boxes as such, and carry masks; it refuses both by name.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Literal, Protocol

import torch
from torch import Tensor

from smalldet.detections import Detections, TileDetections
from smalldet.geometry.boxes import box_areas
from smalldet.geometry.fusion import merge_wbf
from smalldet.geometry.merge import merge_tiles
from smalldet.geometry.oriented import rbox_areas
from smalldet.geometry.overlaps import iou
from smalldet.geometry.ranked_boxes import RankedBoxes, check_threshold
from smalldet.geometry.rotated import rotated_iou, rotated_nms
from smalldet.geometry.suppression import nms, unsuppressed


class MergeFunction(Protocol):
    """Makes one set of detections of the scene from those of its tiles, strongest first.

    The threshold that suits each merge is its default; what it means is each merge's own.
    """

    def __call__(
        self, dets: TileDetections, *, iou_threshold: float = ..., across_classes: bool = ...
    ) -> Detections: ...


def merge_nms(
    dets: TileDetections, *, iou_threshold: float = 0.5, across_classes: bool = False
) -> Detections:
    """Plain non-maximum suppression over the boxes of all tiles. Time is quadratic in N.

    Args:
        dets: detections of the tiles.
        iou_threshold: a box is dropped where a kept, stronger one overlaps it more, in [0, 1).
        across_classes: whether a box suppresses those of other classes too.

    Returns:
        Detections in scene pixels, strongest first, ties by coordinates.

    Raises:
        ValueError: the threshold is out of range.
    """
    check_threshold(iou_threshold)
    if dets.rboxes is None:
        kept = nms(dets.boxes, dets.scores, dets.labels, iou_threshold, across_classes)
    else:
        kept = rotated_nms(dets.rboxes, dets.scores, dets.labels, iou_threshold, across_classes)
    return dets.as_detections()[kept]


def merge_soft_nms(
    dets: TileDetections,
    *,
    iou_threshold: float = 0.0,
    across_classes: bool = False,
    sigma: float = 0.5,
    score_floor: float = 0.001,
) -> Detections:
    """Gaussian Soft-NMS: a box loses score by every stronger one that it overlaps, and stays.

    The strongest box left is taken, and each of the others becomes s * exp(-IoU^2 / sigma), until
    none is left. Doubles come out with low scores: a score threshold afterwards removes them.

    Args:
        dets: detections of the tiles.
        iou_threshold: overlaps up to this cost no score, in [0, 1); the paper's Gaussian has 0.
        across_classes: whether boxes of other classes cost score too.
        sigma: width of the Gaussian, above 0; 0.5 is the paper's.
        score_floor: boxes that end below this score are dropped.

    Returns:
        Detections in scene pixels, strongest first by the new scores, ties by coordinates.

    Raises:
        ValueError: the threshold or sigma is out of range.

    Source: Bodla et al. 2017, arXiv 1704.04503, algorithm 1 and eq. 3.
    """
    check_threshold(iou_threshold)
    if sigma <= 0:
        raise ValueError(f"sigma must be above 0, not {sigma}")
    ranked = RankedBoxes.of(dets)
    first, second = ranked.pairs(across_classes)
    measure = iou if ranked.rboxes is None else rotated_iou
    overlap = measure(ranked.shapes[first], ranked.shapes[second])
    near = overlap > iou_threshold
    decay = torch.exp(-overlap[near].square() / sigma)
    scores = _decayed(ranked.scores, first[near], second[near], decay)
    kept = scores >= score_floor
    return replace(ranked, scores=scores)[kept].detections(dets.boxes.device)


def _decayed(scores: Tensor, first: Tensor, second: Tensor, decay: Tensor) -> Tensor:
    """Scores (N,) after Soft-NMS with these pairs (P,), first < second, and their factors (P,).

    Scores only fall, so a box is as good as taken once no open neighbour is stronger. Each round
    takes all such boxes at once; the outcome is that of taking them one by one.
    """
    scores = scores.clone()
    while len(first):
        ahead = scores[first] >= scores[second]  # ties go by row
        first, second = torch.where(ahead, first, second), torch.where(ahead, second, first)
        waiting = torch.zeros(len(scores), dtype=torch.bool)
        waiting[second] = True
        still_open = waiting[first]
        scores.scatter_reduce_(0, second[~still_open], decay[~still_open], "prod")
        first, second, decay = first[still_open], second[still_open], decay[still_open]
    return scores


def merge_greedy(
    dets: TileDetections,
    *,
    iou_threshold: float = 0.5,
    across_classes: bool = False,
    match_metric: Literal["iou", "ios"] = "ios",
) -> Detections:
    """Greedy non-maximum merging: suppression in which a box grows round those it suppresses.

    The strongest box left takes in all others that overlap it over the threshold. Their enclosing
    box comes out, with the strongest one's score and class, and with all their masks on it. SAHI
    calls this GREEDYNMM; there a box must also match what has grown so far, else it is lost.

    Args:
        dets: detections of the tiles.
        iou_threshold: least overlap with the strongest box, by `match_metric`, in [0, 1).
        across_classes: whether a box takes in those of other classes too.
        match_metric: "iou", or "ios" for the intersection over the smaller box's area, by which a
            piece of an object matches the whole.

    Returns:
        Detections in scene pixels, strongest first, ties by coordinates.

    Raises:
        ValueError: the threshold is out of range or the metric unknown.
    """
    check_threshold(iou_threshold)
    if match_metric not in _MATCH_METRICS:
        raise ValueError(f"match_metric must be one of {[*_MATCH_METRICS]}, not {match_metric!r}")
    ranked = RankedBoxes.of(dets)
    measure = (_MATCH_METRICS if ranked.rboxes is None else _ORIENTED_METRICS)[match_metric]
    first, second = ranked.pairs(across_classes)
    alike = measure(ranked.shapes[first], ranked.shapes[second]) > iou_threshold
    first, second = first[alike], second[alike]
    kept = unsuppressed(len(ranked), first, second)
    first, second = first[kept[first]], second[kept[first]]
    # The strongest of the kept boxes that match a box is the one that came by first.
    owner = torch.arange(len(ranked)).scatter_reduce(0, second, first, "amin")
    return ranked.grown(owner)[kept].detections(dets.boxes.device)


def _intersection_over_smaller(a: Tensor, b: Tensor) -> Tensor:
    """(P,) in 0..1, of boxes (P, 4) and (P, 4) that share an area."""
    shared = torch.cat(
        (torch.maximum(a[:, :2], b[:, :2]), torch.minimum(a[:, 2:], b[:, 2:])), dim=1
    )
    return box_areas(shared) / torch.minimum(box_areas(a), box_areas(b))


def _rotated_intersection_over_smaller(a: Tensor, b: Tensor) -> Tensor:
    """(P,) in 0..1, of oriented boxes (P, 5) and (P, 5)."""
    area_a, area_b, overlap = rbox_areas(a), rbox_areas(b), rotated_iou(a, b)
    shared = overlap / (1 + overlap) * (area_a + area_b)
    smaller = torch.minimum(area_a, area_b)
    return shared / torch.where(smaller > 0, smaller, 1)


_MATCH_METRICS = {"iou": iou, "ios": _intersection_over_smaller}
_ORIENTED_METRICS = {"iou": rotated_iou, "ios": _rotated_intersection_over_smaller}

MERGES: dict[str, MergeFunction] = {
    "tiles": merge_tiles,
    "nms": merge_nms,
    "soft_nms": merge_soft_nms,
    "wbf": merge_wbf,
    "greedy": merge_greedy,
}
