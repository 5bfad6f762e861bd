"""Pixels: where a scene's raw values come from, and those that lie in memory."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageOps

Window = tuple[int, int, int, int]
"""Part of a scene: x1, y1, x2, y2 in whole pixels, x2 and y2 outside."""

BAND_PX = 1 << 22
"""Pixels of a picture that are copied together."""

Raw = NDArray[Any]
Mask = NDArray[np.bool_]


class Pixels(Protocol):
    """Raw values of a picture, band by band; reads may come from several threads."""

    @property
    def width(self) -> int: ...
    @property
    def height(self) -> int: ...
    @property
    def num_bands(self) -> int: ...
    @property
    def dtype(self) -> np.dtype[Any]: ...
    @property
    def alpha_band(self) -> int | None:
        """The band, from 1, that tells the mask and is no colour."""
        ...

    @property
    def colour_bands(self) -> tuple[int, int, int] | None:
        """The bands, from 1, that are red, green and blue, where the file says so."""
        ...

    @property
    def all_valid(self) -> bool:
        """True where no pixel can be without data."""
        ...

    @property
    def empty_is_colour(self) -> bool:
        """True where a colour that data can have too, such as 8 bit white, marks empty pixels."""
        ...

    def has_data(self, windows: NDArray[np.int64]) -> NDArray[np.bool_]:
        """(T,) bool for windows (T, 4): False where a file's own index lists no pixels at all."""
        ...

    def read(
        self,
        bands: Sequence[int],
        window: Window,
        shape: tuple[int, int] | None = None,
        smooth: bool = False,
    ) -> tuple[Raw, Mask | None]:
        """Values (B, h, w) of bands counted from 1, and which pixels (h, w) hold data.

        Args:
            bands: bands counted from 1.
            window: part of the picture.
            shape: (h, w) to scale to; as it is without.
            smooth: average where pixels are joined and interpolate where they are spread; else
                the nearest is taken.
        """
        ...

    def close(self) -> None: ...


class ArrayPixels:
    """Pixels in memory.

    Args:
        values: (H, W, B) of any real dtype.
        mask: (H, W) bool, which pixels hold data; None if all do.
    """

    alpha_band: int | None = None
    colour_bands: tuple[int, int, int] | None = None
    empty_is_colour = False

    def __init__(self, values: Raw, mask: Mask | None = None) -> None:
        self._values = values
        if mask is None and values.dtype.kind == "f":
            mask = np.asarray(np.isfinite(values).any(axis=2))
        self._mask = None if mask is None or bool(mask.all()) else mask
        self.height, self.width, self.num_bands = values.shape
        self.dtype = values.dtype

    @property
    def all_valid(self) -> bool:
        return self._mask is None

    def has_data(self, windows: NDArray[np.int64]) -> NDArray[np.bool_]:
        return np.ones(len(windows), dtype=np.bool_)

    def without(self, nodata: float) -> ArrayPixels:
        """These pixels, where those that hold `nodata` in every band are without data."""
        mask = np.asarray((self._values != nodata).any(axis=2))
        return ArrayPixels(self._values, mask if self._mask is None else mask & self._mask)

    def read(
        self,
        bands: Sequence[int],
        window: Window,
        shape: tuple[int, int] | None = None,
        smooth: bool = False,
    ) -> tuple[Raw, Mask | None]:
        x1, y1, x2, y2 = window
        layers = [self._values[y1:y2, x1:x2, band - 1] for band in bands]
        mask = None if self._mask is None else self._mask[y1:y2, x1:x2]
        if shape is None or shape == (y2 - y1, x2 - x1):
            return np.stack(layers), mask
        rows = np.linspace(0, y2 - y1, shape[0], endpoint=False).astype(int)
        columns = np.linspace(0, x2 - x1, shape[1], endpoint=False).astype(int)
        grid = np.ix_(rows, columns)
        scaled = [_smoothed(layer, shape) if smooth else layer[grid] for layer in layers]
        return np.stack(scaled), None if mask is None else mask[grid]

    def close(self) -> None:
        """Nothing is open."""


def _smoothed(layer: Raw, shape: tuple[int, int]) -> Raw:
    """(H, W) scaled down to `shape` by the mean of what falls together, or up by interpolation."""
    values = layer if layer.dtype == np.uint8 else layer.astype(np.float32)
    picture = Image.fromarray(np.ascontiguousarray(values))
    shrinks = shape[0] * shape[1] <= layer.size
    how = Image.Resampling.BOX if shrinks else Image.Resampling.BILINEAR
    return np.asarray(picture.resize((shape[1], shape[0]), how)).astype(layer.dtype)


def array_pixels(array: Raw) -> ArrayPixels:
    """Pixels of an (H, W) or (H, W, B) array; all bands are colours, none is taken as alpha.

    Raises:
        ValueError: another shape, an empty picture, bands first, or values that are not real.
    """
    values = array[:, :, None] if array.ndim == 2 else array
    if values.ndim != 3 or 0 in values.shape:
        raise ValueError(f"an array picture must be (H, W) or (H, W, bands), not {array.shape}")
    if values.shape[0] <= 4 < 16 < values.shape[2]:
        raise ValueError(f"array of shape {array.shape} has its bands first; move them last")
    if values.dtype == np.bool_:
        return ArrayPixels(values.astype(np.uint8) * 255)
    if values.dtype.kind not in "uif":
        raise ValueError(f"an array picture must hold numbers, not {values.dtype}")
    return ArrayPixels(values)


def pil_pixels(image: Image.Image, upright: bool = True) -> ArrayPixels:
    """Pixels of a PIL picture: palettes become colours, alpha becomes the mask.

    Args:
        image: the picture; its pixels are decoded here.
        upright: turn it as its EXIF orientation says.
    """
    if upright:
        image = ImageOps.exif_transpose(image) if _turned(image) else image
    if "transparency" in image.info and image.mode in ("1", "L", "P", "RGB"):
        return _colours_and_mask(image, "RGBA")
    if image.mode in ("RGBA", "LA"):
        return _colours_and_mask(image, image.mode)
    if image.mode in ("PA", "La", "RGBa"):
        return pil_pixels(image.convert("RGBA"), upright=False)
    if image.mode == "1":
        return array_pixels(_in_bands(image, "L"))
    if image.mode not in ("L", "RGB", "I", "F") and not image.mode.startswith("I;16"):
        return array_pixels(_in_bands(image, "RGB"))
    values = _in_bands(image, image.mode)
    return array_pixels(values.astype(values.dtype.newbyteorder("="), copy=False))


def _turned(image: Image.Image) -> bool:
    return image.getexif().get(ExifTags.Base.Orientation, 1) not in (0, 1)


def _colours_and_mask(image: Image.Image, mode: str) -> ArrayPixels:
    values = _in_bands(image, mode)
    return ArrayPixels(values[..., :-1], values[..., -1] > 0)


def _in_bands(image: Image.Image, mode: str) -> Raw:
    """Values of a PIL picture in a mode, copied some rows at a time.

    Pillow would otherwise hold two more copies of all of it.
    """
    rows = max(1, BAND_PX // image.width)
    if rows >= image.height:
        return np.asarray(image if image.mode == mode else image.convert(mode))
    whole: Raw | None = None
    for top in range(0, image.height, rows):
        end = min(top + rows, image.height)
        band = image.crop((0, top, image.width, end))
        values = np.asarray(band if band.mode == mode else band.convert(mode))
        if whole is None:
            whole = np.empty((image.height, *values.shape[1:]), values.dtype)
        whole[top:end] = values
    assert whole is not None  # a picture has a row
    return whole
