"""Pictures and detections that are written down in a line."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from smalldet.data.index import ImageRecord, Index
from smalldet.detections import Detections
from smalldet.geometry.oriented import enclosing_boxes

Row = tuple[float, ...]


def picture(
    *objects: Row, ignore: tuple[int, ...] = (), side: int = 1000, gsd_m: float | None = None
) -> ImageRecord:
    """Objects are (class, x, y, w, h)."""
    rows = np.array(objects, dtype=np.float32).reshape(-1, 5)
    num = len(rows)
    return ImageRecord(
        path=Path("a.png"),
        width=side,
        height=side,
        boxes=np.concatenate([rows[:, 1:3], rows[:, 1:3] + rows[:, 3:]], axis=1),
        labels=rows[:, 0].astype(np.int64),
        ignore=np.isin(np.arange(num), ignore),
        difficult=np.zeros(num, dtype=np.bool_),
        image_id=7,
        gsd_m=gsd_m,
    )


def found(*objects: Row, names: tuple[str, ...] = ("car", "person")) -> Detections:
    """Detections are (score, class, x, y, w, h)."""
    rows = torch.tensor(objects, dtype=torch.float32).reshape(-1, 6)
    boxes = torch.cat([rows[:, 2:4], rows[:, 2:4] + rows[:, 4:]], dim=1)
    return Detections(boxes, rows[:, 0], rows[:, 1].long(), names)


def oriented_picture(*objects: Row, ignore: tuple[int, ...] = (), side: int = 1000) -> ImageRecord:
    """Objects are (class, cx, cy, w, h, degrees)."""
    rows = np.array(objects, dtype=np.float64).reshape(-1, 6)
    rboxes, boxes = _turned(rows[:, 1:])
    corners = np.concatenate([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], axis=1)
    record = picture(*map(tuple, np.column_stack([rows[:, 0], corners])), ignore=ignore, side=side)
    return replace(record, rboxes=rboxes.astype(np.float32))


def oriented_found(*objects: Row, names: tuple[str, ...] = ("car", "person")) -> Detections:
    """Detections are (score, class, cx, cy, w, h, degrees)."""
    rows = np.array(objects, dtype=np.float64).reshape(-1, 7)
    rboxes, boxes = (torch.from_numpy(part) for part in _turned(rows[:, 2:]))
    scores, labels = torch.from_numpy(rows[:, 0]).float(), torch.from_numpy(rows[:, 1]).long()
    return Detections(boxes.float(), scores, labels, names, rboxes.float())


def _turned(rows: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    rboxes = torch.from_numpy(np.column_stack([rows[:, :4], np.radians(rows[:, 4])]))
    return rboxes.numpy(), enclosing_boxes(rboxes).numpy()


def index(*records: ImageRecord, names: tuple[str, ...] = ("car", "person")) -> Index:
    return Index(names, records)
