"""Which detections could be on which objects: pairs of one picture and class, and how alike."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray

from smalldet.columns import cat, column, take
from smalldet.evaluation.rows import Rows
from smalldet.geometry.oriented import enclosing_boxes
from smalldet.geometry.overlaps import normalized_wasserstein
from smalldet.geometry.pairs import intersecting_pairs
from smalldet.geometry.rotated import rotated_intersection

NWD_SCALE_PX = 12.7
"""C of Wang et al. 2021, arXiv 2110.13389, section 4: the mean size of AI-TOD's objects."""


@dataclass(frozen=True, eq=False)
class Candidates:
    """Pairs of a detection and an object.

    Args:
        detections: (P,) int64, rows of the detections.
        objects: (P,) int64, rows of the truth.
        likeness: (P,) float64, 1 for equal boxes.
    """

    detections: NDArray[np.int64] = field(metadata=column())
    objects: NDArray[np.int64] = field(metadata=column())
    likeness: NDArray[np.float64] = field(metadata=column())

    def __len__(self) -> int:
        return len(self.likeness)

    def __getitem__(self, rows: NDArray[np.bool_]) -> Candidates:
        return take(self, rows)


@dataclass(frozen=True, eq=False)
class SizedPairs:
    """What average precision by size is made of, by one kind of box.

    Args:
        pairs: of detections and objects.
        object_areas: (num objects,) that tell the size range.
        detection_areas: (num detections,) likewise.
    """

    pairs: Candidates
    object_areas: NDArray[np.float64]
    detection_areas: NDArray[np.float64]


def by_iou(truth: Rows, detections: Rows, least: float = 0.5) -> Candidates:
    """Pairs by IoU; against an ignore region by the part of the detection that lies in it.

    Args:
        truth: objects and ignore regions.
        detections: of the same pictures.
        least: pairs of a lower likeness are left out.
    """
    found, objects = _meeting(truth, detections, truth.boxes, detections.boxes)
    sides = np.minimum(truth.boxes[objects, 2:], detections.boxes[found, 2:])
    sides = sides - np.maximum(truth.boxes[objects, :2], detections.boxes[found, :2])
    shared = sides.clip(0).prod(axis=1)
    area = detections.boxes_xywh[found, 2:].prod(axis=1)
    whole = area + truth.boxes_xywh[objects, 2:].prod(axis=1) - shared
    likeness = shared / np.where(truth.ignore[objects], area, whole)
    return _least(Candidates(found, objects, likeness), least)


def by_oriented_iou(truth: Rows, detections: Rows, least: float = 0.5) -> Candidates:
    """Pairs by the exact IoU of their oriented boxes; ignore regions as in `by_iou`.

    Args:
        truth: objects and ignore regions.
        detections: of the same pictures.
        least: over 0; pairs of a lower likeness are left out.

    Raises:
        ValueError: one side has no oriented boxes.
    """
    turned = [torch.from_numpy(rows.oriented) for rows in (truth, detections)]
    around = [enclosing_boxes(rboxes).numpy() for rboxes in turned]
    found, objects = _meeting(truth, detections, *around)
    area, of_object = detections.oriented[found, 2:4].prod(1), truth.oriented[objects, 2:4].prod(1)
    is_region = truth.ignore[objects]

    def likeness(shared: NDArray[np.float64]) -> NDArray[np.float64]:
        whole = np.where(is_region, area, area + of_object - shared)
        return shared / np.maximum(whole, np.finfo(np.float64).tiny)

    # No more can be shared than the boxes around share; the exact area is for what is left.
    sides = np.minimum(around[0][objects, 2:], around[1][found, 2:])
    sides = sides - np.maximum(around[0][objects, :2], around[1][found, :2])
    most = np.minimum(sides.clip(0).prod(axis=1), np.minimum(area, of_object))
    near = likeness(most) >= least * (1 - 1e-9)
    shared = np.zeros(len(found))
    exact = rotated_intersection(turned[1][found[near]], turned[0][objects[near]])
    shared[near] = exact.numpy()
    return _least(Candidates(found, objects, likeness(shared)), least)


