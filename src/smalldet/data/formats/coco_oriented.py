"""Oriented boxes of COCO annotations: `rbbox`, or a segmentation of four corners.

`rbbox` = [cx, cy, w, h, angle], the angle in radians, clockwise on the screen, is read wherever it
stands. Sets like DOTA's have corners alone: there all segmentations are one ring of four points.
Among polygons of other numbers of points, four are an outline like any other and no oriented box.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from smalldet.data.formats.coco_checks import MAX_PX, Entry
from smalldet.data.formats.number_lists import is_number
from smalldet.geometry.oriented import canonical, quads_to_rboxes


def oriented_boxes(
    annotations: list[Entry], boxes: NDArray[np.float64]
) -> NDArray[np.float32] | None:
    """(N, 5) oriented boxes in the one form of `geometry.oriented`; None where a set has none.

    An object without one in a set that has some is its upright box.

    Args:
        annotations: N checked annotations.
        boxes: (N, 4) xyxy pixels.

    Raises:
        ValueError: four corners have no area, or lie farther away than any picture is large; names
            the annotation.
    """
    if any("rbbox" in a for a in annotations):
        sides = boxes[:, 2:] - boxes[:, :2]
        rboxes = np.column_stack([(boxes[:, :2] + boxes[:, 2:]) / 2, sides, np.zeros(len(boxes))])
        rows = [row for row, a in enumerate(annotations) if "rbbox" in a]
        rboxes[rows] = [annotations[row]["rbbox"] for row in rows]
        return canonical(canonical(torch.from_numpy(rboxes)).float()).numpy()
    quads = [four_corners(a) for a in annotations if not a.get("iscrowd")]
    if not quads or any(quad is None for quad in quads):
        return None
    upright = boxes[:, [0, 1, 2, 1, 2, 3, 0, 3]]
    pairs = zip(annotations, upright.tolist(), strict=True)
    quads = [four_corners(annotation) or box for annotation, box in pairs]
    corners = np.array(quads, dtype=np.float64)
    rboxes = rboxes_of_quads(corners)
    wrong = ~((np.abs(corners) <= MAX_PX).all(axis=1) & (rboxes[:, 2:4] > 0).all(axis=1))
    if wrong.any():
        row = int(wrong.argmax())
        raise ValueError(
            f"annotation {annotations[row].get('id')}: its corners {corners[row].tolist()} span no "
            "oriented box of a picture"
        )
    return rboxes


def rboxes_of_quads(corners: NDArray[np.float64]) -> NDArray[np.float32]:
    """Corners (N, 8), x1 y1 to x4 y4, to oriented boxes (N, 5) float32: the smallest round each."""
    quads = torch.from_numpy(corners.reshape(-1, 4, 2))
    return canonical(quads_to_rboxes(quads).float()).numpy()


def four_corners(annotation: Entry) -> list[float] | None:
    """x1, y1 to x4, y4 where the segmentation is one ring of four points."""
    rings: Any = annotation.get("segmentation")
    if isinstance(rings, list) and len(rings) == 1 and isinstance(rings[0], list):
        ring = rings[0]
        if len(ring) == 8 and all(map(is_number, ring)):
            return ring
    return None
