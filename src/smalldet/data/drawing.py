"""Drawing: a training batch on one sheet, for people to look at."""

from __future__ import annotations

import colorsys
import math
from collections.abc import Sequence

from PIL import Image, ImageDraw
from torch import Tensor

from smalldet.targets import Target

GAP_PX = 4
HATCH_PX = 8


def draw_batch(
    images: Tensor,
    targets: Sequence[Target],
    class_names: Sequence[str],
    *,
    num_columns: int | None = None,
    max_images: int = 16,
) -> Image.Image:
    """A contact sheet: objects as frames in the colour of their class, mute regions hatched.

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
    sheet = Image.new("RGB", (columns * width, rows * height + 16), "white")
    for i in range(shown):
        tile = _drawn_tile(images[i], targets[i], len(class_names))
        sheet.paste(tile, (i % columns * width, i // columns * height))
    key, left = ImageDraw.Draw(sheet), 4
    for i, name in enumerate(class_names):
        key.text((left, rows * height), name, fill=_colour(i, len(class_names)))
        left += int(key.textlength(name)) + 12
    return sheet


def _drawn_tile(image: Tensor, target: Target, num_classes: int) -> Image.Image:
    picture = Image.fromarray(image.permute(1, 2, 0).contiguous().cpu().numpy())
    hatching = Image.new("L", picture.size, 0)
    pen = ImageDraw.Draw(hatching)
    for start in range(-picture.height, picture.width, HATCH_PX):
        pen.line([(start, 0), (start + picture.height, picture.height)], fill=255)
    frame = ImageDraw.Draw(picture)
    regions = zip(target.mute_boxes.tolist(), target.mute_classes.tolist(), strict=True)
    for box, classes in regions:
        one = classes.index(True) if sum(classes) == 1 else None
        colour = "white" if one is None else _colour(one, num_classes)
        # PIL counts both corners in, and refuses a corner beyond the other.
        x1, y1, x2, y2 = (math.floor(box[0]), math.floor(box[1]), *map(math.ceil, box[2:]))
        area = (x1, y1, max(x2, x1 + 1), max(y2, y1 + 1))
        picture.paste(colour, area, hatching.crop(area))
        frame.rectangle(area, outline=colour)
    for (x1, y1, x2, y2), label in zip(target.boxes.tolist(), target.labels.tolist(), strict=True):
        area = (x1, y1, max(x2 - 1, x1), max(y2 - 1, y1))
        frame.rectangle(area, outline=_colour(label, num_classes))
    return picture


def _colour(label: int, num_classes: int) -> tuple[int, int, int]:
    red, green, blue = colorsys.hsv_to_rgb(label / max(num_classes, 1), 1.0, 1.0)
    return round(red * 255), round(green * 255), round(blue * 255)
