"""Tiles on which an exported model is compared with its detector."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from smalldet.data.index import ImageRecord, Index
from smalldet.data.windows import window_around
from smalldet.demo.scene import draw_scene
from smalldet.evaluation.size_ranges import SIZE_RANGES_PX
from smalldet.imagery import open_scene
from smalldet.models import Detector
from smalldet.tile_models.parity import textured_tiles

NUM_CHECKED = 2
DRAWN_PX = 1280


def check_tiles(detector: Detector, side_px: int, picture: Path | None) -> Tensor:
    """(B, C, side_px, side_px) uint8 of a picture, or of a drawn scene.

    Args:
        detector: says how many bands.
        side_px: of the tiles.
        picture: None: a scene is drawn; for other than three bands, textures.

    Raises:
        FileNotFoundError, ValueError: the picture cannot be read.
    """
    bands = detector.in_channels
    if picture is None and bands != 3:
        return textured_tiles(NUM_CHECKED, (bands, side_px, side_px))
    with tempfile.TemporaryDirectory() as folder:
        if picture is None:
            picture = Path(folder) / "scene.tif"
            draw_scene(picture, width=DRAWN_PX, height=DRAWN_PX)
        channels = None if bands == 3 else range(1, bands + 1)
        with open_scene(picture, channels) as scene:
            starts = np.linspace(0, 1, NUM_CHECKED)
            tiles = []
            for start in starts:
                x0 = int(start * max(scene.width - side_px, 0))
                y0 = int(start * max(scene.height - side_px, 0))
                x1, y1 = min(x0 + side_px, scene.width), min(y0 + side_px, scene.height)
                tiles.append(_filled(scene.read((x0, y0, x1, y1)), side_px, side_px))
    return torch.from_numpy(np.stack(tiles))


def tiles_of_every_size(
    index: Index, detector: Detector, tile_px: int, num: int, seed: int = 0
) -> Iterator[NDArray[np.uint8]]:
    """Tiles (C, h, w) of labelled pictures, drawn so that objects of every size are in them.

    Size ranges take turns, and in each all objects have the same chance.

    Args:
        index: labelled pictures.
        detector: says which sides and bands.
        tile_px: most of a side.
        num: of tiles.
        seed: of the drawing.
    """
    rng = np.random.default_rng(seed)
    ranges = [rows for rows in _objects_by_size(index) if rows]
    for turn in range(num):
        if ranges:
            rows = ranges[turn % len(ranges)]
            record, row = rows[int(rng.integers(len(rows)))]
        else:
            record, row = index.records[int(rng.integers(len(index)))], None
        yield _around(record, row, detector, tile_px, rng)


def _objects_by_size(index: Index) -> list[list[tuple[ImageRecord, int]]]:
    """For each size range, pictures and rows of their objects."""
    found: list[list[tuple[ImageRecord, int]]] = [[] for _ in SIZE_RANGES_PX]
    for record in index.records:
        sides = np.sqrt(np.prod(record.boxes[:, 2:] - record.boxes[:, :2], axis=1))
        for place, (low, high) in enumerate(SIZE_RANGES_PX.values()):
            inside = (sides >= low) & (sides < high) & ~record.ignore
            found[place] += [(record, int(row)) for row in np.nonzero(inside)[0]]
    return found


def _around(
    record: ImageRecord, row: int | None, detector: Detector, tile_px: int, rng: np.random.Generator
) -> NDArray[np.uint8]:
    size = (min(tile_px, record.width), min(tile_px, record.height))
    window = (0, 0, *size) if row is None else window_around(record, row, size, rng)
    bands = None if detector.in_channels == 3 else range(1, detector.in_channels + 1)
    with open_scene(record.path, bands) as scene:
        pixels = scene.read(window)
    stride = detector.stride
    return _filled(pixels, -(-size[1] // stride) * stride, -(-size[0] // stride) * stride)


def _filled(pixels: NDArray[np.uint8], height: int, width: int) -> NDArray[np.uint8]:
    """Black to the right and below up to a size."""
    _, h, w = pixels.shape
    return np.pad(pixels, ((0, 0), (0, height - h), (0, width - w)))
