"""Pixels of a mosaic: adjoining files read as one, through a virtual raster in memory."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray
from rasterio.io import DatasetReader

from smalldet.imagery.mosaics import Mosaic
from smalldet.imagery.pixels import Mask, Raw, Window
from smalldet.imagery.rasters import RasterPixels, open_dataset

MAX_HANDLES = 4
"""Each keeps files open."""


class MosaicPixels(RasterPixels):
    """Pixels of adjoining files. Between them there is no data.

    Args:
        mosaic: the files.
        dataset: of the mosaic's virtual raster; it belongs to the pool from now on.
        nodata: value of pixels without data, instead of the files' own.
        options: of `RasterPixels`.
    """

    def __init__(
        self, mosaic: Mosaic, dataset: DatasetReader, nodata: float | None, **options: Any
    ) -> None:
        fast, exact = (mosaic.virtual_raster(nodata, joins_first=joins) for joins in (False, True))
        options = {"name": mosaic.name, "max_handles": MAX_HANDLES, **options}
        super().__init__(fast, dataset, **options)
        self._enlarging = RasterPixels(exact, open_dataset(exact, mosaic.name), **options)
        self._rectangles = mosaic.rectangles
        self._tree = shapely.STRtree(shapely.box(*self._rectangles.T)) if mosaic.has_gaps else None
        self.all_valid &= self._tree is None

    def has_data(self, windows: NDArray[np.int64]) -> NDArray[np.bool_]:
        found = np.ones(len(windows), dtype=np.bool_)
        if self._tree is not None:
            inside = windows + np.array([1, 1, -1, -1]) * 0.5
            found[:] = False
            found[self._tree.query(shapely.box(*inside.T), predicate="intersects")[0]] = True
        return found

    def read(
        self,
        bands: Sequence[int],
        window: Window,
        shape: tuple[int, int] | None = None,
        smooth: bool = False,
    ) -> tuple[Raw, Mask | None]:
        x1, y1, x2, y2 = window
        enlarges = shape is not None and (shape[0] > y2 - y1 or shape[1] > x2 - x1)
        read = self._enlarging.read if smooth and enlarges else super().read
        values, mask = read(bands, window, shape, smooth)
        covered = self._covered(window, (values.shape[1], values.shape[2]))
        if covered is None:
            return values, mask
        return values, covered if mask is None else mask & covered

    def close(self) -> None:
        super().close()
        self._enlarging.close()

    def _covered(self, window: Window, shape: tuple[int, int]) -> Mask | None:
        """(h, w) bool, which pixels of a window scaled to `shape` lie in a file; None if all do."""
        if self._tree is None:
            return None
        x1, y1, x2, y2 = window
        covered = np.zeros(shape, dtype=np.bool_)
        scale = np.array([shape[1] / (x2 - x1), shape[0] / (y2 - y1)])
        corners = (self._rectangles - (x1, y1, x1, y1)) * np.tile(scale, 2)
        whole = np.round(corners.clip(0, (*shape[::-1], *shape[::-1]))).astype(int)
        for left, top, right, bottom in whole[(whole[:, :2] < whole[:, 2:]).all(axis=1)].tolist():
            covered[top:bottom, left:right] = True
        return None if covered.all() else covered
