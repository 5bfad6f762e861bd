"""Blocks of a TIFF file: what its directory says of them against the size that it claims."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from smalldet.imagery import tiff_directory as tiff
from smalldet.imagery.tiff_directory import Directory, read_directory

# How many bytes of pixels one byte of the file can hold at most, by TIFF's number of compression:
# none, LZW (its longest string, 3,838 bytes, in 12 bits), Deflate twice, PackBits, Zstandard.
# Others, such as LERC, have no limit.
LARGEST_RATIO = {1: 1, 5: 2600, 8: 1040, 32946: 1040, 32773: 64, 50000: 33_000}
# Sides that the formats inside JPEG and WebP blocks can say.
LARGEST_SIDE = {7: 65_535, 50001: 16_383}
SLACK_BYTES = 4096

CHUNK = 1 << 20
"""Blocks looked at together."""
MAX_GRID = 1 << 27
"""Blocks of which it is noted whether they are empty, a byte each."""


@dataclass(frozen=True, eq=False)
class TiffBlocks:
    """Which blocks of a sparse file hold pixels.

    Args:
        filled: (down, across) bool.
        height_px: rows of a block.
        width_px: columns of a block.
    """

    filled: NDArray[np.bool_]
    height_px: int
    width_px: int

    def any_in(self, windows: NDArray[np.int64]) -> NDArray[np.bool_]:
        """(T,) bool, whether a block with pixels lies in windows (T, 4) xyxy inside the picture."""
        x1, y1 = windows[:, 0] // self.width_px, windows[:, 1] // self.height_px
        x2, y2 = -(-windows[:, 2] // self.width_px), -(-windows[:, 3] // self.height_px)
        found = np.zeros(len(windows), dtype=np.bool_)
        # Tiles come in rows: for each run of them the blocks become one line, with its sums.
        changes = np.flatnonzero((np.diff(y1) != 0) | (np.diff(y2) != 0)) + 1
        starts = [0, *changes.tolist()] if len(windows) else []
        for start, end in pairwise([*starts, len(windows)]):
            line = self.filled[y1[start] : y2[start]].any(axis=0)
            sums = np.concatenate([[0], np.cumsum(line)])
            found[start:end] = sums[x2[start:end]] > sums[x1[start:end]]
        return found


def checked_blocks(path: str, width: int, height: int) -> TiffBlocks | None:
    """Hold a local TIFF file's directory against its size, before anything is decoded.

    Args:
        path: the file.
        width: of the picture, pixels, as the reader of the file says it.
        height: likewise.

    Returns:
        Which blocks hold pixels, where some do not; None where all do, where the directory tells
        nothing, and where there are more than `MAX_GRID` blocks.

    Raises:
        ValueError: blocks are missing, lie beyond the file's end, or are too small for the pixels
            that they should hold; names the file and the size that its header claims.
    """
    directory = read_directory(path)
    if directory is None or (width, height) != _size(directory):
        return None
    layout = _Layout.of(directory)
    if layout is None:
        return None
    claim = f"{path}: is damaged or cut short: its header claims {width} x {height} px"
    if layout.num_listed < layout.num_blocks:
        raise ValueError(
            f"{claim}, in {layout.num_blocks} blocks, but the file lists {layout.num_listed}"
        )
    limit = LARGEST_SIDE.get(layout.compression)
    if limit is not None and max(layout.height_px, layout.width_px) > limit:
        raise ValueError(f"{claim} in blocks of a side that their compression cannot have")
    filled = np.zeros(layout.num_blocks if layout.num_blocks <= MAX_GRID else 0, dtype=np.bool_)
    num_filled = 0
    for first in range(0, layout.num_blocks, CHUNK):
        end = min(first + CHUNK, layout.num_blocks)
        part = _filled(directory, layout, first, end, claim)
        num_filled += int(part.sum())
        filled[first:end] = part[: len(filled[first:end])]
    if num_filled == layout.num_blocks or not len(filled):
        return None
    grid = np.asarray(filled.reshape(layout.num_planes, layout.down, layout.across).any(axis=0))
    return TiffBlocks(grid, layout.height_px, layout.width_px)


def _size(directory: Directory) -> tuple[int, int]:
    return directory.number(tiff.WIDTH, 0), directory.number(tiff.HEIGHT, 0)


@dataclass(frozen=True)
class _Layout:
    """How the pixels are shared out over blocks, of which there are `num_planes` sets."""

    offsets: int
    sizes: int
    num_listed: int
    across: int
    down: int
    num_planes: int
    height_px: int
    width_px: int
    last_height_px: int
    bits_per_px: int
    compression: int

    @property
    def num_blocks(self) -> int:
        return self.across * self.down * self.num_planes

    def num_bytes(self, last: bool) -> int:
        """Of one block's pixels, one in the last row of blocks or another."""
        rows = self.last_height_px if last else self.height_px
        return min(rows * self.width_px * self.bits_per_px // 8, 1 << 62)

    @staticmethod
    def of(directory: Directory) -> _Layout | None:
        """None where blocks are not listed, or have no size."""
        width, height = _size(directory)
        tiled = tiff.TILE_OFFSETS in directory.columns
        offsets, sizes = (
            (tiff.TILE_OFFSETS, tiff.TILE_BYTES)
            if tiled
            else (tiff.STRIP_OFFSETS, tiff.STRIP_BYTES)
        )
        if not {offsets, sizes} <= directory.columns.keys():
            return None
        bands = directory.number(tiff.BANDS, 1)
        separate = directory.number(tiff.PLANAR, 1) == 2
        bits = directory.numbers(tiff.BITS, 0, bands) if tiff.BITS in directory.columns else None
        bits_per_px = (int(bits.min()) if bits is not None and len(bits) else 1) * (
            1 if separate else bands
        )
        if tiled:
            block_width = directory.number(tiff.TILE_WIDTH, 0)
            block_height = last_height = directory.number(tiff.TILE_HEIGHT, 0)
        else:
            block_width = width
            block_height = min(directory.number(tiff.ROWS_PER_STRIP, height), height)
            last_height = (height - 1) % block_height + 1 if block_height else 0
        if min(width, height, block_width, block_height, bands) < 1:
            return None
        return _Layout(
            offsets=offsets,
            sizes=sizes,
            num_listed=min(directory.columns[tag].count for tag in (offsets, sizes)),
            across=-(-width // block_width),
            down=-(-height // block_height),
            num_planes=bands if separate else 1,
            height_px=block_height,
            width_px=block_width,
            last_height_px=last_height,
            # colour may be stored for one pixel in up to 16
            bits_per_px=bits_per_px // 3 if _colour_thinned(directory) else bits_per_px,
            compression=directory.number(tiff.COMPRESSION, 1),
        )


def _colour_thinned(directory: Directory) -> bool:
    return directory.number(tiff.PHOTOMETRIC, 0) == 6


def _filled(
    directory: Directory, layout: _Layout, first: int, end: int, claim: str
) -> NDArray[np.bool_]:
    """Which blocks from `first` to `end` hold pixels.

    Raises:
        ValueError: one of them cannot.
    """
    offsets = directory.numbers(layout.offsets, first, end)
    sizes = directory.numbers(layout.sizes, first, end)
    filled = (sizes > 0) | (offsets > 0)
    places = np.arange(first, end) // layout.across % layout.down
    needed = np.where(
        places == layout.down - 1, *(layout.num_bytes(last) for last in (True, False))
    )
    if layout.compression == 1:  # readers go by the picture's size and not by what is listed
        short = np.zeros(len(sizes), dtype=np.bool_)
        stored = needed
    else:
        stored = sizes.clip(max=directory.num_bytes + 1)
        ratio = LARGEST_RATIO.get(layout.compression)
        short = needed > (stored + SLACK_BYTES) * ratio if ratio else needed < 0
    short = filled & (short | (offsets > directory.num_bytes - stored))
    if short.any():
        number = first + int(np.flatnonzero(short)[0])
        raise ValueError(
            f"{claim}, which its {directory.num_bytes} bytes do not hold (block {number} of "
            f"{layout.num_blocks})"
        )
    return filled
