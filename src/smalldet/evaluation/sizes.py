"""Areas of objects, and the ranges that they fall in: ours by the side, and COCO's."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from smalldet.evaluation.size_ranges import SIZE_RANGES_PX, SizeRanges

# COCO's own ranges, closed at both ends as pycocotools has them.
_MAX_AREA = 1e10
COCO_AREA_RANGES: dict[str, tuple[float, float]] = {
    "small": (0.0, 32.0**2),
    "medium": (32.0**2, 96.0**2),
    "large": (96.0**2, _MAX_AREA),
}
ALL_AREAS: tuple[float, float] = (0.0, _MAX_AREA)


def closed_area_range(low_px: float, high_px: float) -> tuple[float, float]:
    """The half-open range of sides as the closed range of areas that COCO evaluation takes.

    Without a bound above it is the largest float, never COCO's 1e10: hotcoco keeps the results of
    only one of two equal ranges, and both `large` are asked for in one run.
    """
    return low_px**2, float(np.nextafter(high_px**2, 0.0))


def rounded_areas(boxes_xyxy: NDArray[np.float64]) -> NDArray[np.float64]:
    """Box areas that tell their size range.

    Sides are rounded to a hundredth of a pixel first: corners are float32, so that an object of
    exactly 8 px far from the origin measures 7.9995, and would change its range with its place.

    Args:
        boxes_xyxy: (N, 4) pixels.

    Returns:
        (N,) square pixels; a box turned inside out has none.
    """
    width_height = np.maximum(boxes_xyxy[:, 2:] - boxes_xyxy[:, :2], 0.0).round(2)
    return width_height[:, 0] * width_height[:, 1]


def is_within(areas: NDArray[np.float64], span: tuple[float, float]) -> NDArray[np.bool_]:
    """(N,) bool, low <= side < high, of areas in squares of the unit of the span."""
    return (areas >= span[0] ** 2) & (areas < span[1] ** 2)


def counts_by_size(
    areas: NDArray[np.float64], sizes: SizeRanges = SIZE_RANGES_PX
) -> dict[str, int]:
    """How many objects of each size range there are, and of `all`."""
    counts = {"all": len(areas)}
    for name, span in sizes.items():
        counts[name] = int(is_within(areas, span).sum())
    return counts
