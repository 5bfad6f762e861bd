"""Size ranges: which objects count as tiny."""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import MappingProxyType

SizeRanges = Mapping[str, tuple[float, float]]
"""{name: (low, high)}: an object is of the range whose low <= side < high holds it, pixels.

The side is the square root of the area of its box.
"""

SIZE_RANGES_PX: SizeRanges = MappingProxyType(
    {
        "very_tiny": (0.0, 8.0),
        "tiny": (8.0, 16.0),
        "small": (16.0, 32.0),
        "medium": (32.0, 96.0),
        "large": (96.0, math.inf),
    }
)


def span_text(low: float, high: float) -> str:
    """A range of sides in words: `8-16`, `96+`."""
    return f"{low:g}+" if math.isinf(high) else f"{low:g}-{high:g}"
