"""Windows: where a training tile is cut from a picture, and which labels are seen in it."""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from smalldet.data.index import MASK_PX, ImageRecord
from smalldet.data.parts_in_view import View, extent_in_view, oriented_parts, upright_parts
from smalldet.geometry.masks import regrid
from smalldet.targets import Target

Window = tuple[int, int, int, int]

# The chosen object's centre lies in this part of the window's width and height.
CENTRE_RANGE = (0.1, 0.9)
NUM_EMPTY_TRIES = 4
MIN_SIDE_PX = 1.0


def num_tiles(record: ImageRecord, tile_px: float) -> int:
    """Tiles without overlap that cover the picture."""
    return math.ceil(record.width / tile_px) * math.ceil(record.height / tile_px)


def window_around(
    record: ImageRecord, row: int, size: tuple[int, int], rng: np.random.Generator
) -> Window:
    """A window that holds the centre of object `row`, anywhere in its inner part.

    Args:
        record: the picture.
        row: which object.
        size: width and height of the window in pixels of the picture.
        rng: source of the position.

    Returns:
        xyxy; inside the picture wherever the picture is large enough.
    """
    x1, y1, x2, y2 = record.boxes[row].tolist()
    share = rng.uniform(*CENTRE_RANGE, size=2)
    left = (x1 + x2) / 2 - share[0] * size[0]
    top = (y1 + y2) / 2 - share[1] * size[1]
    return _placed(record, left, top, size, rng)


def window_anywhere(record: ImageRecord, size: tuple[int, int], rng: np.random.Generator) -> Window:
    """The emptiest of a few windows drawn evenly over the picture; arguments as `window_around`."""
    centres = (record.boxes[~record.ignore, :2] + record.boxes[~record.ignore, 2:]) / 2
    best: Window | None = None
    fewest = len(centres) + 1
    for _ in range(NUM_EMPTY_TRIES):
        left = rng.uniform(0, max(record.width - size[0], 0))
        top = rng.uniform(0, max(record.height - size[1], 0))
        window = _placed(record, left, top, size, rng)
        inside = (centres >= window[:2]) & (centres < window[2:])
        count = int(inside.all(axis=1).sum())
        if count < fewest:
            best, fewest = window, count
        if fewest == 0:
            break
    assert best is not None  # the first try has at most len(centres)
    return best


def _placed(
    record: ImageRecord, left: float, top: float, size: tuple[int, int], rng: np.random.Generator
) -> Window:
    x0 = _fitted(left, size[0], record.width, rng)
    y0 = _fitted(top, size[1], record.height, rng)
    return (x0, y0, x0 + size[0], y0 + size[1])


def _fitted(start: float, length: int, extent: int, rng: np.random.Generator) -> int:
    """Moved inside the picture; around it at random where the window is the larger one."""
    if length > extent:
        return int(rng.integers(extent - length, 1))
    return round(min(max(start, 0.0), float(extent - length)))


def labels_in(
    record: ImageRecord,
    view: View,
    num_classes: int,
    *,
    min_visible_frac: float,
    mute_difficult: bool = False,
    oriented: bool = False,
) -> Target:
    """The labels of a tile.

    Objects of which less than `min_visible_frac` is inside, or that come out under a pixel, are
    mute regions of their class, as are ignore regions: neither object nor background. Classes that
    nobody labelled here are mute over the part of the tile that the picture fills.

    Args:
        record: the picture.
        view: what the tile shows of it.
        num_classes: classes of the run.
        min_visible_frac: smallest visible part of an object's area that still makes an object.
        mute_difficult: objects marked difficult become mute regions too.
        oriented: with oriented boxes, which then say what is visible; see `oriented_parts`.

    Returns:
        Labels in pixels of the tile, held within it.
    """
    if oriented and record.rboxes is not None:
        parts = oriented_parts(record.rboxes, view)
    else:
        parts = upright_parts(record.boxes, view)
    seen = parts.shown > 0
    trained = (
        seen
        & ~record.ignore
        & (parts.shown >= min_visible_frac * parts.whole)
        & (parts.thinnest_px >= MIN_SIDE_PX)
    )
    if mute_difficult:
        trained &= ~record.difficult
    muted = seen & ~trained
    boxes = parts.boxes
    mute_boxes, mute_classes = boxes[muted], np.eye(num_classes, dtype=bool)[record.labels[muted]]
    if record.unknown:
        area = extent_in_view(record.width, record.height, view)
        classes = np.isin(np.arange(num_classes), list(record.unknown))
        mute_boxes = np.concatenate([mute_boxes, area[None]])
        mute_classes = np.concatenate([mute_classes, classes[None]])
    return Target(
        torch.from_numpy(boxes[trained]),
        torch.from_numpy(record.labels[trained]),
        torch.from_numpy(mute_boxes),
        torch.from_numpy(mute_classes),
        None if oriented else _masks_in(record, trained, view),
        None if parts.rboxes is None else torch.from_numpy(parts.rboxes[trained]),
    )


def _masks_in(record: ImageRecord, trained: NDArray[np.bool_], view: View) -> Tensor | None:
    """(N, MASK_PX, MASK_PX) int8, what is seen of the trained objects' shapes; see `Target`."""
    if record.masks is None:
        return None
    bits = np.unpackbits(record.masks[trained], axis=1)
    whole = torch.from_numpy(bits).view(-1, MASK_PX, MASK_PX)
    boxes = record.boxes[trained]
    low, high = (np.array(view.window[i : i + 2] * 2, dtype=np.float32) for i in (0, 2))
    seen = torch.from_numpy(np.clip(boxes, low, high))
    masks = (regrid(whole, torch.from_numpy(boxes), seen) >= 0.5).to(torch.int8)
    masks[(whole == 0).flatten(1).all(1)] = -1
    return masks


def object_rows(record: ImageRecord, mute_difficult: bool = False) -> NDArray[np.int64]:
    """Rows of the objects that training may look for."""
    hidden = record.ignore | record.difficult if mute_difficult else record.ignore
    return np.flatnonzero(~hidden)
