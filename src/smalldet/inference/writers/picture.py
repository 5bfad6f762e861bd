"""Pictures with the boxes drawn on them."""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from smalldet.imagery import open_scene
from smalldet.imagery.drawing import (
    BLACK,
    WHITE,
    Colour,
    class_colours,
    outline_boxes,
    outline_rboxes,
    picture_of,
)
from smalldet.inference.options import MapOptions
from smalldet.inference.results import Result

MAX_SIDE_PX = 4000
JPEG_QUALITY = 90


def write_picture(path: Path, results: Sequence[Result], maps: MapOptions) -> None:
    """One picture, at most 4,000 px on its longer side, with boxes and a legend of counts.

    Raises:
        ValueError: there are several pictures, or the picture cannot be read again.
    """
    if len(results) != 1:
        raise ValueError(f"{path}: one picture cannot show {len(results)}; name a directory")
    result = results[0]
    with open_scene(result.picture, result.bands, options=result.imagery) as scene:
        pixels, scale = scene.read_overview(MAX_SIDE_PX)
    save_picture(path, drawn_boxes(pixels, result, scale))


def save_picture(path: Path, picture: Image.Image) -> None:
    """Write a picture by its suffix, JPEG with colours at full resolution.

    Halved ones would bleed from outlines into small objects. It is encoded in memory: on a full
    disk Pillow may leave a cut file without an error.

    Raises:
        OSError: the file cannot be written.
    """
    content = BytesIO()
    kind = Image.registered_extensions()[path.suffix.lower()]
    picture.save(content, format=kind, quality=JPEG_QUALITY, subsampling=0)
    path.write_bytes(content.getbuffer())


def drawn_boxes(pixels: NDArray[np.uint8], result: Result, scale: float) -> Image.Image:
    """Boxes and a legend over pixels (C, h, w) that are `scale` times the scene's size.

    Outlines lie outside the boxes, so that they do not hide small objects. Oriented boxes are drawn
    as they lie.
    """
    picture = picture_of(pixels)
    draw = ImageDraw.Draw(picture)
    line_px = max(1, round(max(picture.size) / 1000))
    # weakest first: where outlines cross, the strongest shows
    detections = result.detections[result.detections.scores.argsort()]
    colours = class_colours(len(detections.class_names))
    paint = [colours[label] for label in detections.labels.tolist()]
    if detections.rboxes is None:
        outline_boxes(draw, detections.boxes.double().numpy() * scale, paint, line_px)
    else:
        scaled = detections.rboxes.double().numpy() * (scale, scale, scale, scale, 1)
        outline_rboxes(draw, scaled, paint, line_px)
    _draw_legend(draw, result, colours, size_px=max(12, round(max(picture.size) / 80)))
    return picture


def _draw_legend(
    draw: ImageDraw.ImageDraw, result: Result, colours: list[Colour], size_px: int
) -> None:
    """Classes that were found and how often, top left."""
    detections = result.detections
    counts = np.bincount(detections.labels.numpy(), minlength=len(colours)).tolist()
    lines = [
        (f"{name} {count}", colour)
        for name, count, colour in zip(detections.class_names, counts, colours, strict=True)
        if count
    ] or [("nothing found", WHITE)]
    font = ImageFont.load_default(size_px)
    row_px, margin_px = round(size_px * 1.4), size_px // 2
    width = max(draw.textlength(text, font) for text, _ in lines)
    corner = (size_px + 3 * margin_px + width, row_px * len(lines) + margin_px)
    draw.rectangle((0, 0, *corner), fill=BLACK)
    for row, (text, colour) in enumerate(lines):
        top = margin_px + row * row_px
        draw.rectangle((margin_px, top, margin_px + size_px, top + size_px), fill=colour)
        draw.text((size_px + 2 * margin_px, top), text, fill=WHITE, font=font)
