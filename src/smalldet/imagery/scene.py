"""Scene: a picture of any size, read by windows as 8 bit pixels."""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
from affine import Affine
from numpy.typing import ArrayLike, NDArray
from PIL import Image
from rasterio.crs import CRS

from smalldet.imagery.files import open_file
from smalldet.imagery.gsd import UNKNOWN, Gsd, find_gsd
from smalldet.imagery.pixels import Mask, Pixels, Raw, Window, array_pixels, pil_pixels
from smalldet.imagery.stretch import Stretch, measured_stretch

STRETCH_SAMPLE_PX = 1024

Source = str | os.PathLike[str] | NDArray[np.generic] | Image.Image


class Scene:
    """A picture of any size. Reads may come from several threads.

    Args:
        pixels: its raw values.
        name: the file, or what the picture is.
        bands: bands to read, from 1 as in GDAL. Without them the first three that are not alpha,
            or a grey picture's one band three times.
        stretch: how other than 8 bit values become 8 bit; measured over the whole scene if None.
        crs: coordinate system of the map, or None.
        transform: from pixels to the map, or None.

    Raises:
        ValueError: the picture does not have these bands, or the stretch is for other bands.
    """

    def __init__(
        self,
        pixels: Pixels,
        name: str,
        bands: Sequence[int] | None = None,
        stretch: Stretch | None = None,
        crs: CRS | None = None,
        transform: Affine | None = None,
    ) -> None:
        self.name, self.crs, self.transform = name, crs, transform
        self.width, self.height = pixels.width, pixels.height
        self._pixels = pixels
        self.bands = _chosen_bands(pixels, name, bands)
        self.num_bands = len(self.bands)
        if stretch is not None and len(stretch.low) != self.num_bands:
            raise ValueError(f"{name}: {self.num_bands} bands but a stretch of {len(stretch.low)}")
        self._stretch = stretch
        self._measuring = threading.Lock()

    @property
    def georeferenced(self) -> bool:
        """True where pixels have a place on a map."""
        return self.crs is not None and self.transform is not None

    @cached_property
    def gsd(self) -> Gsd:
        """Metres on the ground for a pixel, as the file or what is beside it says.

        Raises:
            ValueError: what stands beside it says no positive number.
        """
        return find_gsd(self.name, self.width, self.height, self.crs, self.transform)

    @property
    def stretch(self) -> Stretch | None:
        """The scene's one stretch; None where 8 bit pixels are taken as they are."""
        if self._pixels.dtype == np.uint8:
            return None
        with self._measuring:
            if self._stretch is None:
                self._stretch = measured_stretch(*self._scaled(STRETCH_SAMPLE_PX, smooth=False))
            return self._stretch

    def read(self, window: Window, shape: tuple[int, int] | None = None) -> NDArray[np.uint8]:
        """Pixels (num_bands, h, w) of a window x1, y1, x2, y2.

        Those without data are 0, but for 8 bit files that mark them by a colour, such as white:
        that colour is kept, as it can be in the picture too.

        Args:
            window: part of the scene.
            shape: (h, w) to scale to, smoothly; as it is without.

        Raises:
            ValueError: the window leaves the scene, or the file is damaged.
        """
        self._check(window)
        return self._finished(*self._pixels.read(self.bands, window, shape, smooth=True))

    def read_data(
        self, window: Window, shape: tuple[int, int] | None = None
    ) -> NDArray[np.uint8] | None:
        """As `read`, but None where no pixel of the window holds data.

        Those that a sparse TIFF does not store are no data, whatever value stands for them.
        """
        self._check(window)
        if not self.has_data([window])[0]:
            return None
        values, mask = self._pixels.read(self.bands, window, shape, smooth=True)
        return None if mask is not None and not mask.any() else self._finished(values, mask)

    def valid(self, window: Window) -> bool:
        """False where no pixel of the window holds data."""
        self._check(window)
        if not self.has_data([window])[0]:
            return False
        if self._pixels.all_valid:
            return True
        mask = self._pixels.read(self.bands, window)[1]
        return mask is None or bool(mask.any())

    def has_data(self, windows: ArrayLike) -> NDArray[np.bool_]:
        """For windows (T, 4) xyxy in the scene: False where the file stores nothing of them.

        A sparse TIFF tells it by its index of blocks, without a look at pixels, for millions of
        windows at once. True says nothing: what is stored may be without data too.
        """
        return self._pixels.has_data(np.asarray(windows, dtype=np.int64).reshape(-1, 4))

    def read_overview(self, max_side_px: int) -> tuple[NDArray[np.uint8], float]:
        """The whole scene (num_bands, h, w) scaled down to `max_side_px` on its longer side.

        Returns:
            the pixels, and their scale: pixels of the overview for one of the scene, at most 1.
        """
        scaled = self._finished(*self._scaled(max_side_px, smooth=True))
        return scaled, min(1.0, max_side_px / max(self.width, self.height))

    def close(self) -> None:
        self._pixels.close()

    def __enter__(self) -> Scene:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _check(self, window: Window) -> None:
        x1, y1, x2, y2 = window
        if not (0 <= x1 < x2 <= self.width and 0 <= y1 < y2 <= self.height):
            raise ValueError(f"{self.name}: {window} leaves {self.width} x {self.height} px")

    def _scaled(self, max_side_px: int, smooth: bool) -> tuple[Raw, Mask | None]:
        scale = min(1.0, max_side_px / max(self.width, self.height))
        shape = max(1, round(self.height * scale)), max(1, round(self.width * scale))
        whole = (0, 0, self.width, self.height)
        return self._pixels.read(self.bands, whole, shape, smooth)

    def _finished(self, values: Raw, mask: Mask | None) -> NDArray[np.uint8]:
        stretch = self.stretch
        pixels = values if stretch is None else stretch.apply(values)
        if mask is not None and not (stretch is None and self._pixels.empty_is_colour):
            pixels[:, ~mask] = 0
        return pixels


