"""What objects are counted in, as a person names it: `grid:100m`, `h3:9` or a file."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

GRID, CELLS = re.compile(r"grid:([0-9.]+)(m|km|px)"), re.compile(r"h3:([0-9]+)")
METRES_OF = {"m": 1.0, "km": 1000.0}
MIN_SIDE, MAX_SIDE, MAX_RESOLUTION = 0.01, 1e7, 15


@dataclass(frozen=True)
class Grid:
    """Squares of one side.

    Args:
        side: in metres on the ground, or pixels.
        pixels: which of the two.
    """

    side: float
    pixels: bool


@dataclass(frozen=True)
class Cells:
    """Cells of H3, by their resolution from 0 to 15; https://h3geo.org/docs/core-library/restable."""

    resolution: int


@dataclass(frozen=True)
class ZoneFile:
    """Polygons of a vector file."""

    path: Path


ZoneKind = Grid | Cells | ZoneFile


def parse_zones(text: str) -> ZoneKind:
    """What a text names.

    Raises:
        ValueError: it begins as a grid or H3 does and goes on otherwise; gives examples.
    """
    if match := CELLS.fullmatch(text):
        resolution = int(match[1])
        if resolution > MAX_RESOLUTION:
            raise ValueError(f"{text}: resolutions of H3 go from 0 to {MAX_RESOLUTION}")
        return Cells(resolution)
    if match := GRID.fullmatch(text):
        try:
            side = float(match[1]) * METRES_OF.get(match[2], 1.0)
        except ValueError:
            side = 0.0
        if not MIN_SIDE <= side <= MAX_SIDE:
            raise ValueError(f"{text}: the side must lie from {MIN_SIDE:g} to {MAX_SIDE:g}")
        return Grid(side, match[2] == "px")
    if text.startswith(("grid:", "h3:")):
        raise ValueError(f"{text!r} is none of grid:100m, grid:1km, grid:256px and h3:9")
    return ZoneFile(Path(text))
