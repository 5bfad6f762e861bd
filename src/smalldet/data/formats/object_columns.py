"""Objects of a whole set as columns, and the records that they make."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from smalldet.data.formats import coco_masks
from smalldet.data.index import ImageRecord
from smalldet.geometry.oriented import canonical

logger = logging.getLogger(__name__)

MAX_PX = 1e7
"""No picture is so large; farther out, float32 would move corners."""
MAX_SHOWN = 5
# Half a pixel of rounding over the border is the labels' precision, not a mistake worth telling.
BORDER_TOLERANCE_PX = 0.5


@dataclass(frozen=True, eq=False)
class ObjectColumns:
    """N objects of P pictures in any order.

    Args:
        pictures: (N,) int64, 0 to P - 1.
        boxes: (N, 4) float64 xyxy pixels, not clipped.
        labels: (N,) int64.
        ignore: (N,) bool.
        difficult: (N,) bool.
        rboxes: (N, 5) oriented boxes in any form, or None.
        outlines: {row: ring of 2 * K numbers in pixels}, or None where outlines are not read.
        masks: (N, MASK_PX * MASK_PX / 8) uint8 in place of outlines, see `ImageRecord`, or None.
    """

    pictures: NDArray[np.int64]
    boxes: NDArray[np.float64]
    labels: NDArray[np.int64]
    ignore: NDArray[np.bool_]
    difficult: NDArray[np.bool_]
    rboxes: NDArray[np.floating] | None = None
    outlines: Mapping[int, NDArray[np.float64]] | None = None
    masks: NDArray[np.uint8] | None = None


def records_of(
    columns: ObjectColumns,
    pictures: Sequence[Path],
    sizes: NDArray[np.int64],
    where: Callable[[int], str],
    gsd_m: Sequence[float | None] | None = None,
) -> tuple[ImageRecord, ...]:
    """One record for each picture, with its objects in the order of the columns.

    Boxes are clipped to their pictures. Objects of which nothing lies in the picture, and those of
    no area, are left out, and a warning of this module's logger names them.

    Args:
        columns: N objects.
        pictures: P files.
        sizes: (P, 2) widths and heights.
        where: names the file and line of an object by its row.
        gsd_m: metres a pixel of each picture, where known.

    Raises:
        ValueError: a box is inverted or farther away than any picture is large; names the object.
    """
    _refuse(columns, where)
    limits = np.tile(sizes, 2).astype(np.float64)[columns.pictures].reshape(-1, 4)
    clipped = np.clip(columns.boxes, 0, limits)
    boxes = clipped.astype(np.float32)
    keep = (boxes[:, 2:] > boxes[:, :2]).all(axis=1)
    if columns.rboxes is not None:
        keep &= (columns.rboxes[:, 2:4].astype(np.float32) > 0).all(axis=1)
    tell_clipped(int((np.abs(clipped - columns.boxes) > BORDER_TOLERANCE_PX).any(axis=1).sum()))
    tell_without_area(np.flatnonzero(~keep), where)
    rows = np.flatnonzero(keep)
    rows = rows[np.argsort(columns.pictures[rows], kind="stable")]
    parts: dict[str, Any] = {
        "boxes": boxes[rows],
        "labels": columns.labels[rows],
        "ignore": columns.ignore[rows],
        "difficult": columns.difficult[rows],
    }
    if columns.rboxes is not None:
        # Rounded first, so that what is canonical in float32 already stays as it is.
        parts["rboxes"] = canonical(torch.from_numpy(columns.rboxes[rows]).float()).numpy()
    if columns.outlines is not None:
        parts["masks"] = _masks(columns.outlines, rows, boxes)
    if columns.masks is not None:
        parts["masks"] = columns.masks[rows]
    ends = np.cumsum(np.bincount(columns.pictures[rows], minlength=len(pictures))).tolist()
    starts = [0, *ends[:-1]]
    return tuple(
        ImageRecord(
            path=path,
            width=width,
            height=height,
            image_id=row + 1,
            gsd_m=None if gsd_m is None else gsd_m[row],
            **{name: column[starts[row] : ends[row]] for name, column in parts.items()},
        )
        for row, (path, (width, height)) in enumerate(zip(pictures, sizes.tolist(), strict=True))
    )


def tell_clipped(num: int) -> None:
    """Log how many boxes reached over their pictures' borders, if any did."""
    if num:
        logger.info("%d boxes left their pictures and were clipped", num)


def tell_without_area(rows: NDArray[np.int64], where: Callable[[int], str]) -> None:
    """Log which objects have no area in their pictures, if any."""
    if len(rows):
        shown = [where(int(row)) for row in rows[:MAX_SHOWN]]
        more = ["..."] if len(rows) > MAX_SHOWN else []
        logger.warning(
            "%d objects have no area in their picture and are left out:\n  %s",
            len(rows),
            "\n  ".join(shown + more),
        )


def corners_of(xywh: NDArray[np.float64]) -> NDArray[np.float64]:
    """Left, top, width, height (N, 4) to xyxy."""
    return np.concatenate([xywh[:, :2], xywh[:, :2] + xywh[:, 2:]], axis=1)


def upright(boxes: NDArray[np.float64]) -> NDArray[np.float64]:
    """Boxes (N, 4) xyxy as oriented ones (N, 5) that are not turned."""
    sides = boxes[:, 2:] - boxes[:, :2]
    return np.column_stack([(boxes[:, :2] + boxes[:, 2:]) / 2, sides, np.zeros(len(boxes))])


def _refuse(columns: ObjectColumns, where: Callable[[int], str]) -> None:
    boxes = columns.boxes
    far = ~(np.abs(boxes) <= MAX_PX).all(axis=1)
    if columns.rboxes is not None:
        far |= ~(np.abs(columns.rboxes) <= MAX_PX).all(axis=1)
    if far.any():
        raise ValueError(
            f"{where(int(far.argmax()))}: its numbers lie on no picture; pixels are below "
            f"{MAX_PX:.0f}{_and_more(int(far.sum()) - 1)}"
        )
    if columns.rboxes is not None and (columns.rboxes[:, 2:4] < 0).any():
        row = int((columns.rboxes[:, 2:4] < 0).any(axis=1).argmax())
        raise ValueError(f"{where(row)}: has a side below 0: {columns.rboxes[row, 2:4].tolist()}")
    inverted = (boxes[:, 2:] < boxes[:, :2]).any(axis=1)
    if inverted.any():
        row = int(inverted.argmax())
        raise ValueError(
            f"{where(row)}: its box runs from {boxes[row, :2].tolist()} to "
            f"{boxes[row, 2:].tolist()}; the second corner must be right of and below the first"
            f"{_and_more(int(inverted.sum()) - 1)}"
        )


def _and_more(num: int) -> str:
    return (
        f" ({num:,} more {'object has' if num == 1 else 'objects have'} this fault)" if num else ""
    )


def _masks(
    outlines: Mapping[int, NDArray[np.float64]],
    rows: NDArray[np.int64],
    boxes: NDArray[np.float32],
) -> NDArray[np.uint8]:
    entries: list[dict[str, Any]] = [
        {"id": row, "segmentation": [outlines[row].tolist()] if row in outlines else None}
        for row in rows.tolist()
    ]
    return coco_masks.grids(entries, boxes[rows])
