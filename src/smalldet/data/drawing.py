"""Drawing: a training batch on one sheet, for people to look at."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw
from torch import Tensor

from smalldet.imagery.drawing import (
    WHITE,
    Colour,
    class_colours,
    outline_boxes,
    outline_rboxes,
    picture_of,
    write_text,
)
from smalldet.targets import Target

GAP_PX = 4
HATCH_PX = 8
KEY_PX = 16
# The line of an object is its own first and last row and column: at a tile's border there is no
# room around it.
INSIDE = np.array([1, 1, -1, -1])
INSIDE_ORIENTED = np.array([0, 0, -2, -2, 0])


def draw_batch(
    images: Tensor,
    targets: Sequence[Target],
    class_names: Sequence[str],
    *,
    num_columns: int | None = None,
    max_images: int = 16,
) -> Image.Image:
    """A contact sheet: objects as frames in the colour of their class, mute regions hatched.

    Oriented boxes are drawn as they lie, where there are any.

    Args:
        images: (B, 3, H, W) uint8.
        targets: of each image.
        class_names: for the key under the sheet.
        num_columns: images in a row; a square sheet by default.
        max_images: the first so many are drawn.
    """
    shown = min(len(images), max_images)
    columns = num_columns or math.ceil(math.sqrt(shown))
    height, width = images.shape[-2] + GAP_PX, images.shape[-1] + GAP_PX
    rows = math.ceil(shown / columns)
    colours = class_colours(len(class_names))
    sheet = Image.new("RGB", (columns * width, rows * height + KEY_PX), "white")
    for i in range(shown):
        tile = _drawn_tile(images[i], targets[i], colours)
        sheet.paste(tile, (i % columns * width, i // columns * height))
    key, left = ImageDraw.Draw(sheet), 4
    for name, colour in zip(class_names, colours, strict=True):
        left += int(write_text(key, (left, rows * height), name, colour)) + 12
    return sheet


def _drawn_tile(image: Tensor, target: Target, colours: Sequence[Colour]) -> Image.Image:
    picture = picture_of(image.cpu().numpy())
    hatching = Image.new("L", picture.size, 0)
    pen = ImageDraw.Draw(hatching)
    for start in range(-picture.height, picture.width, HATCH_PX):
        pen.line([(start, 0), (start + picture.height, picture.height)], fill=255)
    frame = ImageDraw.Draw(picture)
    regions = zip(target.mute_boxes.tolist(), target.mute_classes.tolist(), strict=True)
    for box, classes in regions:
        colour = colours[classes.index(True)] if sum(classes) == 1 else WHITE
        # PIL counts both corners in, and refuses a corner beyond the other.
        x1, y1, x2, y2 = (math.floor(box[0]), math.floor(box[1]), *map(math.ceil, box[2:]))
        area = (x1, y1, max(x2, x1 + 1), max(y2, y1 + 1))
        picture.paste(colour, area, hatching.crop(area))
        frame.rectangle(area, outline=colour)
    paint = [colours[label] for label in target.labels.tolist()]
    if target.rboxes is None:
        outline_boxes(frame, target.boxes.numpy() + INSIDE, paint)
    else:
        outline_rboxes(frame, target.rboxes.numpy() + INSIDE_ORIENTED, paint)
    return picture
