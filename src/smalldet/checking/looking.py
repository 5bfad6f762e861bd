"""Looking at every picture of a set once: whether it can be read, its size, a small copy of it."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from smalldet.imagery import open_scene
from smalldet.imagery.drawing import picture_of
from smalldet.imagery.ground import Ground
from smalldet.imagery.scene import Scene

THUMB_PX = 16
# Larger pictures are read in windows of this side: all of them, since damage may lie anywhere.
WINDOW_PX = 4096
OVERVIEW_PX = 512


@dataclass(frozen=True, eq=False)
class Look:
    """What a file shows.

    Attributes:
        error: why it cannot be read; the rest is empty then.
        width: pixels.
        height: pixels.
        thumb: (THUMB_PX, THUMB_PX) uint8, the whole picture in grey.
        plain: all its pixels are equal.
        gsd_m: metres a pixel by its georeference, if it has one.
    """

    error: str | None = None
    width: int = 0
    height: int = 0
    thumb: NDArray[np.uint8] | None = None
    plain: bool = False
    gsd_m: float | None = None


def look_at_all(
    paths: Sequence[Path], on_progress: Callable[[int, int], None] | None = None
) -> Mapping[Path, Look]:
    """What each file shows; several are read at once.

    Args:
        paths: may name a file more than once; it is read once.
        on_progress: called with files done and all.
    """
    files = list(dict.fromkeys(paths))
    looks: dict[Path, Look] = {}
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for path, seen in zip(files, pool.map(look_at, files), strict=True):
            looks[path] = seen
            if on_progress is not None:
                on_progress(len(looks), len(files))
    return looks


def look_at(path: Path) -> Look:
    """What a file shows; every pixel of it is decoded."""
    try:
        with open_scene(path) as scene:
            return _seen(path, scene)
    except (OSError, ValueError) as error:
        return Look(error=str(error).removeprefix(f"{path}: "))


def _seen(path: Path, scene: Scene) -> Look:
    width, height = scene.width, scene.height
    gsd_m = None
    if scene.crs is not None and scene.transform is not None:
        gsd_m = Ground(path, width, height, scene.crs, scene.transform).gsd_m()
    lowest, highest = 255, 0
    pixels = np.zeros((3, 1, 1), dtype=np.uint8)
    for top in range(0, height, WINDOW_PX):
        for left in range(0, width, WINDOW_PX):
            right, bottom = min(left + WINDOW_PX, width), min(top + WINDOW_PX, height)
            pixels = scene.read((left, top, right, bottom))
            lowest, highest = min(lowest, int(pixels.min())), max(highest, int(pixels.max()))
    if max(width, height) > WINDOW_PX:
        pixels = scene.read_overview(OVERVIEW_PX)[0]
    small = picture_of(pixels).resize((THUMB_PX, THUMB_PX), Image.Resampling.BOX).convert("L")
    return Look(None, width, height, np.asarray(small), lowest == highest, gsd_m)
