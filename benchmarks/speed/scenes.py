"""Large scenes for the benchmarks: drawn ground and objects on wide empty plains."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import rasterio
from rasterio.transform import from_origin
from rasterio.windows import Window

from smalldet.data.index import ImageRecord, Index
from smalldet.demo.scene import draw_scene

PATCH_PX = 800


def draw_patches(folder: Path, seed: int = 0) -> Index:
    """The demo's drawn scene, from which patches are cut; drawn once."""
    return draw_scene(folder / "drawn.tif", width=3200, height=2400, seed=seed)


def draw_sparse_scene(
    path: Path,
    patches: Index,
    width: int,
    height: int,
    *,
    num_patches: int,
    tiled: bool = True,
    empty: bool = False,
    seed: int = 0,
) -> Index:
    """A plain with sensor noise on which a few patches of the drawn scene lie.

    Args:
        path: the GeoTIFF to write, DEFLATE; row by row, so that memory does not follow its height.
        patches: the scene of `draw_patches`.
        width: pixels.
        height: pixels.
        num_patches: spread evenly, so that every part of the scene has some.
        tiled: in blocks of 256 x 256 px, else in strips.
        empty: the plain has no data instead of noise.
        seed: of noise and places.

    Returns:
        The truth: the boxes of the patches.
    """
    rng = np.random.default_rng(seed)
    places = _places(rng, width, height, num_patches)
    record = patches.records[0]
    with rasterio.open(record.path) as file:
        cuts = rng.integers(0, (file.width - PATCH_PX, file.height - PATCH_PX), (len(places), 2))
        pieces = [file.read(window=Window(x, y, PATCH_PX, PATCH_PX)) for x, y in cuts.tolist()]
    layout = {"tiled": True, "blockxsize": 256, "blockysize": 256} if tiled else {"blockysize": 16}
    grain = rng.normal(0, 2.4, (3, 512 + 64, width + 64)).astype(np.float32)
    colour = np.array([92, 104, 84], np.float32)[:, None, None]
    with rasterio.open(
        path, "w", driver="GTiff", width=width, height=height, count=3, dtype="uint8", nodata=0,
        crs="EPSG:32633", transform=from_origin(391_000, 5_824_000, 0.25, 0.25),
        compress="DEFLATE", zlevel=1, BIGTIFF="YES", photometric="RGB", **layout,
    ) as file:  # fmt: skip
        for top in range(0, height, 512):
            bottom = min(height, top + 512)
            row, column = rng.integers(0, 64, 2)
            if empty:
                block = np.zeros((3, bottom - top, width), np.uint8)
            else:
                noise = grain[:, row : row + bottom - top, column : column + width]
                block = (colour + noise).clip(1, 255).astype(np.uint8)
            for (x, y), piece in zip(places.tolist(), pieces, strict=True):
                low, high = max(top, y), min(bottom, y + PATCH_PX)
                if low < high:
                    block[:, low - top : high - top, x : x + PATCH_PX] = piece[
                        :, low - y : high - y
                    ].clip(1)
            file.write(block, window=Window(0, top, width, bottom - top))
    return _truth(path, patches, cuts, places, width, height)


def _places(rng: np.random.Generator, width: int, height: int, num: int) -> np.ndarray:
    """(n, 2) corners of patches, one in each cell of a grid that fits about `num`."""
    columns = max(1, round((num * width / height) ** 0.5))
    rows = max(1, round(num / columns))
    corners = []
    for r in range(rows):
        for c in range(columns):
            low = np.array([c * width // columns, r * height // rows])
            high = np.array([(c + 1) * width // columns, (r + 1) * height // rows]) - PATCH_PX
            corners.append(rng.integers(low, np.maximum(high, low + 1)))
    return np.array(corners)


def _truth(
    path: Path, patches: Index, cuts: np.ndarray, places: np.ndarray, width: int, height: int
) -> Index:
    record = patches.records[0]
    boxes, labels = [], []
    for cut, place in zip(cuts, places, strict=True):
        moved = record.boxes - np.tile(cut, 2)
        inside = ((moved[:, :2] >= 0) & (moved[:, 2:] <= PATCH_PX)).all(axis=1)
        boxes.append((moved[inside] + np.tile(place, 2)).astype(np.float32))
        labels.append(record.labels[inside])
    flags = np.zeros(sum(map(len, labels)), dtype=np.bool_)
    whole = ImageRecord(
        path, width, height, np.concatenate(boxes), np.concatenate(labels), flags, flags, image_id=1
    )
    return Index(patches.class_names, (whole,))
