"""The picture that a person looks at: the whole scene, and its busiest part at full size."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from smalldet.detections import Detections
from smalldet.imagery import Scene, Window
from smalldet.imagery.drawing import Colour, class_colours, outline_rboxes

PANEL_PX = 900
GAP_PX = 12
KEY_PX = 30


def draw_poster(scene: Scene, found: Detections) -> Image.Image:
    """Overview with a mark for each detection, and beside it the busiest part at 1:1 with boxes.

    Oriented boxes are drawn as they lie.
    """
    overview, scale = scene.read_overview(2 * PANEL_PX)
    high_px = max(PANEL_PX // 2, overview.shape[1] // 2)
    window = busiest_window(found, scene.width, scene.height, PANEL_PX, high_px)
    left = _picture(overview)
    right = _picture(scene.read(window))
    colours = class_colours(len(found.class_names))
    _mark(left, found, colours, scale, window)
    _frame(right, found, colours, window)
    left = left.resize((left.width // 2, left.height // 2), Image.Resampling.LANCZOS)
    height = max(left.height, right.height)
    sheet = Image.new("RGB", (left.width + GAP_PX + right.width, height + KEY_PX), "white")
    sheet.paste(left, (0, 0))
    sheet.paste(right, (left.width + GAP_PX, 0))
    _write_key(ImageDraw.Draw(sheet), found, colours, height)
    return sheet


def busiest_window(
    found: Detections, width: int, height: int, wide_px: int, high_px: int
) -> Window:
    """The window of at most that size with most detections, rare classes counting for more."""
    wide, high = min(wide_px, width), min(high_px, height)
    step = max(1, min(wide_px, high_px) // 4)
    centres = (found.boxes[:, :2] + found.boxes[:, 2:]) / 2
    rarity = 1 / torch.bincount(found.labels, minlength=1).clamp(min=1).float().sqrt()
    weights = rarity[found.labels]
    columns, rows = width // step + 1, height // step + 1
    cell = (centres[:, 1] / step).long().clamp(0, rows - 1) * columns
    cell += (centres[:, 0] / step).long().clamp(0, columns - 1)
    counts = torch.bincount(cell, weights, rows * columns).view(rows, columns).double()
    sums = torch.nn.functional.pad(counts.cumsum(0).cumsum(1), (1, 0, 1, 0))
    over, down = min(max(1, wide // step), columns), min(max(1, high // step), rows)
    windows = sums[down:, over:] - sums[:-down, over:] - sums[down:, :-over] + sums[:-down, :-over]
    row, column = divmod(int(windows.argmax()), windows.shape[1])
    x, y = min(column * step, width - wide), min(row * step, height - high)
    return x, y, x + wide, y + high


def _picture(pixels: NDArray[np.uint8]) -> Image.Image:
    colour = pixels if len(pixels) >= 3 else np.repeat(pixels[:1], 3, axis=0)
    return Image.fromarray(np.ascontiguousarray(colour[:3].transpose(1, 2, 0)))


def _mark(
    picture: Image.Image,
    found: Detections,
    colours: list[Colour],
    scale: float,
    window: Window,
) -> None:
    draw = ImageDraw.Draw(picture)
    paint = [colours[label] for label in found.labels.tolist()]
    if found.rboxes is not None:
        outline_rboxes(draw, found.rboxes.double().numpy() * (*[scale] * 4, 1), paint, line_px=2)
    else:
        for (x1, y1, x2, y2), colour in zip((found.boxes * scale).tolist(), paint, strict=True):
            draw.rectangle((x1 - 2, y1 - 2, x2 + 2, y2 + 2), outline=colour, width=2)
    draw.rectangle([round(v * scale) for v in window], outline="white", width=5)


def _frame(picture: Image.Image, found: Detections, colours: list[Colour], window: Window) -> None:
    x, y = window[:2]
    shifted = found.boxes - torch.tensor([x, y, x, y])
    inside = (shifted[:, 2:] > 0).all(1) & (shifted[:, 0] < picture.width)
    inside &= shifted[:, 1] < picture.height
    draw = ImageDraw.Draw(picture)
    paint = [colours[label] for label in found.labels[inside].tolist()]
    if found.rboxes is not None:
        outline_rboxes(draw, found.rboxes[inside].double().numpy() - (x, y, 0, 0, 0), paint)
        return
    for (x1, y1, x2, y2), colour in zip(shifted[inside].tolist(), paint, strict=True):
        draw.rectangle((x1 - 1, y1 - 1, x2 + 1, y2 + 1), outline=colour)


def _write_key(
    draw: ImageDraw.ImageDraw, found: Detections, colours: list[Colour], top: int
) -> None:
    font = ImageFont.load_default(16)
    counts = torch.bincount(found.labels, minlength=len(found.class_names)).tolist()
    x = 8.0
    for name, count, colour in zip(found.class_names, counts, colours, strict=True):
        draw.rectangle((x, top + 9, x + 13, top + 22), fill=colour, outline="black")
        text = f"{name} {count}"
        draw.text((x + 20, top + 6), text, fill="black", font=font)
        x += 44 + draw.textlength(text, font=font)
