"""What results say of shapes beside their boxes: oriented boxes and masks."""

from __future__ import annotations

import mmap
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import hotcoco
import numpy as np
import torch
from numpy.typing import NDArray

from smalldet.data.formats import coco_masks
from smalldet.data.formats.coco_checks import MAX_PX
from smalldet.data.formats.coco_oriented import four_corners
from smalldet.data.formats.corners import MAX_TURN, smallest_rboxes
from smalldet.data.index import MASK_PX, ImageRecord
from smalldet.geometry.oriented import enclosing_boxes

Entry = dict[str, Any]

NUMBERS = {int, float}


def holds_masks(path: Path) -> bool:
    """Whether a file has run-length codes, so that it is worth while to read outlines of labels.

    One that is not there or empty has none: reading it tells what is wrong.
    """
    if not path.is_file() or not path.stat().st_size:
        return False
    with (
        path.open("rb") as file,
        mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content,
    ):
        return content.find(b'"counts"') >= 0


def box_of(entry: Entry) -> list[float] | None:
    """Left, top, width, height: its `bbox`, or what encloses its `rbbox` or run-length code."""
    box, rbox, code = (entry.get(key) for key in ("bbox", "rbbox", "segmentation"))
    if box is not None:
        return box if _are_numbers(box, 4) else None
    if _are_numbers(rbox, 5):
        x1, y1, x2, y2 = enclosing_boxes(torch.tensor(rbox, dtype=torch.float64)).tolist()
        return [x1, y1, x2 - x1, y2 - y1]
    if isinstance(code, dict):
        try:
            return hotcoco.mask.to_bbox(code).tolist()
        except (KeyError, TypeError, ValueError, OverflowError):
            return None
    return None


def oriented_boxes(
    entries: Sequence[Entry], boxes: NDArray[np.float64]
) -> NDArray[np.float64] | None:
    """Oriented boxes of results, told as those of COCO labels are; see `coco_oriented`.

    Args:
        entries: N results.
        boxes: (N, 4) left, top, width, height: of results without an oriented box among others that
            have one.

    Returns:
        (N, 5), NaN where what is given is no oriented box; None where no result has one.
    """
    if any("rbbox" in entry for entry in entries):
        upright = [boxes[:, :2] + boxes[:, 2:] / 2, boxes[:, 2:], np.zeros((len(boxes), 1))]
        rboxes = np.concatenate(upright, axis=1)
        rows = [row for row, entry in enumerate(entries) if "rbbox" in entry]
        given = [entries[row]["rbbox"] for row in rows]
        rboxes[rows] = [rbox if _are_numbers(rbox, 5) else [np.nan] * 5 for rbox in given]
    else:
        corners = [four_corners(entry) for entry in entries]
        quads = [quad for quad in corners if quad is not None]
        if not quads or len(quads) < len(entries):
            return None
        rboxes = smallest_rboxes(np.array(quads, dtype=np.float64)).astype(np.float64)
    sound = (np.abs(rboxes) <= MAX_PX).all(axis=1) & (rboxes[:, 2:4] >= 0).all(axis=1)
    sound &= np.abs(rboxes[:, 4]) <= MAX_TURN  # more is degrees
    rboxes[~sound] = np.nan
    return rboxes


def mask_grids(
    entries: Sequence[Entry], boxes: NDArray[np.float64], pictures: Sequence[ImageRecord]
) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """Masks of results on grids that fill their boxes.

    Args:
        entries: N results.
        boxes: (N, 4) left, top, width, height.
        pictures: that each lies in.

    Returns:
        (N, MASK_PX, MASK_PX) uint8, 255 where the object is, and (N,) bool, whether there is a
        run-length code of the picture.
    """
    grids = np.zeros((len(entries), MASK_PX, MASK_PX), dtype=np.uint8)
    known = np.zeros(len(entries), dtype=np.bool_)
    corners = np.concatenate([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], axis=1)
    for row, (entry, picture) in enumerate(zip(entries, pictures, strict=True)):
        code = entry.get("segmentation")
        if not isinstance(code, dict) or code.get("size") != [picture.height, picture.width]:
            continue
        try:
            bits = coco_masks.grids([entry], corners[[row]].astype(np.float32))
        except ValueError:
            continue
        grids[row] = 255 * np.unpackbits(bits).reshape(MASK_PX, MASK_PX)
        known[row] = True
    return grids, known


def _are_numbers(values: Any, num: int) -> bool:
    return isinstance(values, list) and len(values) == num and NUMBERS.issuperset(map(type, values))
