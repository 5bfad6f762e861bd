"""Pixels of raster files, read by windows through rasterio."""

from __future__ import annotations

import os
import threading
import warnings
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio._err import CPLE_BaseError
from rasterio.enums import ColorInterp, MaskFlags, Resampling
from rasterio.env import get_gdal_config, set_gdal_config
from rasterio.errors import NotGeoreferencedWarning, RasterioError
from rasterio.io import DatasetReader
from rasterio.windows import Window as RasterWindow

from smalldet.imagery.bands import Colours
from smalldet.imagery.pixels import Mask, Raw, Window
from smalldet.imagery.remote import is_remote
from smalldet.imagery.tiff_blocks import TiffBlocks

# GDAL would keep decoded blocks in a twentieth of the machine's memory. This holds the rows of
# 640 px tiles of a striped RGB scene 250,000 px wide.
BLOCK_CACHE_BYTES = 512 << 20

# Each handle keeps the places of all blocks; those of a scene of 10^12 px take 60 MB.
DIRECTORIES_BYTES, BYTES_PER_BLOCK = 128 << 20, 16

# A larger window of a sparse file is looked at in parts, of so many pixels a side in the result.
SPARSE_PX, SPARSE_CELLS = 1 << 26, 16
PARTS, ENDS = slice(None, -1), slice(1, None)

GDAL_ERRORS = (RasterioError, CPLE_BaseError)
"""What rasterio raises; not all that GDAL says is made one of its own errors."""

filtering = threading.Lock()
"""Filters of warnings belong to the process: who changes them holds this."""


@contextmanager
def ignoring(category: type[Warning]) -> Generator[None]:
    """Without one kind of warning. Filters belong to the process, so threads take turns."""
    with filtering, warnings.catch_warnings():
        warnings.simplefilter("ignore", category)
        yield


@contextmanager
def damage_named(path: str) -> Generator[None]:
    """What GDAL says of an open file becomes a ValueError that names it.

    GDAL may find a fault where something else is asked for: a broken coordinate system shows when
    the colours are read.
    """
    try:
        yield
    except GDAL_ERRORS as error:
        reason = error.__cause__ or error
        raise ValueError(f"{path}: is damaged or cut short: {reason}") from error


def open_dataset(path: str, name: str | None = None, driver: str | None = None) -> DatasetReader:
    """Open anything that GDAL can name: a file, a URL, /vsicurl/, s3://.

    Args:
        path: what GDAL opens.
        name: what errors call it, where `path` is the text of a virtual raster.
        driver: the one of GDAL's drivers that may open it; any if None.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is a folder, is empty, is no picture, or its name is no UTF-8.
    """
    _bound_block_cache()
    try:
        with ignoring(NotGeoreferencedWarning):  # most pictures lie on no map
            dataset = rasterio.open(path, driver=driver)
    except GDAL_ERRORS as error:
        raise _explained(name or path, error) from error
    except UnicodeEncodeError as error:
        raise ValueError(
            f"{name or path}: its name is not UTF-8, as GDAL takes names; rename the file, for "
            "example by convmv"
        ) from error
    if dataset.count == 0:
        parts = ", ".join(dataset.subdatasets[:4]) or "it has none"
        dataset.close()
        raise ValueError(f"{path}: holds no picture itself; name one of its parts: {parts}")
    if np.dtype(dataset.dtypes[0]).kind not in "uif":
        raise ValueError(f"{path}: holds {dataset.dtypes[0]} values, which make no picture")
    return dataset


def _bound_block_cache() -> None:
    """Keep GDAL's cache, one for the process, within bounds that the user did not set."""
    if "GDAL_CACHEMAX" not in os.environ and get_gdal_config("GDAL_CACHEMAX") > BLOCK_CACHE_BYTES:
        set_gdal_config("GDAL_CACHEMAX", BLOCK_CACHE_BYTES)


def _explained(path: str, error: Exception) -> Exception:
    if is_remote(path):
        return ValueError(f"{path}: cannot be read: {error}")
    file = Path(path)
    if not file.exists():
        return FileNotFoundError(f"{path}: no such file")
    if file.is_dir():
        return ValueError(f"{path}: is a folder, not a picture")
    if file.stat().st_size == 0:
        return ValueError(f"{path}: is an empty file")
    return ValueError(f"{path}: cannot be read as a picture: {error}")