def _chosen_bands(pixels: Pixels, name: str, bands: Sequence[int] | None) -> tuple[int, ...]:
    if bands is None:
        colours = [b for b in range(1, pixels.num_bands + 1) if b != pixels.alpha_band]
        colours = colours or [1]
        return tuple(colours[:3]) if len(colours) >= 3 else (colours[0],) * 3
    wrong = [band for band in bands if not 1 <= band <= pixels.num_bands]
    if wrong or not bands:
        raise ValueError(f"{name}: has bands 1 to {pixels.num_bands}; asked for {list(bands)}")
    return tuple(bands)


def open_scene(
    source: Source,
    bands: Sequence[int] | None = None,
    stretch: Stretch | None = None,
    gsd: Gsd | None = None,
) -> Scene:
    """Open a picture as a Scene.

    Args:
        source: a path or URL that GDAL knows (GeoTIFF, COG, JPEG, PNG, /vsicurl/..., s3://...),
            an array (H, W) or (H, W, bands), or a PIL picture.
        bands: bands to read, counted from 1: (4, 3, 2). The first three without.
        stretch: how other than 8 bit values become 8 bit; measured over the whole scene without.
        gsd: its ground sample distance, where somebody else knows it.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is not a picture, is damaged, or does not have these bands.
    """
    scene = _opened(source, bands, stretch)
    if gsd is not None:
        scene.gsd = gsd
    elif isinstance(source, np.ndarray | Image.Image):
        scene.gsd = UNKNOWN  # its name is no file's
    return scene


def _opened(source: Source, bands: Sequence[int] | None, stretch: Stretch | None) -> Scene:
    if isinstance(source, np.ndarray):
        return Scene(array_pixels(source), "array", bands, stretch)
    if isinstance(source, Image.Image):
        return Scene(pil_pixels(source), "PIL picture", bands, stretch)
    name = source if isinstance(source, str) else str(Path(source))
    opened = open_file(name)
    try:
        return Scene(opened.pixels, name, bands, stretch, opened.crs, opened.transform)
    except ValueError:
        opened.pixels.close()
        raise
