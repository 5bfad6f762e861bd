"""Scene: a picture of any size, read by windows as 8 bit pixels."""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image

from smalldet.config.imagery import USUAL, ImageryOptions
from smalldet.imagery.files import Opened, open_file, open_mosaic
from smalldet.imagery.gsd import UNKNOWN, Gsd, find_gsd
from smalldet.imagery.mosaics import Mosaic
from smalldet.imagery.pixels import Mask, Pixels, Raw, Window, array_pixels, pil_pixels
from smalldet.imagery.places import NOWHERE, Place
from smalldet.imagery.rasters import RasterPixels
from smalldet.imagery.stretch import USUAL_LIMITS, Stretch, StretchLimits, measured_stretch
from smalldet.imagery.untagged_nodata import Untagged, untagged_nodata

STRETCH_SAMPLE_PX = 1024

Source = str | os.PathLike[str] | NDArray[np.generic] | Image.Image | Mosaic


class Scene:
    """A picture of any size. Reads may come from several threads.

    Args:
        pixels: its raw values.
        name: the file, or what the picture is.
        bands: bands to read, from 1 as in GDAL. Without them red, green and blue where the file
            names them, else the first three that are not alpha, or a grey picture's one band three
            times.
        stretch: how values become 8 bit; without it 8 bit ones stay as they are, and others are
            brought between the usual limits, measured over the whole scene. Limits that are given
            hold for 8 bit too.
        place: where on earth it lies.

    `remarks` are what a person should know of how it is read, `options` how that is, and `files`
    what it is read from.

    Raises:
        ValueError: the picture does not have these bands, or the stretch is for other bands.
    """

    def __init__(
        self,
        pixels: Pixels,
        name: str,
        bands: Sequence[int] | None = None,
        stretch: Stretch | StretchLimits | None = None,
        place: Place = NOWHERE,
    ) -> None:
        self.name, self.crs, self.transform = name, place.crs, place.transform
        self.remarks: tuple[str, ...] = ()
        self.options: ImageryOptions = USUAL
        self.files: tuple[str, ...] = (name,)
        self.width, self.height = pixels.width, pixels.height
        self._pixels = pixels
        self.bands = _chosen_bands(pixels, name, bands)
        self.num_bands = len(self.bands)
        if isinstance(stretch, Stretch) and len(stretch.low) != self.num_bands:
            raise ValueError(f"{name}: {self.num_bands} bands but a stretch of {len(stretch.low)}")
        self._stretch = stretch
        self._measuring = threading.Lock()
        self._sample: tuple[Raw, Mask | None] | None = None

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
        if self._stretch is None and self._pixels.dtype == np.uint8:
            return None
        with self._measuring:
            if not isinstance(self._stretch, Stretch):
                sample = self._sample or self._scaled(STRETCH_SAMPLE_PX, smooth=False)
                self._stretch = measured_stretch(*sample, self._stretch or USUAL_LIMITS)
                self._sample = None
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

    def mask(self, window: Window) -> Mask:
        """Which pixels (h, w) of a window hold data."""
        self._check(window)
        x1, y1, x2, y2 = window
        if not self.has_data([window])[0]:
            return np.zeros((y2 - y1, x2 - x1), dtype=np.bool_)
        mask = None if self._pixels.all_valid else self._pixels.read(self.bands, window)[1]
        return np.ones((y2 - y1, x2 - x1), dtype=np.bool_) if mask is None else mask

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

    def untagged_nodata(self) -> Untagged | None:
        """The value that marks pixels without data in a file that does not say so, if there is."""
        pixels = self._pixels
        if not isinstance(pixels, RasterPixels) or pixels.says_nodata or pixels.dtype.itemsize == 1:
            return None
        self._sample = self._scaled(STRETCH_SAMPLE_PX, smooth=False)
        return untagged_nodata(self._sample[0])

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
        if pixels.colour_bands is not None:
            return pixels.colour_bands
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
    options: ImageryOptions = USUAL,
    gsd: Gsd | None = None,
) -> Scene:
    """Open a picture as a Scene.

    Args:
        source: a path or URL that GDAL knows (GeoTIFF, COG, JPEG, PNG, /vsicurl/..., s3://...),
            files that are one scene, an array (H, W) or (H, W, bands), or a PIL picture.
        bands: bands to read, counted from 1: (4, 3, 2); else those of `options`, or colours.
        stretch: how values become 8 bit; else what `options` say.
        options: how files are read.
        gsd: its ground sample distance, where somebody else knows it.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is not a picture, is damaged, or does not have these bands.
    """
    scene = _opened(source, bands, stretch, options)
    if gsd is not None:
        scene.gsd = gsd
    elif isinstance(source, np.ndarray | Image.Image):
        scene.gsd = UNKNOWN  # its name is no file's
    return scene


def _opened(
    source: Source,
    bands: Sequence[int] | None,
    stretch: Stretch | None,
    options: ImageryOptions,
) -> Scene:
    bands = (options.bands or None) if bands is None else bands
    scaled = stretch or options.limits
    if isinstance(source, np.ndarray):
        return Scene(array_pixels(source), "array", bands, scaled)
    if isinstance(source, Image.Image):
        return Scene(pil_pixels(source), "PIL picture", bands, scaled)
    if isinstance(source, Mosaic):
        name, opened = source.name, open_mosaic(source, options)
    else:
        name = source if isinstance(source, str) else str(Path(source))
        opened = open_file(name, options)
    try:
        scene = Scene(opened.pixels, name, bands, scaled, opened.place)
        untagged = scene.untagged_nodata() if options.nodata is None else None
    except ValueError:
        opened.pixels.close()
        raise
    if untagged is not None:
        scene.close()
        scene = open_scene(
            source, bands, stretch, options.model_copy(update={"nodata": untagged.value})
        )
        scene.remarks += (
            f"{untagged.value:g} fills {untagged.frac:.0%} of it and is taken as no data; "
            "--nodata names another value",
        )
        return scene
    scene.options = options
    scene.remarks = (*opened.remarks, *_remark_on_bands(opened, bands, scene.bands))
    if isinstance(source, Mosaic):
        scene.files = tuple(part.path for part in source.parts)
    return scene


def _remark_on_bands(
    opened: Opened, asked: Sequence[int] | None, bands: tuple[int, ...]
) -> tuple[str, ...]:
    pixels = opened.pixels
    num = pixels.num_bands - (pixels.alpha_band is not None)
    if asked or num <= 3:
        return ()
    listed = " ".join(map(str, bands))
    if pixels.colour_bands is None:
        return (
            f"does not name the colours of its {num} bands; {listed} are taken as red, green and "
            "blue, and --bands chooses others",
        )
    return () if bands == (1, 2, 3) else (f"bands {listed} are red, green and blue, as it says",)
