"""Doubt about the way in which oriented boxes turn, by the edges that their pictures show.

Upright boxes tell nothing of it: those round a box and round its mirror image are the same. But an
object's sides differ from the ground beside them, and that along their whole length.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray

from smalldet.checking.findings import Example, Finding, Severity, counted, share
from smalldet.checking.labelled_set import LabelledSet
from smalldet.data.formats.corners import MISREADINGS, misread, telling
from smalldet.data.index import ImageRecord
from smalldet.geometry.oriented import rboxes_to_quads
from smalldet.imagery import open_scene

MAX_PICTURES, MAX_OBJECTS = 60, 20
"""Pictures looked at, evenly spread, and objects of each."""
MIN_SIDE_PX = 5.0
MIN_OBJECTS = 40
MIN_SHARE = 0.58
MIN_DEVIATIONS = 4.0
POINTS_PER_SIDE = 12
BESIDE_PX = 1.5
"""How far in and out of a side pixels are compared."""


def find(labelled: LabelledSet) -> Iterator[Finding]:
    """Angles that would suit the pictures better if they were read in another way."""
    looks = labelled.looks or {}
    records = [record for record in labelled.records if _rows(record).size]
    records = [one for one in records if one.path in looks and looks[one.path].error is None]
    step = max(1, len(records) // MAX_PICTURES)
    chosen = records[::step][:MAX_PICTURES]
    parts = [_contrasts(record) for record in chosen]
    num = sum(map(len, parts))
    if num < MIN_OBJECTS:
        return
    contrasts = np.concatenate(parts)
    better = (contrasts[:, 1:] > contrasts[:, :1]).mean(axis=0)
    best = int(better.argmax())
    deviations = (better[best] - 0.5) * 2 * np.sqrt(num)
    if better[best] < MIN_SHARE or deviations < MIN_DEVIATIONS:
        return
    how = [*MISREADINGS][best]
    wins = int((contrasts[:, 1 + best] > contrasts[:, 0]).sum())
    yield Finding(
        Severity.WARNING,
        wins,
        f"{wins:,} of {counted(num, 'oriented box', 'oriented boxes')} looked at "
        f"({share(wins, num)}) would lie better on the edges in their pictures by other angles, "
        f"which seem to {how}",
        "angles are radians, clockwise on the screen, of the side w; corners say it without doubt",
        tuple(_example(record) for record in chosen),
    )


def _rows(record: ImageRecord) -> NDArray[np.int64]:
    """The objects to look at: long, well turned, and not too small to have sides."""
    if record.rboxes is None:
        return np.zeros(0, dtype=np.int64)
    seen = telling(record.rboxes.astype(np.float64)) & ~record.ignore
    seen &= record.rboxes[:, 3] >= MIN_SIDE_PX
    return np.flatnonzero(seen)[:MAX_OBJECTS]


def _contrasts(record: ImageRecord) -> NDArray[np.float64]:
    """(N, 1 + M) grey levels across the sides: by the angles as they are, and misread M ways."""
    assert record.rboxes is not None
    rboxes = record.rboxes[_rows(record)].astype(np.float64)
    readings = np.stack([rboxes, *(misread(rboxes, how) for how in MISREADINGS)], axis=1)
    reach = np.hypot(rboxes[:, 2], rboxes[:, 3]) / 2 + BESIDE_PX + 1
    rows: list[NDArray[np.float64]] = []
    with open_scene(record.path) as scene:
        for read, far in zip(readings, reach.tolist(), strict=True):
            low = np.maximum(np.floor(read[0, :2] - far), 0)
            high = np.minimum(np.ceil(read[0, :2] + far), (scene.width, scene.height))
            if (high - low < 2).any():
                continue
            x1, y1, x2, y2 = (*low.astype(int).tolist(), *high.astype(int).tolist())
            grey = scene.read((x1, y1, x2, y2)).mean(axis=0, dtype=np.float64)
            rows.append(_contrast(grey, read - np.array([*low, 0, 0, 0])))
    return np.array(rows, dtype=np.float64).reshape(-1, 1 + len(MISREADINGS))


def _contrast(grey: NDArray[np.float64], rboxes: NDArray[np.float64]) -> NDArray[np.float64]:
    """(N,) differences between outside and inside, by the mean of each side.

    So ground of many colours counts for little.
    """
    corners = rboxes_to_quads(torch.from_numpy(rboxes)).numpy()
    sides = np.roll(corners, -1, axis=1) - corners
    along = (np.arange(POINTS_PER_SIDE) + 0.5) / POINTS_PER_SIDE
    points = corners[:, :, None] + sides[:, :, None] * along[:, None]
    out = np.stack([sides[..., 1], -sides[..., 0]], axis=-1)
    out *= BESIDE_PX / np.maximum(np.linalg.norm(out, axis=-1, keepdims=True), 1e-9)
    outside, inside = (_sampled(grey, points + sign * out[:, :, None]) for sign in (1, -1))
    return np.abs((outside - inside).mean(axis=2)).mean(axis=1)


def _sampled(grey: NDArray[np.float64], points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Grey levels at points (..., 2), linear between the middles of pixels."""
    size = np.array(grey.shape[::-1])
    places = np.clip(points - 0.5, 0, size - 1 - 1e-6)
    first = places.astype(np.int64)
    (x, y), (u, v) = np.moveaxis(first, -1, 0), np.moveaxis(places - first, -1, 0)
    upper = grey[y, x] * (1 - u) + grey[y, x + 1] * u
    lower = grey[y + 1, x] * (1 - u) + grey[y + 1, x + 1] * u
    return upper * (1 - v) + lower * v


def _example(record: ImageRecord) -> Example:
    assert record.rboxes is not None
    cx, cy, w, h, angle = record.rboxes[_rows(record)[0]].tolist()
    return Example(record.path, caption="as the labels have it", rboxes=((cx, cy, w, h, angle),))
