"""Size ranges: which objects count as tiny."""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import pairwise
from types import MappingProxyType
from typing import Literal

SizeRanges = Mapping[str, tuple[float, float]]
"""{name: (low, high)}: an object is of the range whose low <= side < high holds it.

The side is the square root of the area of its box, pixels or metres.
"""
SizeUnit = Literal["px", "m"]

SIZE_RANGES_PX: SizeRanges = MappingProxyType(
    {
        "very_tiny": (0.0, 8.0),
        "tiny": (8.0, 16.0),
        "small": (16.0, 32.0),
        "medium": (32.0, 96.0),
        "large": (96.0, math.inf),
    }
)

PUBLISHED_PX: Mapping[str, SizeRanges] = MappingProxyType(
    {
        "default": SIZE_RANGES_PX,
        "coco": {"small": (0.0, 32.0), "medium": (32.0, 96.0), "large": (96.0, math.inf)},
        # Its toolkit's, github.com/jwwangchn/cocoapi-aitod; the paper ends at 2 and 64 px.
        "aitod": {
            "very_tiny": (0.0, 8.0),
            "tiny": (8.0, 16.0),
            "small": (16.0, 32.0),
            "medium": (32.0, math.inf),
        },
        # Its toolkit's, github.com/ucas-vg/TinyBenchmark; the paper names 2 px as the lower end.
        "tinyperson": {
            "tiny": (1.0, 20.0),
            "tiny1": (1.0, 8.0),
            "tiny2": (8.0, 12.0),
            "tiny3": (12.0, 20.0),
            "small": (20.0, 32.0),
            "reasonable": (32.0, math.inf),
        },
        # Cheng et al. 2023, arXiv 2207.14096, table 1: areas up to 144, 400, 1024 and 2000 px.
        "soda": {
            "extremely_small": (0.0, 12.0),
            "relatively_small": (12.0, 20.0),
            "generally_small": (20.0, 32.0),
            "normal": (32.0, math.sqrt(2000)),
        },
    }
)
"""The ranges of benchmarks by name."""


def read_sizes(text: str) -> tuple[SizeRanges, SizeUnit]:
    """Size ranges as a person writes them.

    Args:
        text: a name of `PUBLISHED_PX`, or rising edges: `0,8,16` has the ranges 0-8, 8-16 and
            16 and more in pixels, `0,2,4m` in metres; named by their edges: `0_8`, `16_up`.

    Raises:
        ValueError: no such name, or the edges do not rise.
    """
    name = text.strip().lower()
    if name in PUBLISHED_PX:
        return PUBLISHED_PX[name], "px"
    unit: SizeUnit = "m" if name.endswith("m") else "px"
    try:
        edges = [float(word) for word in name.removesuffix(unit).split(",")]
    except ValueError:
        known = ", ".join(PUBLISHED_PX)
        raise ValueError(
            f"sizes {text!r}: give {known}, or edges such as 0,8,16,32 (pixels) or 0,2,4m (metres)"
        ) from None
    if not all(math.isfinite(edge) for edge in edges) or edges[0] < 0:
        raise ValueError(f"sizes {text!r}: edges must be numbers of 0 or more")
    if any(low >= high for low, high in pairwise(edges)):
        raise ValueError(f"sizes {text!r}: edges must rise")
    spans = pairwise([*edges, math.inf])
    return {_span_name(low, high): (low, high) for low, high in spans}, unit


def span_text(low: float, high: float) -> str:
    """A range of sides in words: `8-16`, `96+`."""
    return f"{low:.3g}+" if math.isinf(high) else f"{low:.3g}-{high:.3g}"


def _span_name(low: float, high: float) -> str:
    return f"{low:g}_up" if math.isinf(high) else f"{low:g}_{high:g}"