class RasterPixels:
    """Pixels of a raster file. A palette's colours stand in for its one band.

    GDAL allows one thread at a time in a handle, so each read takes one from a pool. A striped
    file has one: its strips reach over many tiles, and each handle would decode them all again.

    Args:
        path: what `dataset` was opened from.
        dataset: the first handle; it belongs to the pool from now on.
        name: what errors call it; `path` without.
        max_handles: reads that may run at once.
        blocks: which of its blocks hold pixels, where some do not.
        colour_bands: which of its bands are red, green and blue, where it says so.
        ignores_alpha: what it marks as alpha is a band as any other.
        driver: the one of GDAL's drivers that may open it again; any if None.
    """

    def __init__(
        self,
        path: str,
        dataset: DatasetReader,
        name: str | None = None,
        max_handles: int = 16,
        blocks: TiffBlocks | None = None,
        colour_bands: Colours | None = None,
        ignores_alpha: bool = False,
        driver: str | None = None,
    ) -> None:
        self._path, self._name, self._driver = path, name or path, driver
        self.colour_bands = colour_bands
        self._blocks = blocks
        self._free = [dataset]
        striped = all(columns >= dataset.width for _, columns in dataset.block_shapes)
        rows, columns = dataset.block_shapes[0]
        num_blocks = -(-dataset.height // rows) * -(-dataset.width // columns)
        most = max(1, DIRECTORIES_BYTES // (num_blocks * BYTES_PER_BLOCK))
        self._slots = threading.Semaphore(1 if striped else min(max_handles, most))
        self._closed = False
        self.width, self.height = dataset.width, dataset.height
        self.num_bands = dataset.count
        self.dtype = np.dtype(dataset.dtypes[0])
        colours = dataset.colorinterp
        alpha = ColorInterp.alpha
        has_alpha = alpha in colours and not ignores_alpha
        self.alpha_band = colours.index(alpha) + 1 if has_alpha else None
        self._palette: NDArray[np.uint8] | None = None
        if colours[0] is ColorInterp.palette and self.dtype == np.uint8:
            table = dataset.colormap(1)
            self._palette = np.array([table.get(i, (0, 0, 0, 0)) for i in range(256)], np.uint8)
            self.num_bands = 3
        flags = {flag for band in dataset.mask_flag_enums for flag in band}
        self._nodata = dataset.nodatavals if MaskFlags.nodata in flags else None
        if ignores_alpha:
            flags = flags - {MaskFlags.alpha, MaskFlags.per_dataset} or {MaskFlags.all_valid}
        self._has_mask = MaskFlags.per_dataset in flags or MaskFlags.alpha in flags
        self.all_valid = flags == {MaskFlags.all_valid} and self._palette is None
        self.all_valid &= self.dtype.kind != "f"
        self.empty_is_colour = self._nodata is not None and self.dtype == np.uint8
        self.says_nodata = self._nodata is not None or self._has_mask

    @contextmanager
    def _handle(self) -> Generator[DatasetReader]:
        with self._slots:
            if self._closed:
                raise ValueError(f"{self._name}: is closed")
            try:
                handle = self._free.pop()
            except IndexError:
                handle = open_dataset(self._path, self._name, self._driver)
            try:
                with damage_named(self._name):
                    yield handle
            finally:
                self._free.append(handle)
                if self._closed:
                    self.close()

    def has_data(self, windows: NDArray[np.int64]) -> NDArray[np.bool_]:
        if self._blocks is None:
            return np.ones(len(windows), dtype=np.bool_)
        return self._blocks.any_in(windows)

    def read(
        self,
        bands: Sequence[int],
        window: Window,
        shape: tuple[int, int] | None = None,
        smooth: bool = False,
    ) -> tuple[Raw, Mask | None]:
        x1, y1, x2, y2 = window
        width, height = x2 - x1, y2 - y1
        if self._blocks is None or shape is None or width * height <= SPARSE_PX:
            return self._read(bands, window, shape, smooth)
        if shape[0] > height or shape[1] > width:
            return self._read(bands, window, shape, smooth)
        return self._read_sparse(bands, window, shape, smooth)

    def _read_sparse(
        self, bands: Sequence[int], window: Window, shape: tuple[int, int], smooth: bool
    ) -> tuple[Raw, Mask | None]:
        """As `_read` of a large window scaled down, without a visit to parts that hold nothing."""
        x1, y1, x2, y2 = window
        rows, columns = (
            np.unique(np.linspace(0, n, -(-n // SPARSE_CELLS) + 1, dtype=np.int64)) for n in shape
        )
        top = y1 + rows * (y2 - y1) // shape[0]
        left = x1 + columns * (x2 - x1) // shape[1]
        corners = [np.stack(np.meshgrid(left[k], top[k]), axis=-1) for k in (PARTS, ENDS)]
        parts = np.concatenate(corners, axis=-1)
        filled = self.has_data(parts.reshape(-1, 4)).reshape(parts.shape[:2])
        values: Raw | None = None
        mask = np.ones(shape, dtype=np.bool_)
        for row, column in (*np.argwhere(~filled)[:1], *np.argwhere(filled)):
            px1, py1, px2, py2 = parts[row, column].tolist()
            empty = not filled[row, column]
            part = (px1, py1, px1 + 1, py1 + 1) if empty else (px1, py1, px2, py2)
            to = (slice(rows[row], rows[row + 1]), slice(columns[column], columns[column + 1]))
            size = (int(rows[row + 1] - rows[row]), int(columns[column + 1] - columns[column]))
            found, known = self._read(bands, part, (1, 1) if empty else size, smooth)
            if values is None:
                values = np.zeros((len(found), *shape), dtype=found.dtype)
            if empty:  # the first one stands for all
                values[:], to = found, (slice(None), slice(None))
            else:
                values[:, *to] = found
            mask[to] = True if known is None else known
        assert values is not None  # there is at least one part
        return values, None if mask.all() else mask

    def _read(
        self,
        bands: Sequence[int],
        window: Window,
        shape: tuple[int, int] | None,
        smooth: bool,
    ) -> tuple[Raw, Mask | None]:
        x1, y1, x2, y2 = window
        part = RasterWindow(x1, y1, x2 - x1, y2 - y1)  # pyright: ignore[reportCallIssue]
        size = shape or (y2 - y1, x2 - x1)
        how = Resampling.nearest
        if smooth and self._palette is None:  # the mean of two colour numbers is no colour
            shrinks = size[0] * size[1] <= (y2 - y1) * (x2 - x1)
            how = Resampling.average if shrinks else Resampling.bilinear
        once = sorted(set(bands)) if self._palette is None else [1]
        mask: Mask | None = None
        with self._handle() as handle:
            values = handle.read(once, window=part, out_shape=(len(once), *size), resampling=how)
            # Some files call their infrared band alpha: who asks for it wants its values.
            if self._nodata is None and self._has_mask and self.alpha_band not in bands:
                mask = handle.dataset_mask(window=part, out_shape=size) > 0
        if self._nodata is not None:
            nodata = [self._nodata[band - 1] for band in once]
            mask = np.any([_differs(v, n) for v, n in zip(values, nodata, strict=True)], axis=0)
        elif self.dtype.kind == "f":
            finite = np.isfinite(values).any(axis=0)
            mask = finite if mask is None else finite & mask
        if self._palette is not None:
            colours = np.moveaxis(self._palette[values[0]], 2, 0)
            opaque = colours[3] > 0
            return colours[[b - 1 for b in bands]], opaque if mask is None else opaque & mask
        return values[[once.index(b) for b in bands]], mask

    def close(self) -> None:
        self._closed = True
        while self._free:
            self._free.pop().close()


def _differs(values: Raw, nodata: float | None) -> Mask:
    """Where one band's values hold data."""
    differs = np.isfinite(values) if values.dtype.kind == "f" else np.ones(values.shape, bool)
    if nodata is None or np.isnan(nodata):
        return differs
    if values.dtype.kind == "f":  # the tag holds more digits, or a larger number, than the type
        limits = np.finfo(values.dtype)
        nodata = float(np.clip(nodata, limits.min, limits.max).astype(values.dtype))
    return differs & (values != nodata)
