"""Outlines of COCO annotations, polygons and run-length codes, as grids that fill the boxes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import hotcoco
import numpy as np
import shapely
from numpy.typing import NDArray

from smalldet.data.formats.coco_checks import MAX_PX
from smalldet.data.formats.mask_outlines import filled, in_cells
from smalldet.data.index import MASK_PX


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
        except (KeyError, TypeError, ValueError, IndexError, OverflowError) as error:
            raise ValueError(
                f"annotation {entry.get('id')}: its segmentation is neither polygons nor a "
                f"run-length code: {error}"
            ) from None
        packed[row] = np.packbits(grid)
    return packed


def _of_polygons(polygons: Sequence[Sequence[float]], box: Sequence[float]) -> NDArray[np.uint8]:
    shapes: list[Any] = []
    for polygon in polygons:
        points = np.asarray(polygon, dtype=np.float64).reshape(-1, 2)
        if len(points) < 3:
            raise ValueError(f"a polygon of {len(points)} points")
        if not (np.abs(points) <= MAX_PX).all():
            raise ValueError("a polygon that lies on no picture")
        cells = in_cells(points, np.asarray(box, dtype=np.float64))
        shapes.append(shapely.polygons(cells))
    return filled(shapes)


def _of_runs(code: dict[str, Any], box: Sequence[float]) -> NDArray[np.bool_]:
    """The pixels under the middles of the cells."""
    height, width = (int(n) for n in code["size"])
    counts = code["counts"]
    runs = counts if isinstance(counts, str) else [int(n) for n in counts]
    _check_runs(runs, height, width)
    pixels = hotcoco.mask.decode({"size": [height, width], "counts": runs})
    x1, y1, x2, y2 = box
    middles = (np.arange(MASK_PX) + 0.5) / MASK_PX
    columns = np.clip((x1 + middles * (x2 - x1)).astype(np.int64), 0, width - 1)
    rows = np.clip((y1 + middles * (y2 - y1)).astype(np.int64), 0, height - 1)
    return pixels[rows[:, None], columns] == 1


def _check_runs(runs: str | list[int], height: int, width: int) -> None:
    """Raise ValueError unless the runs fill the picture.

    hotcoco refuses runs that go beyond a picture and fills up those that end before. A code that
    fits into a picture of one pixel less is too short.
    """
    if min(height, width) < 1:
        raise ValueError(f"a picture of {width} x {height}")
    one_less: dict[str, Any] = {"size": [height * width - 1, 1], "counts": runs}
    try:
        hotcoco.mask.area(one_less)
    except ValueError:
        return
    raise ValueError(f"runs that end before the picture of {width} x {height} does")
