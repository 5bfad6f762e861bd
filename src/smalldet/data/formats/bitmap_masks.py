"""Masks that come as bitmaps, as grids that fill the boxes of their objects."""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from smalldet.data.index import MASK_PX

MAX_PIXELS = 1 << 30


@dataclass(frozen=True, eq=False)
class Bitmap:
    """A mask and where it lies.

    Args:
        bits: packed bits of its rows, one after another.
        shape: rows and columns.
        place: left, top, right, bottom in the picture's pixels.
    """

    bits: NDArray[np.uint8]
    shape: tuple[int, int]
    place: tuple[float, float, float, float]

    def moved(self, place: tuple[float, float, float, float]) -> Bitmap:
        """The same mask at another place."""
        return Bitmap(self.bits, self.shape, place)

    def grid(self, box: NDArray[np.floating]) -> NDArray[np.uint8]:
        """What it fills of a box, as a row of `ImageRecord.masks`.

        Args:
            box: (4,) xyxy pixels with an area; nothing outside of the mask's place is set.

        Returns:
            (MASK_PX * MASK_PX / 8,) uint8, packed: the bits under the middles of the cells.
        """
        pixels = np.unpackbits(self.bits, count=self.shape[0] * self.shape[1]).reshape(self.shape)
        columns, inside_x = _cells(box[0], box[2], self.place[0], self.place[2], self.shape[1])
        rows, inside_y = _cells(box[1], box[3], self.place[1], self.place[3], self.shape[0])
        grid = pixels[rows[:, None], columns[None, :]].astype(np.bool_)
        return np.packbits(grid & inside_y[:, None] & inside_x[None, :])


def bitmap_of(
    pixels: NDArray[np.bool_], place: tuple[float, float, float, float] = (0, 0, 1, 1)
) -> Bitmap:
    """A (rows, columns) mask, packed."""
    return Bitmap(np.packbits(pixels), (pixels.shape[0], pixels.shape[1]), place)


def png_mask(encoded: bytes, shape: tuple[int, int] | None, where: str) -> NDArray[np.bool_]:
    """A mask out of a picture of one band: what is not 0 is the object.

    Args:
        encoded: a PNG file.
        shape: rows and columns that it must have; any if None.
        where: begins the messages.

    Raises:
        ValueError: it is no PNG of one band, or of another size.
    """
    try:
        with Image.open(io.BytesIO(encoded), formats=("PNG",)) as image:
            size = (image.height, image.width)
            if shape is not None and size != shape:
                raise ValueError(
                    f"its mask is {size[1]}x{size[0]}, and should be {shape[1]}x{shape[0]}"
                )
            if size[0] * size[1] > MAX_PIXELS:
                raise ValueError(f"its mask of {size[1]}x{size[0]} is too large")
            if image.mode not in ("1", "L", "P", "I", "I;16"):
                raise ValueError(f"its mask is a picture of mode {image.mode}, not of one band")
            return np.asarray(image) != 0
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from None
    except Exception as error:  # a broken PNG makes Pillow raise a dozen kinds
        raise ValueError(f"{where}: its mask is no PNG that can be read: {error}") from None


def pixels_of(
    grid: NDArray[np.uint8], box: NDArray[np.floating], shape: tuple[int, int]
) -> NDArray[np.bool_]:
    """The pixels of a whole picture whose middles lie under set cells of a grid.

    Args:
        grid: a row of `ImageRecord.masks`.
        box: (4,) xyxy, the object's box, within the picture.
        shape: rows and columns of the picture.

    Returns:
        bool of that shape.
    """
    cells = np.unpackbits(grid).reshape(MASK_PX, MASK_PX)
    rows, inside_y = _cells(0, shape[0], box[1], box[3], MASK_PX, shape[0])
    columns, inside_x = _cells(0, shape[1], box[0], box[2], MASK_PX, shape[1])
    pixels = np.zeros(shape, dtype=np.bool_)
    filled = cells[rows[inside_y][:, None], columns[inside_x][None, :]] != 0
    pixels[np.ix_(inside_y, inside_x)] = filled
    return pixels


def _cells(
    start: float, stop: float, low: float, high: float, num: int, num_middles: int = MASK_PX
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Which of `num` cells from `low` to `high` lies under each middle between start and stop."""
    middles = start + (np.arange(num_middles) + 0.5) / num_middles * (stop - start)
    places = np.floor((middles - low) / (high - low) * num)
    inside = (places >= 0) & (places < num)
    return np.clip(places, 0, num - 1).astype(np.int64), inside
