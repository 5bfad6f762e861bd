"""Cuts: small parts of many pictures as JPEGs in their own pixels; a script draws boxes on them."""

from __future__ import annotations

import base64
import io
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from smalldet.imagery import Scene, open_scene
from smalldet.imagery.drawing import picture_of

JPEG_QUALITY = 82
MOST_PX = 192
"""Longer sides are shrunk to this."""


def cut(
    pictures: Sequence[Path], rows: NDArray[np.int64], windows: NDArray[np.int64]
) -> list[str | None]:
    """The windows as JPEGs in base64, in their order; None of a picture that cannot be read.

    Args:
        pictures: files.
        rows: (N,) row of the picture of each window; each picture is opened once.
        windows: (N, 4) xyxy pixels within the picture.
    """
    cuts: list[str | None] = [None] * len(rows)
    order = np.argsort(rows, kind="stable")
    groups = np.split(order, np.flatnonzero(np.diff(rows[order])) + 1) if len(rows) else []

    def of_picture(group: NDArray[np.int64]) -> None:
        try:
            with open_scene(pictures[int(rows[group[0]])]) as scene:
                for row in group.tolist():
                    cuts[row] = _jpeg(scene, windows[row].tolist())
        except (OSError, ValueError):
            return

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(of_picture, groups))
    return cuts


def _jpeg(scene: Scene, window: list[int]) -> str:
    x1, y1, x2, y2 = window
    scale = min(1.0, MOST_PX / max(x2 - x1, y2 - y1, 1))
    shape = None
    if scale < 1:
        shape = max(1, round((y2 - y1) * scale)), max(1, round((x2 - x1) * scale))
    image: Image.Image = picture_of(scene.read((x1, y1, x2, y2), shape))
    file = io.BytesIO()
    # where a crop will be enlarged, colours of single pixels stay
    image.save(file, "JPEG", quality=JPEG_QUALITY, subsampling=0 if scale == 1 else 2)
    return base64.b64encode(file.getvalue()).decode("ascii")
