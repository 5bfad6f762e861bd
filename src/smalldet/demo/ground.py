"""The ground of a drawn scene: flat shapes first, then texture, shade and the camera's noise."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image, ImageDraw, ImageFilter

from smalldet.demo.sprites import SUN_SHIFT, Colour

Points = NDArray[np.float64]


def spaced(start: float, stop: float, step: float) -> list[float]:
    """Places from start up to, and without, stop."""
    return np.arange(float(start), stop, step).tolist()


@dataclass(frozen=True)
class Frame:
    """A turned coordinate system on the picture: an airfield's, a town's.

    Args:
        x: origin, pixels.
        y: origin, pixels.
        angle_rad: clockwise on screen.
    """

    x: float
    y: float
    angle_rad: float

    def at(self, points: ArrayLike) -> Points:
        """(N, 2) local to (N, 2) picture pixels."""
        local = np.asarray(points, np.float64)
        cos, sin = math.cos(self.angle_rad), math.sin(self.angle_rad)
        return local @ np.array([[cos, sin], [-sin, cos]]) + (self.x, self.y)

    def moved(self, u: float, v: float, turn_rad: float = 0.0) -> Frame:
        """A frame whose origin is (u, v) of this one."""
        x, y = self.at([(u, v)])[0].tolist()
        return Frame(x, y, self.angle_rad + turn_rad)

    def rect(self, u1: float, v1: float, u2: float, v2: float) -> Points:
        return self.at([(u1, v1), (u2, v1), (u2, v2), (u1, v2)])


class Ground:
    """Three layers that are drawn together: colour, roughness and shade."""

    def __init__(self, width: int, height: int, colour: Colour, rough: int) -> None:
        self.picture = Image.new("RGB", (width, height), colour)
        self._rough = Image.new("L", (width, height), rough)
        self._shade = Image.new("L", (width, height), 255)
        self._colour_draw = ImageDraw.Draw(self.picture)
        self._rough_draw = ImageDraw.Draw(self._rough)
        self._shade_draw = ImageDraw.Draw(self._shade)

    @property
    def size(self) -> tuple[int, int]:
        return self.picture.size

    def fill(self, polygon: Points, colour: Colour, rough: int) -> None:
        spots = polygon.ravel().tolist()
        self._colour_draw.polygon(spots, fill=colour)
        self._rough_draw.polygon(spots, fill=rough)

    def line(self, points: Points, width_px: float, colour: Colour, rough: int = 25) -> None:
        spots, width = points.ravel().tolist(), max(1, round(width_px))
        self._colour_draw.line(spots, fill=colour, width=width, joint="curve")
        self._rough_draw.line(spots, fill=rough, width=width, joint="curve")

    def disc(self, x: float, y: float, radius_px: float, colour: Colour, rough: int = 20) -> None:
        box = (x - radius_px, y - radius_px, x + radius_px, y + radius_px)
        self._colour_draw.ellipse(box, fill=colour)
        self._rough_draw.ellipse(box, fill=rough)

    def dashes(
        self, ends: Points, dash_px: float, gap_px: float, width_px: float, colour: Colour
    ) -> None:
        """A broken line between two points, `ends` (2, 2)."""
        start, way = ends[0], ends[1] - ends[0]
        length = max(float(np.hypot(way[0], way[1])), 1e-6)
        way = way / length
        for at in spaced(0, length - dash_px, dash_px + gap_px):
            self.line(np.stack([start + way * at, start + way * (at + dash_px)]), width_px, colour)

    def stain(self, x: float, y: float, radius_px: float, strength: float) -> None:
        """A soft dark blot: oil, rubber, damp."""
        side = math.ceil(4 * radius_px)
        blot = Image.new("L", (side, side))
        box = (radius_px, radius_px, 3 * radius_px, 3 * radius_px)
        ImageDraw.Draw(blot).ellipse(box, fill=round(255 * strength))
        blot = blot.filter(ImageFilter.GaussianBlur(radius_px / 2))
        self.picture.paste((34, 34, 36), (round(x - side / 2), round(y - side / 2)), blot)

    def cast(self, polygon: Points, height_px: float) -> None:
        """The shadow of an upright block that stands on the polygon."""
        for part in np.linspace(0, 1, 2 + math.ceil(height_px / 6)):
            shifted = polygon + part * height_px * np.array(SUN_SHIFT)
            self._shade_draw.polygon(shifted.ravel().tolist(), fill=92)

    def roof(self, polygon: Points, colour: Colour, rough: int = 30) -> None:
        """A surface above the shadows that were cast before it."""
        self._shade_draw.polygon(polygon.ravel().tolist(), fill=255)
        self.fill(polygon, colour, rough)

    def texture(self, rng: np.random.Generator, block_px: int = 256) -> Image.Image:
        """Give the shapes their texture and shade; edges come out soft."""
        width, height = self.size
        octaves = [(480, 0.3), (90, 0.22), (17, 0.28), (4, 0.4), (1.6, 0.45)]
        noises = [(_noise(rng, width, height, cell), cell, gain) for cell, gain in octaves]
        tints = _noise(rng, width, height, 230)
        out = Image.new("RGB", (width, height))
        for y in range(0, height, block_px):
            bottom = min(height, y + block_px)
            around = (0, max(0, y - 8), width, min(height, bottom + 8))
            inside = slice(y - around[1], bottom - around[1])
            colour, rough, shade = (
                np.asarray(layer.crop(around).filter(ImageFilter.BoxBlur(blur)), np.float32)[inside]
                for layer, blur in ((self.picture, 0.7), (self._rough, 1.5), (self._shade, 1.5))
            )
            rough /= 255
            grain = sum(gain * _rows(noise, width, y, bottom, cell) for noise, cell, gain in noises)
            light = (1 + rough * grain) * (shade / 255)
            tint = rough * _rows(tints, width, y, bottom, 230)
            colour *= light[..., None]
            colour[..., 0] *= 1 + 0.14 * tint
            colour[..., 2] *= (1 - 0.16 * tint) * (1.12 - 0.12 * shade / 255)  # shade is bluish
            block = Image.fromarray(np.clip(colour, 0, 255).astype(np.uint8))
            out.paste(block, (0, y))
        return out


def exposed(
    picture: Image.Image, rng: np.random.Generator, block_px: int = 256
) -> Iterator[tuple[int, NDArray[np.uint8]]]:
    """What a camera makes of it: a little blur and sensor noise.

    Yields:
        (first row, (3, rows, width) uint8), from the top down.
    """
    width, height = picture.size
    grain = rng.normal(0, 2.4, (block_px + 64, width + 64, 3)).astype(np.float32)
    for y in range(0, height, block_px):
        bottom = min(height, y + block_px)
        top = max(0, y - 4)
        crop = picture.crop((0, top, width, min(height, bottom + 4)))
        soft = np.asarray(crop.filter(ImageFilter.GaussianBlur(0.45)))[y - top : bottom - top]
        row, column = rng.integers(0, 64, 2)
        noise = grain[row : row + bottom - y, column : column + width]
        yield y, np.clip(soft + noise, 0, 255).astype(np.uint8).transpose(2, 0, 1)


def _noise(rng: np.random.Generator, width: int, height: int, cell_px: float) -> Image.Image:
    """Random values in -0.5..0.5 on a coarse grid; fine ones repeat over the picture."""
    columns, rows = math.ceil(width / cell_px) + 2, math.ceil(min(height, 512) / cell_px) + 2
    if cell_px > 16:
        rows = math.ceil(height / cell_px) + 2
    return Image.fromarray(rng.uniform(-0.5, 0.5, (rows, columns)).astype(np.float32))


def _rows(
    noise: Image.Image, width: int, y: int, bottom: int, cell_px: float
) -> NDArray[np.float32]:
    """Rows y..bottom of the noise at full size, smooth between grid points."""
    rows = bottom - y
    top = y / cell_px if cell_px > 16 else (y % 256) / cell_px
    box = (0.5, top + 0.5, 0.5 + width / cell_px, top + 0.5 + rows / cell_px)
    return np.asarray(noise.resize((width, rows), Image.Resampling.BICUBIC, box=box), np.float32)
