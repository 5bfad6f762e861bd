"""Pictures: pixels of labelled files, decoded once and kept while there is room."""

from __future__ import annotations

import os
from collections import OrderedDict
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from smalldet.data.index import ImageRecord
from smalldet.imagery import Scene, open_scene

PAD_VALUE = 114

# A picture that would take more than this part of the cache is read window by window instead.
LARGEST_CACHED_FRAC = 0.25
NUM_OPEN_SCENES = 4


class Pictures:
    """Reads windows of pictures; the last ones used stay decoded in memory.

    Every worker process has its own: what is cached does not travel to another process.

    Args:
        cache_mb: memory for decoded pictures, in MiB.
    """

    def __init__(self, cache_mb: float = 512) -> None:
        self.cache_mb = cache_mb
        self._forget()

    def _forget(self) -> None:
        self._pid = os.getpid()
        self._decoded: OrderedDict[Path, NDArray[np.uint8]] = OrderedDict()
        self._num_bytes = 0
        self._scenes: OrderedDict[Path, Scene] = OrderedDict()

    def __getstate__(self) -> dict[str, float]:
        return {"cache_mb": self.cache_mb}

    def __setstate__(self, state: dict[str, float]) -> None:
        self.cache_mb = state["cache_mb"]
        self._forget()

    def read(self, record: ImageRecord, window: tuple[int, int, int, int]) -> NDArray[np.uint8]:
        """Pixels of a window, grey where it reaches over the border.

        Args:
            record: the picture.
            window: xyxy in pixels of the picture; may leave it.

        Returns:
            (height, width, bands) uint8 with 1 band if the picture is grey, else 3.

        Raises:
            FileNotFoundError: the file does not exist.
            ValueError: the file is damaged, or its size is not the one in the labels; names it.
        """
        x0, y0, x1, y1 = window
        inner = (max(x0, 0), max(y0, 0), min(x1, record.width), min(y1, record.height))
        ix0, iy0, ix1, iy1 = inner
        if ix1 <= ix0 or iy1 <= iy0:
            return np.full((y1 - y0, x1 - x0, 1), PAD_VALUE, dtype=np.uint8)
        pixels = self._inside(record, inner)
        if inner == window:
            return pixels
        padded = np.full((y1 - y0, x1 - x0, pixels.shape[2]), PAD_VALUE, dtype=np.uint8)
        padded[iy0 - y0 : iy1 - y0, ix0 - x0 : ix1 - x0] = pixels
        return padded

    def _inside(self, record: ImageRecord, window: tuple[int, int, int, int]) -> NDArray[np.uint8]:
        if self._pid != os.getpid():  # an open file must not be shared with the parent of a fork
            self._forget()
        x0, y0, x1, y1 = window
        budget = self.cache_mb * 2**20
        if record.width * record.height * 3 > budget * LARGEST_CACHED_FRAC:
            return _pixels(self._scene(record), window)
        if record.path in self._decoded:
            self._decoded.move_to_end(record.path)
            return self._decoded[record.path][y0:y1, x0:x1]
        with _opened(record) as scene:
            picture = _pixels(scene, (0, 0, record.width, record.height))
        self._decoded[record.path] = picture
        self._num_bytes += picture.nbytes
        while self._num_bytes > budget:
            self._num_bytes -= self._decoded.popitem(last=False)[1].nbytes
        return picture[y0:y1, x0:x1]

    def _scene(self, record: ImageRecord) -> Scene:
        if record.path not in self._scenes:
            self._scenes[record.path] = _opened(record)
            if len(self._scenes) > NUM_OPEN_SCENES:
                self._scenes.popitem(last=False)[1].close()
        self._scenes.move_to_end(record.path)
        return self._scenes[record.path]


def _opened(record: ImageRecord) -> Scene:
    scene = open_scene(record.path)
    if (scene.width, scene.height) != (record.width, record.height):
        scene.close()
        raise ValueError(
            f"{record.path}: is {scene.width}x{scene.height} pixels, but its labels were made for "
            f"{record.width}x{record.height}"
        )
    return scene


def _pixels(scene: Scene, window: tuple[int, int, int, int]) -> NDArray[np.uint8]:
    """(h, w, 1 or 3): a grey picture's equal bands are kept once."""
    bands = scene.read(window)
    # A few rows tell nearly every coloured picture without looking at all of it.
    rows = bands[:, :: max(bands.shape[1] // 8, 1)]
    grey = all(np.array_equal(rows[0], band) for band in rows[1:]) and all(
        np.array_equal(bands[0], band) for band in bands[1:]
    )
    if grey:
        return bands[0, :, :, None]
    pixels = np.empty((*bands.shape[1:], len(bands)), dtype=np.uint8)
    for band, values in enumerate(bands):  # several times as fast as a transposed copy
        pixels[:, :, band] = values
    return pixels