def by_nwd(truth: Rows, detections: Rows, least: float = 0.5) -> Candidates:
    """Pairs by normalised Wasserstein distance, exp(-W / C) with C = 12.7 px; ignore regions
    as in `by_iou`.

    Source: Wang et al. 2021, arXiv 2110.13389, equation 8.
    """
    reach = -NWD_SCALE_PX * math.log(least)  # centres are never farther apart than boxes
    pairs = _near(truth, detections, np.full(len(truth), reach))
    boxes = torch.from_numpy(detections.boxes[pairs.detections])
    others = torch.from_numpy(truth.boxes[pairs.objects])
    likeness = normalized_wasserstein(boxes, others, NWD_SCALE_PX).double().numpy()
    pairs = Candidates(pairs.detections, pairs.objects, likeness)
    return _with_regions(truth, detections, _least(pairs, least))


def by_centre(truth: Rows, detections: Rows, reach_px: NDArray[np.float64]) -> Candidates:
    """Pairs whose centres are at most `reach_px` apart; ignore regions as in `by_iou`.

    Args:
        truth: objects and ignore regions.
        detections: of the same pictures.
        reach_px: (len(truth),) pixels.

    Returns:
        pairs with a likeness from 1 at no distance to 0.5 at the reach.
    """
    pairs = _near(truth, detections, reach_px)
    apart = _centres(truth.boxes)[pairs.objects] - _centres(detections.boxes)[pairs.detections]
    reach = np.maximum(reach_px[pairs.objects], np.finfo(np.float64).tiny)
    likeness = 1 - np.hypot(apart[:, 0], apart[:, 1]) / reach / 2
    pairs = Candidates(pairs.detections, pairs.objects, likeness)
    return _with_regions(truth, detections, _least(pairs, 0.5))


def _with_regions(truth: Rows, detections: Rows, pairs: Candidates) -> Candidates:
    rows = np.flatnonzero(truth.ignore)
    regions = by_iou(truth[truth.ignore], detections)
    return cat([pairs, Candidates(regions.detections, rows[regions.objects], regions.likeness)])


def _near(truth: Rows, detections: Rows, reach_px: NDArray[np.float64]) -> Candidates:
    """Pairs of objects, no ignore regions, whose centres are up to a reach apart on both axes."""
    rows = np.flatnonzero(~truth.ignore)
    # A hair more: what rounding moves must not be lost.
    half = reach_px[rows, None] * (1 + 1e-9) + 1e-6
    objects, found = _centres(truth.boxes[rows]), _centres(detections.boxes)
    point = np.full((len(found), 1), 1e-6)
    first, second = _meeting(
        truth[~truth.ignore],
        detections,
        np.concatenate([objects - half, objects + half], axis=1),
        np.concatenate([found - point, found + point], axis=1),
    )
    return Candidates(first, rows[second], np.zeros(len(first)))


def _meeting(
    truth: Rows,
    detections: Rows,
    truth_boxes: NDArray[np.float64],
    detection_boxes: NDArray[np.float64],
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows of detections and of objects of one picture and class whose boxes share an area."""
    num = len(truth)
    num_classes = 1 + max([rows.labels.max(initial=0) for rows in (truth, detections)])
    cells = np.concatenate(
        [rows.pictures * num_classes + rows.labels for rows in (truth, detections)]
    )
    _, cells = np.unique(cells, return_inverse=True)
    boxes = torch.from_numpy(np.concatenate([truth_boxes, detection_boxes]))
    is_detection = torch.arange(len(boxes)) >= num
    objects, found = intersecting_pairs(boxes, torch.from_numpy(cells), is_detection.long())
    return found.numpy() - num, objects.numpy()


def _centres(boxes: NDArray[np.float64]) -> NDArray[np.float64]:
    return (boxes[:, :2] + boxes[:, 2:]) / 2


def _least(pairs: Candidates, least: float) -> Candidates:
    return pairs[pairs.likeness >= least]
