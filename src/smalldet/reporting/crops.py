"""Crops: parts of pictures as small JPEGs that lie in the page, with boxes drawn."""

from __future__ import annotations

import base64
import io
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from smalldet.geometry.oriented import enclosing_boxes
from smalldet.imagery import open_scene
from smalldet.imagery.drawing import class_colours, outline_boxes, outline_rboxes, picture_of
from smalldet.reporting.page import escaped

JPEG_QUALITY = 82
CONTEXT = 3.0
"""Side of a crop, in those of what it shows."""
LEAST_PX = 24
DENSITY = 2
"""Pixels of a crop for each of the page where it is shown, at most: for sharp screens."""

Box = tuple[float, float, float, float]
RBox = tuple[float, float, float, float, float]


@dataclass(frozen=True)
class Crop:
    """What to show of a picture.

    Attributes:
        picture: the file.
        boxes: xyxy in its pixels, drawn; a later one in another colour.
        caption: plain text under it.
        whole: show the whole picture, not the surroundings of the boxes.
        other: a second whole picture beside it.
        side_px: of the page.
        rboxes: oriented boxes (cx, cy, w, h, angle), drawn after the boxes.
    """

    picture: Path
    boxes: Sequence[Box] = ()
    caption: str = ""
    whole: bool = False
    other: Path | None = None
    side_px: int = 164
    rboxes: Sequence[RBox] = ()


def figures(crops: Sequence[Crop]) -> str:
    """Crops side by side as HTML; a picture that cannot be read is its name alone."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        shown = list(pool.map(_figure, crops))
    return f'<div class="figures">{"".join(shown)}</div>' if shown else ""


def _figure(crop: Crop) -> str:
    pictures = [crop.picture] if crop.other is None else [crop.picture, crop.other]
    images = [_image(path, crop) for path in pictures]
    inside = f'<div class="pair">{"".join(images)}</div>' if len(images) > 1 else images[0]
    names = " | ".join(escaped(path.name) for path in pictures)
    caption = f"{escaped(crop.caption)}<br>" if crop.caption else ""
    width = crop.side_px * len(images)
    return (
        f'<figure style="width:{width}px">{inside}<figcaption>{caption}{names}</figcaption>'
        "</figure>"
    )


def _image(path: Path, crop: Crop) -> str:
    try:
        nothing = not crop.boxes and not crop.rboxes
        shown = _whole(path, crop) if crop.whole or nothing else _around(path, crop)
    except (OSError, ValueError):
        return '<p class="soft">cannot be shown</p>'
    file = io.BytesIO()
    shown.save(file, "JPEG", quality=JPEG_QUALITY)
    coded = base64.b64encode(file.getvalue()).decode("ascii")
    width = min(crop.side_px, round(crop.side_px * shown.width / max(shown.size)))
    return (
        f'<img src="data:image/jpeg;base64,{coded}" width="{width}" loading="lazy" '
        f'alt="{escaped(path.name)}">'
    )


def _whole(path: Path, crop: Crop) -> Image.Image:
    with open_scene(path) as scene:
        pixels, scale = scene.read_overview(crop.side_px * DENSITY)
    image = picture_of(pixels)
    boxes, rboxes = _arrays(crop)
    draw, paint = ImageDraw.Draw(image), class_colours(1)
    outline_boxes(draw, boxes * scale, paint * len(boxes))
    outline_rboxes(draw, rboxes * (scale, scale, scale, scale, 1), paint * len(rboxes))
    return image


def _arrays(crop: Crop) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(N, 4) boxes and (M, 5) oriented boxes."""
    boxes = np.array(crop.boxes, dtype=np.float64).reshape(-1, 4)
    return boxes, np.array(crop.rboxes, dtype=np.float64).reshape(-1, 5)


def square_round(
    boxes: NDArray[np.float64],
    size: tuple[int, int],
    context: float = CONTEXT,
    least_px: int = LEAST_PX,
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """A square round boxes, within their picture; narrower where the picture is.

    Args:
        boxes: (N, 4) xyxy in pixels of the picture.
        size: width and height of the picture, pixels.
        context: side of the square, in those of what it shows.
        least_px: side of the square, at least.

    Returns:
        (2,) left and top, (2,) right and bottom, whole pixels.
    """
    low, high = boxes[:, :2].min(axis=0), boxes[:, 2:].max(axis=0)
    limit = np.array(size)
    side = np.minimum(max(least_px, context * float((high - low).max())), limit)
    first = np.clip((low + high - side) / 2, 0, limit - side).astype(np.int64)
    return first, np.minimum(np.ceil(first + side).astype(np.int64), limit)


def _around(path: Path, crop: Crop) -> Image.Image:
    """A square round the boxes, within the picture; small ones are enlarged pixel by pixel."""
    boxes, rboxes = _arrays(crop)
    every = np.concatenate([boxes, enclosing_boxes(torch.from_numpy(rboxes)).numpy()])
    with open_scene(path) as scene:
        first, last = square_round(every, (scene.width, scene.height))
        width, height = (last - first).tolist()
        scale = crop.side_px * DENSITY / max(width, height)
        shape = None if scale >= 1 else (max(1, int(height * scale)), max(1, int(width * scale)))
        x1, y1, x2, y2 = (*first.tolist(), *last.tolist())
        image = picture_of(scene.read((x1, y1, x2, y2), shape))
    if scale >= 1:
        wanted = (max(1, round(width * scale)), max(1, round(height * scale)))
        image = image.resize(wanted, Image.Resampling.NEAREST)
    draw, paint = ImageDraw.Draw(image), class_colours(len(every))
    outline_boxes(draw, (boxes - np.tile(first, 2)) * scale, paint[: len(boxes)], line_px=2)
    placed = (rboxes - (*first, 0, 0, 0)) * (scale, scale, scale, scale, 1)
    outline_rboxes(draw, placed, paint[len(boxes) :], line_px=2)
    return image
