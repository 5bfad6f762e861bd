"""Names of pictures that tell a place in a larger scene."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence

import numpy as np

# DOTA's `P0003__1__512___1024`; the far corner too, as `scene_0_512_640_1152`; and `scene_0_512`,
# `scene-x512-y0`, `scene_r03_c01`.
NAMES = (
    re.compile(r"^(?P<scene>.+?)__[\d.]+__(?P<x>\d+)___(?P<y>\d+)$"),
    re.compile(r"^(?P<scene>.+?)[_-](?P<x>\d+)[_-](?P<y>\d+)[_-](?P<x2>\d+)[_-](?P<y2>\d+)$"),
    re.compile(r"^(?P<scene>.+?)[_-](?:[a-z]+)?(?P<x>\d+)[_-](?:[a-z]+)?(?P<y>\d+)$", re.I),
)
MIN_TILES = 4
MIN_A_LINE = 1.5
"""Tiles in each column and each line, on the mean: a grid has neighbours in both directions."""
MIN_STRIDE_PX = 16


def scenes_of(stems: Sequence[str]) -> dict[str, list[int]]:
    """{scene: rows of the names that are its tiles}, of scenes whose places fill a grid.

    Clips and dates number their pictures too: places must begin at 0 or 1 and go on without a
    gap, or be wide strides apart, in both directions.
    """
    places: dict[str, dict[tuple[int, int], list[int]]] = defaultdict(lambda: defaultdict(list))
    for row, stem in enumerate(stems):
        scene, place = _place(stem) or ("", (0, 0))
        if scene:
            places[scene][place].append(row)
    scenes: dict[str, list[int]] = {}
    for scene, tiles in places.items():
        columns, lines = ({place[axis] for place in tiles} for axis in (0, 1))
        enough = max(MIN_TILES, MIN_A_LINE * max(len(columns), len(lines)))
        if len(tiles) >= enough and _is_axis(columns) and _is_axis(lines):
            scenes[scene] = [row for rows in tiles.values() for row in rows]
    return scenes


def _place(stem: str) -> tuple[str, tuple[int, int]] | None:
    for name in NAMES:
        found = name.match(stem)
        if found is None:
            continue
        parts = found.groupdict()
        x, y = int(parts["x"]), int(parts["y"])
        if "x2" not in parts or (int(parts["x2"]) > x and int(parts["y2"]) > y):
            return parts["scene"], (x, y)
    return None


def _is_axis(places: set[int]) -> bool:
    """Whether numbers are steps of a grid; the last tile of a line may be shifted."""
    strides = np.diff(sorted(places))
    if not len(strides):
        return False
    counted = min(places) <= 1 and int(strides.max()) == 1
    return counted or float(np.median(strides)) >= MIN_STRIDE_PX
