"""A detector of oriented boxes that is made up: truth as tiles show it, jittered, with mistakes.

A detector errs alike about an object wherever it sees it: most of the error is the object's, and
every view adds some of its own. So what tiles lose against the whole picture is lost by their cuts
and by the merge. What a tile shows of an object that it cuts is reported either as a piece in the
object's own direction, which is what smalldet trains on, or as the smallest rectangle round the
visible part.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from smalldet.data.index import ImageRecord
from smalldet.data.parts_in_view import View, oriented_parts
from smalldet.detections import TileDetections
from smalldet.geometry.oriented import canonical, enclosing_boxes, min_area_rectangle
from smalldet.geometry.oriented import rboxes_to_quads as corners_of
from smalldet.geometry.polygons import parts_in_windows
from smalldet.geometry.tiles import interior_cuts

MIN_SHOWN_FRAC = 0.3  # of an object, in a tile that reports it; as in training
MISSED_FRAC = 0.1  # of the objects, and of the views of those that are cut
EDGE_PX, EDGE_FRAC = 0.2, 0.05  # sigma of each edge: pixels, and parts of the object's side
ANGLE_RAD = 0.05
VIEW = 0.4  # error that every view adds, in that of the object
FALSE_ALARMS = 2e-5  # for a pixel of the picture, on average

Style = Literal["piece", "rectangle"]


def seen_in(
    record: ImageRecord, tiles: Tensor, style: Style, class_names: tuple[str, ...], seed: int
) -> TileDetections:
    """What the made-up detector finds in tiles (T, 4) int64 of a picture."""
    things, labels, strength = _things(record, len(class_names), seed)
    rng = np.random.default_rng((seed, record.image_id, len(tiles)))
    parts = [_in_tile(things, window, style) for window in tiles.tolist()]
    shown = np.stack([frac for _, frac in parts])
    seen = shown >= MIN_SHOWN_FRAC
    seen &= (shown > 0.999) | (rng.random(seen.shape) >= MISSED_FRAC)
    tile, rows = np.nonzero(seen)
    rboxes = torch.from_numpy(_jittered(np.stack([one for one, _ in parts])[seen], rng, VIEW))
    scores = strength[rows] * np.sqrt(shown[seen]) + rng.normal(0, 0.03, len(rows))
    boxes, of_tile = enclosing_boxes(rboxes.float()), torch.from_numpy(tile)
    return TileDetections(
        boxes,
        torch.from_numpy(scores).float().clamp(0.01, 0.99),
        torch.from_numpy(labels[rows]),
        of_tile,
        interior_cuts(boxes, of_tile, tiles, record.width, record.height),
        tiles,
        class_names,
        rboxes=rboxes.float(),
    )


def _things(
    record: ImageRecord, num_classes: int, seed: int
) -> tuple[NDArray[np.float32], NDArray[np.int64], NDArray[np.float64]]:
    """What the detector takes for objects: oriented boxes (N, 5), labels, and how sure it is.

    Objects but for those that it misses, jittered, and things on the ground that are none.
    """
    rng = np.random.default_rng((seed, record.image_id))
    assert record.rboxes is not None
    rows = np.flatnonzero(~record.ignore)
    rows = rows[rng.random(len(rows)) >= MISSED_FRAC]
    num = rng.poisson(FALSE_ALARMS * record.width * record.height)
    sides = np.sort(rng.uniform(4, 40, (num, 2)), axis=1)[:, ::-1]
    angles = rng.uniform(-np.pi / 2, np.pi / 2, (num, 1))
    centres = rng.random((num, 2)) * (record.width, record.height)
    objects = _jittered(record.rboxes[rows].astype(np.float64), rng)
    return (
        np.concatenate([objects, np.concatenate([centres, sides, angles], 1)]).astype(np.float32),
        np.concatenate([record.labels[rows], rng.integers(0, num_classes, num)]),
        np.concatenate([rng.beta(4, 2, len(rows)), rng.beta(2, 4, num)]),
    )


def _in_tile(
    truth: NDArray[np.float32], window: list[int], style: Style
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Oriented boxes (N, 5) in the picture, and the parts (N,) of the objects that are shown."""
    x1, y1, x2, y2 = window
    parts = oriented_parts(truth, View((x1, y1, x2, y2), (x2 - x1, y2 - y1)))
    shown = parts.shown / np.maximum(parts.whole, 1e-9)
    if style == "piece":
        assert parts.rboxes is not None
        return parts.rboxes + np.array([x1, y1, 0, 0, 0], dtype=np.float64), shown
    quads = corners_of(torch.from_numpy(truth).double())
    visible = parts_in_windows(quads, torch.tensor(window, dtype=torch.float64))
    return min_area_rectangle(visible).numpy(), shown


def _jittered(
    rboxes: NDArray[np.float64], rng: np.random.Generator, size: float = 1.0
) -> NDArray[np.float64]:
    """Each edge moved by itself, and the whole turned."""
    sides = rboxes[:, 2:4]
    first, second = rng.normal(0, size, (2, len(rboxes), 2)) * (EDGE_PX + EDGE_FRAC * sides)
    cos, sin = np.cos(rboxes[:, 4]), np.sin(rboxes[:, 4])
    along, across = ((first + second) / 2).T
    centres = rboxes[:, :2] + np.stack([along * cos - across * sin, along * sin + across * cos], 1)
    grown = np.maximum(sides + second - first, 1)
    angles = rboxes[:, 4:] + rng.normal(0, size * ANGLE_RAD, (len(rboxes), 1))
    moved = torch.from_numpy(np.concatenate([centres, grown, angles], axis=1))
    return canonical(moved).numpy()
