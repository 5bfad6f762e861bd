"""Pictures and detections that are written down in a line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from smalldet.data.index import ImageRecord, Index
from smalldet.detections import Detections

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


def index(*records: ImageRecord, names: tuple[str, ...] = ("car", "person")) -> Index:
    return Index(names, records)
