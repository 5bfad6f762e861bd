"""Drawing: colours of classes, outlines round boxes, text that can be read on any ground."""

from __future__ import annotations

import colorsys
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from PIL import Image, ImageDraw

from smalldet.geometry.oriented import rboxes_to_quads

Colour = tuple[int, int, int]

WHITE: Colour = (255, 255, 255)
BLACK: Colour = (0, 0, 0)


def class_colours(num: int) -> list[Colour]:
    """Bright colours, neighbours far apart: steps of the golden ratio around the colour wheel."""
    wheel = [colorsys.hsv_to_rgb((0.15 + 0.618034 * i) % 1, 1.0, 1.0) for i in range(num)]
    return [(round(255 * r), round(255 * g), round(255 * b)) for r, g, b in wheel]


def picture_of(pixels: NDArray[np.uint8]) -> Image.Image:
    """A picture of the first three bands of (bands, height, width), or of the first alone."""
    shown = pixels[:3] if len(pixels) >= 3 else np.repeat(pixels[:1], 3, axis=0)
    return Image.fromarray(np.ascontiguousarray(np.moveaxis(shown, 0, 2)))


def outline_boxes(
    draw: ImageDraw.ImageDraw, boxes: ArrayLike, colours: Sequence[Colour], line_px: int = 1
) -> None:
    """Lines that stand just outside the boxes, so that they do not hide small objects.

    Args:
        draw: of the picture.
        boxes: (N, 4) xyxy in pixels of the picture; the later one is on top.
        colours: of each.
        line_px: width of the lines.
    """
    edges = np.asarray(boxes, dtype=np.float64).reshape(-1, 4)
    # Pillow's first and last pixel, both included.
    first = np.floor(edges[:, :2]) - line_px
    last = np.maximum(np.ceil(edges[:, 2:]) + line_px - 1, first)
    frames = np.concatenate((first, last), axis=1).tolist()
    for frame, colour in zip(frames, colours, strict=True):
        draw.rectangle(frame, outline=colour, width=line_px)


def outline_rboxes(
    draw: ImageDraw.ImageDraw, rboxes: ArrayLike, colours: Sequence[Colour], line_px: int = 1
) -> None:
    """As `outline_boxes`, round oriented boxes (N, 5) as they lie."""
    grown = np.array(rboxes, dtype=np.float64).reshape(-1, 5)
    # The middle of the line, with half a pixel of rounding on either side of it.
    grown[:, 2:4] = np.maximum(grown[:, 2:4] + line_px + 1, 0)
    corners = rboxes_to_quads(torch.from_numpy(grown)).numpy() - 0.5
    rings = np.concatenate((corners, corners[:, :1]), axis=1).reshape(-1, 10).tolist()
    for ring, colour in zip(rings, colours, strict=True):
        draw.line(ring, fill=colour, width=line_px, joint="curve")


def write_text(
    draw: ImageDraw.ImageDraw, place: tuple[float, float], text: str, colour: Colour = WHITE
) -> float:
    """Small text with a dark rim, which can be read on any ground.

    Args:
        draw: of the picture.
        place: left upper corner.
        text: one line.
        colour: of the letters.

    Returns:
        width of the text in pixels.
    """
    draw.text(place, text, fill=colour, stroke_width=1, stroke_fill=BLACK)
    return draw.textlength(text)
