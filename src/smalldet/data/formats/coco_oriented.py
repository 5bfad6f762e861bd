"""Oriented boxes of COCO annotations: `rbbox`, or a segmentation of four corners.

`rbbox` = [cx, cy, w, h, angle], the angle in radians, clockwise on the screen, is read wherever it
stands. Sets like DOTA's have corners alone: there all segmentations are one ring of four points.
Among polygons of other numbers of points, four are an outline like any other and no oriented box.
"""

from __future__ import annotations

import logging
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from smalldet.data.formats.coco_checks import MAX_PX, Entry
from smalldet.data.formats.corners import (
    MISREADINGS,
    Where,
    misread,
    rboxes_round,
    refuse_degrees,
    smallest_rboxes,
    telling,
)
from smalldet.data.formats.number_lists import is_number
from smalldet.geometry.oriented import canonical
from smalldet.geometry.rotated import rotated_iou

logger = logging.getLogger(__name__)

MIN_TELLING = 10
SAME_IOU = 0.8


def oriented_boxes(
    annotations: list[Entry], boxes: NDArray[np.float64], where: Where
) -> NDArray[np.float32] | None:
    """(N, 5) oriented boxes in the one form of `geometry.oriented`; None where a set has none.

    An object without one in a set that has some is its upright box.

    Args:
        annotations: N checked annotations.
        boxes: (N, 4) xyxy pixels.
        where: names an annotation by its row, for messages.

    Raises:
        ValueError: four corners have no area, or lie farther away than any picture is large; an
            angle is in degrees; `rbbox` and four corners of the same objects are not the same
            boxes. Names the annotation.
    """
    told = [row for row, a in enumerate(annotations) if "rbbox" in a]
    fours = [four_corners(a) for a in annotations]
    if told:
        given = np.array([annotations[row]["rbbox"] for row in told], dtype=np.float64)
        refuse_degrees(given[:, 4], lambda row: where(told[row]))
        both = [place for place, row in enumerate(told) if fours[row] is not None]
        corners = np.array([fours[told[place]] for place in both], dtype=np.float64)
        _refuse_other_boxes(
            given[both], corners.reshape(-1, 8), where(told[both[0]] if both else 0)
        )
        sides = boxes[:, 2:] - boxes[:, :2]
        rboxes = np.column_stack([(boxes[:, :2] + boxes[:, 2:]) / 2, sides, np.zeros(len(boxes))])
        rboxes[told] = given
        return canonical(canonical(torch.from_numpy(rboxes)).float()).numpy()
    objects = [row for row, a in enumerate(annotations) if not a.get("iscrowd")]
    others = [row for row in objects if fours[row] is None]
    if others or not objects:
        _tell_few_others(len(objects), others, where)
        return None
    upright = boxes[:, [0, 1, 2, 1, 2, 3, 0, 3]].tolist()
    corners = np.array(
        [four or box for four, box in zip(fours, upright, strict=True)], dtype=np.float64
    )
    rboxes = rboxes_round(corners, where)
    wrong = ~((np.abs(corners) <= MAX_PX).all(axis=1) & (rboxes[:, 2:4] > 0).all(axis=1))
    if wrong.any():
        row = int(wrong.argmax())
        raise ValueError(
            f"{where(row)}: its corners {corners[row].tolist()} span no oriented box of a picture"
        )
    return rboxes


def four_corners(annotation: Entry) -> list[float] | None:
    """x1, y1 to x4, y4 where the segmentation is one ring of four points."""
    rings: Any = annotation.get("segmentation")
    if isinstance(rings, list) and len(rings) == 1 and isinstance(rings[0], list):
        ring = rings[0]
        if len(ring) == 8 and all(map(is_number, ring)):
            return ring
    return None


def _refuse_other_boxes(
    given: NDArray[np.float64], corners: NDArray[np.float64], first: str
) -> None:
    """`rbbox` (K, 5) and corners (K, 8) of the same objects must be the same boxes."""
    drawn = smallest_rboxes(corners).astype(np.float64)
    rows = np.flatnonzero(telling(drawn) & (np.abs(corners) <= MAX_PX).all(axis=1))
    if len(rows) < MIN_TELLING:
        return
    wanted = torch.from_numpy(drawn[rows])

    def fit(rboxes: NDArray[np.float64]) -> float:
        return float(rotated_iou(torch.from_numpy(rboxes[rows]), wanted).median())

    if fit(given) >= SAME_IOU:
        return
    fits = {why: fit(misread(given, why)) for why in MISREADINGS}
    best = max(fits, key=fits.__getitem__)
    why = f"the angles seem to {best}" if fits[best] >= SAME_IOU else "they are other boxes"
    raise ValueError(
        f"{first} and others: rbbox is not the four corners of segmentation: {why}; correct rbbox "
        "(radians, clockwise on the screen, of the side w), or leave it out for the corners"
    )


def _tell_few_others(num_objects: int, others: list[int], where: Where) -> None:
    """A set of oriented boxes with a polygon of three or five corners has none any more."""
    num_fours = num_objects - len(others)
    if num_fours > len(others):
        logger.warning(
            "%d of %d objects have four corners, but %s has not: all are taken for outlines, and "
            "there are no oriented boxes",
            num_fours,
            num_objects,
            where(others[0]),
        )
