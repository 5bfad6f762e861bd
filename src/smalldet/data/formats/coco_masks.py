"""Outlines of COCO annotations, polygons and run-length codes, as grids that fill the boxes."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from smalldet.data.index import MASK_PX

FINER = 2  # polygons are drawn on a grid so much finer, and a cell counts from half on


def grids(annotations: Sequence[dict[str, Any]], boxes: NDArray[np.float32]) -> NDArray[np.uint8]:
    """What each annotation's `segmentation` fills of its box, as `ImageRecord.masks` has it.

    Args:
        annotations: N entries.
        boxes: (N, 4) xyxy, their boxes, clipped to the picture.

    Returns:
        (N, MASK_PX * MASK_PX / 8) uint8, packed bits; no bit set without a segmentation.

    Raises:
        ValueError: a segmentation is neither polygons nor a run-length code; names the annotation.
    """
    packed = np.zeros((len(annotations), MASK_PX * MASK_PX // 8), dtype=np.uint8)
    for row, (entry, box) in enumerate(zip(annotations, boxes.tolist(), strict=True)):
        shape = entry.get("segmentation")
        if not shape or box[2] <= box[0] or box[3] <= box[1]:
            continue
        try:
            grid = _of_runs(shape, box) if isinstance(shape, dict) else _of_polygons(shape, box)
        except (KeyError, TypeError, ValueError, IndexError) as error:
            raise ValueError(
                f"annotation {entry.get('id')}: its segmentation is neither polygons nor a "
                f"run-length code: {error}"
            ) from None
        packed[row] = np.packbits(grid)
    return packed


def _of_polygons(polygons: Sequence[Sequence[float]], box: Sequence[float]) -> NDArray[np.bool_]:
    side = MASK_PX * FINER
    x1, y1, x2, y2 = box
    canvas = Image.new("1", (side, side))
    draw = ImageDraw.Draw(canvas)
    for polygon in polygons:
        points = np.asarray(polygon, dtype=np.float64).reshape(-1, 2)
        if len(points) < 3:
            raise ValueError(f"a polygon of {len(points)} points")
        # Pillow counts from the middles of pixels
        cells = (points - (x1, y1)) / (x2 - x1, y2 - y1) * side - 0.5
        draw.polygon(cells.ravel().tolist(), fill=1)
    drawn = np.asarray(canvas, dtype=np.uint8).reshape(MASK_PX, FINER, MASK_PX, FINER)
    return drawn.sum(axis=(1, 3)) * 2 >= FINER**2


def _of_runs(code: dict[str, Any], box: Sequence[float]) -> NDArray[np.bool_]:
    """The pixels under the middles of the cells; runs go down the columns, zeros first."""
    height, width = (int(n) for n in code["size"])
    counts = code["counts"]
    runs = np.asarray(_uncompressed(counts) if isinstance(counts, str) else counts, np.int64)
    if (runs < 0).any() or runs.sum() != height * width:
        raise ValueError(f"runs of {int(runs.sum())} pixels for {width} x {height}")
    ends = np.cumsum(runs)
    x1, y1, x2, y2 = box
    middles = (np.arange(MASK_PX) + 0.5) / MASK_PX
    columns = np.clip((x1 + middles * (x2 - x1)).astype(np.int64), 0, width - 1)
    rows = np.clip((y1 + middles * (y2 - y1)).astype(np.int64), 0, height - 1)
    places = columns[None, :] * height + rows[:, None]
    return np.searchsorted(ends, places, side="right") % 2 == 1


def _uncompressed(text: str) -> list[int]:
    """Runs from COCO's text: five bits a character, low ones first, and from the third run on the
    difference to the run before the last. Source: `rleFrString` of pycocotools."""
    if not re.fullmatch(r"[0-o]*", text):
        raise ValueError("characters that no run-length code has")
    runs: list[int] = []
    value = shift = 0
    for character in text:
        bits = ord(character) - 48
        value |= (bits & 31) << shift
        shift += 5
        if bits & 32:
            continue
        if bits & 16:
            value -= 1 << shift
        runs.append(value + (runs[-2] if len(runs) > 2 else 0))
        value = shift = 0
    return runs
