"""Pyramid: square tiles of a scene at every zoom, cut when they are asked for.

Level 0 shows the whole scene in one tile; each further level doubles the resolution, and the last
one shows the scene's own pixels. A large scene without overviews is read through once, for a small
picture of it from which the coarse levels are cut; it is kept in a file.
"""

from __future__ import annotations

import hashlib
import io
import math
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from smalldet.atomic_write import atomic_write
from smalldet.imagery import Scene
from smalldet.imagery.drawing import picture_of
from smalldet.imagery.rasters import open_dataset
from smalldet.inference.prediction_checkpoint import picture_fingerprint
from smalldet.serving.refusals import StoppedError

TILE_PX = 512
COARSE_PX = 4096
"""Longer side of the small picture: it takes 50 MB at most, and a tile of the next finer level
reads some 17 megapixels of a scene of 30,000 px a side."""
BAND_ROWS, NUM_THREADS = 64, 2
JPEG_QUALITY = 90
MAX_CROP_PX, MIN_CROP_PX = 1024, 8

Pixels = NDArray[np.uint8]


class Pyramid:
    """Tiles of a scene.

    Args:
        scene: read from several threads; it belongs to the pyramid.
        cache: folder for small pictures of scenes.
        stop: ends the making of one.
    """

    def __init__(self, scene: Scene, cache: Path, stop: threading.Event | None = None) -> None:
        self.scene, self._stop = scene, stop or threading.Event()
        longer_px = max(scene.width, scene.height)
        self.max_level = max(0, math.ceil(math.log2(longer_px / TILE_PX)))
        told = f"{picture_fingerprint(scene)} {scene.files} {scene.bands} {COARSE_PX}"
        self._file = cache / f"{hashlib.sha256(told.encode()).hexdigest()[:24]}.npy"
        self._coarse: Pixels | None = None
        self._making = threading.Lock()
        self._needs_coarse = longer_px > COARSE_PX and not _has_overviews(scene)

    def tile(self, level: int, column: int, row: int) -> Pixels:
        """Pixels (bands, TILE_PX, TILE_PX); black behind the scene's right and lower edges.

        Raises:
            KeyError: there is no such tile.
            ValueError: the file is damaged.
            StoppedError: the small picture was being made.
        """
        if not 0 <= level <= self.max_level or column < 0 or row < 0:
            raise KeyError
        step = 1 << (self.max_level - level)
        left, top = column * TILE_PX * step, row * TILE_PX * step
        if left >= self.scene.width or top >= self.scene.height:
            raise KeyError
        right = min(self.scene.width, left + TILE_PX * step)
        bottom = min(self.scene.height, top + TILE_PX * step)
        shape = (-(-(bottom - top) // step), -(-(right - left) // step))
        if self._is_coarse(level):
            self.prepare()
            pixels = self._from_coarse((left, top, right, bottom), shape)
        else:
            pixels = self.scene.read((left, top, right, bottom), shape)
        missing = ((0, 0), (0, TILE_PX - shape[0]), (0, TILE_PX - shape[1]))
        return np.pad(pixels, missing)

    def crop(self, x: float, y: float, side: int) -> tuple[Pixels, tuple[int, int]]:
        """Pixels (bands, h, w) around a point, as far as the scene goes, and their left top corner.

        Args:
            x, y: the middle, pixels of the scene.
            side: pixels.
        """
        side = min(MAX_CROP_PX, max(MIN_CROP_PX, side))
        left = min(max(0, round(x - side / 2)), max(0, self.scene.width - side))
        top = min(max(0, round(y - side / 2)), max(0, self.scene.height - side))
        right, bottom = min(self.scene.width, left + side), min(self.scene.height, top + side)
        return self.scene.read((left, top, right, bottom)), (left, top)

    def close(self) -> None:
        self.scene.close()

    def is_ready(self, level: int) -> bool:
        """Whether tiles of a level can be cut without reading the whole scene first."""
        return self._coarse is not None or not self._is_coarse(level)

    def prepare(self) -> None:
        """Make the small picture, or find it made.

        Raises:
            ValueError: the file is damaged.
            StoppedError: nobody waits for it any more.
        """
        with self._making:
            if self._coarse is None:
                if not self._file.is_file():
                    with atomic_write(self._file) as draft:
                        self._write_small(draft)
                self._coarse = np.load(self._file, mmap_mode="r", allow_pickle=False)

    def _is_coarse(self, level: int) -> bool:
        scale = COARSE_PX / max(self.scene.width, self.scene.height)
        return self._needs_coarse and 1 / (1 << max(0, self.max_level - level)) <= scale

    def _write_small(self, path: Path) -> None:
        """By bands of rows, some at a time, so that no part of the file is decoded twice."""
        scene = self.scene
        scale = COARSE_PX / max(scene.width, scene.height)
        height, width = max(1, round(scene.height * scale)), max(1, round(scene.width * scale))
        small = np.lib.format.open_memmap(
            path, mode="w+", dtype=np.uint8, shape=(scene.num_bands, height, width)
        )

        def fill(top: int) -> None:
            if self._stop.is_set():
                raise StoppedError
            bottom = min(height, top + BAND_ROWS)
            rows = round(top * scene.height / height), round(bottom * scene.height / height)
            window = (0, rows[0], scene.width, rows[1])
            small[:, top:bottom] = scene.read(window, (bottom - top, width))

        with ThreadPoolExecutor(NUM_THREADS, thread_name_prefix="overview") as pool:
            for _ in pool.map(fill, range(0, height, BAND_ROWS)):
                pass
        small.flush()

    def _from_coarse(self, window: tuple[int, int, int, int], shape: tuple[int, int]) -> Pixels:
        assert self._coarse is not None
        coarse = self._coarse
        height, width = coarse.shape[1:]
        x_scale, y_scale = width / self.scene.width, height / self.scene.height
        box = (
            window[0] * x_scale,
            window[1] * y_scale,
            min(width, window[2] * x_scale),
            min(height, window[3] * y_scale),
        )
        low, high = (math.floor(box[0]), math.floor(box[1])), (math.ceil(box[2]), math.ceil(box[3]))
        part = picture_of(np.asarray(coarse[:, low[1] : high[1], low[0] : high[0]]))
        inner = (box[0] - low[0], box[1] - low[1], box[2] - low[0], box[3] - low[1])
        scaled = part.resize((shape[1], shape[0]), Image.Resampling.BOX, box=inner)
        return np.moveaxis(np.asarray(scaled), 2, 0)


def encoded(pixels: Pixels, kind: str = "JPEG") -> bytes:
    """A picture file of pixels (bands, h, w): JPEG with colours at full resolution, or PNG."""
    content = io.BytesIO()
    options = {"quality": JPEG_QUALITY, "subsampling": 0} if kind == "JPEG" else {}
    picture_of(pixels).save(content, format=kind, **options)
    return content.getvalue()


def _has_overviews(scene: Scene) -> bool:
    """Whether the scene's file holds smaller copies of itself, down to the small picture's size."""
    if len(scene.files) != 1:
        return False
    try:
        with open_dataset(scene.files[0], driver=scene.options.driver) as dataset:
            factors = dataset.overviews(1)
    except ValueError:
        return False
    wanted = max(scene.width, scene.height) / COARSE_PX
    return bool(factors) and max(factors) >= wanted / 2
