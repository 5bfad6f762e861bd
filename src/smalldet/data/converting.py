"""Labelled pictures from one format to another, with what the other cannot keep told first."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from smalldet.data.formats.label_format import Writer
from smalldet.data.formats.label_source import LabelSource
from smalldet.data.formats.read_labels import label_splits, read_labels
from smalldet.data.formats.table import WRITERS
from smalldet.data.index import ImageRecord, Index
from smalldet.geometry.oriented import enclosing_boxes

BORDER_PX = 0.5
"""Less is rounding."""


def _num_over(record: ImageRecord) -> int:
    """Oriented boxes that reach over the border of their picture."""
    if record.rboxes is None:
        return 0
    boxes = enclosing_boxes(torch.from_numpy(record.rboxes)).numpy()
    size = np.array((record.width, record.height))
    over = (boxes[:, :2] < -BORDER_PX) | (boxes[:, 2:] > size + BORDER_PX)
    return int(over.any(axis=1).sum())


PARTS: dict[str, tuple[str, Callable[[ImageRecord], int]]] = {
    "ignore": ("regions to ignore", lambda record: int(record.ignore.sum())),
    "difficult": ("difficult objects", lambda record: int(record.difficult.sum())),
    "masks": (
        "outlines",
        lambda record: 0 if record.masks is None else int(record.masks.any(axis=1).sum()),
    ),
    "rboxes": (
        "oriented boxes (upright ones are written)",
        lambda record: 0 if record.rboxes is None else len(record.rboxes),
    ),
    "corners_outside": ("oriented boxes whose corners are cut at the border", _num_over),
    "gsd_m": ("pictures' metres a pixel", lambda record: int(record.gsd_m is not None)),
    "unknown": (
        "pictures with classes that may be there without a label",
        lambda record: int(bool(record.unknown)),
    ),
}
"""What a format may not keep: {as `LOSES` names it: (for people, how many of it a picture has)}."""


def losses(index: Index, writer: Writer) -> list[str]:
    """What an Index has that a format cannot keep, a line each with how many; empty for none."""
    lines = []
    for part in writer.loses:
        what, count = PARTS[part]
        num = sum(count(record) for record in index.records)
        if num:
            lines.append(f"{num:,} {what}")
    return lines


def convert_labels(
    source: LabelSource,
    to: str,
    out_dir: Path,
    *,
    on_losses: Callable[[str, list[str]], None] | None = None,
) -> list[Path]:
    """Write labelled pictures in another format, each split for itself.

    Pictures are linked, not copied, where the format has them in a folder of its own.

    Args:
        source: any labels that can be read.
        to: name of a format in `table.WRITERS`.
        out_dir: folder to write to.
        on_losses: called before a split is written with its name and what gets lost.

    Returns:
        the files written.

    Raises:
        FileNotFoundError, ValueError: labels cannot be read, or not be written in that format.
    """
    if to not in WRITERS:
        raise ValueError(f"cannot write {to!r}; give one of {', '.join(WRITERS)}")
    writer = WRITERS[to]
    indexes = {
        split: read_labels(source, split=split, with_masks=True)
        for split in label_splits(source.annotations) or (None,)
    }
    for split, index in indexes.items():
        lost = losses(index, writer)
        if lost and on_losses is not None:
            on_losses(split or "train", lost)
    written: list[Path] = []
    for split, index in indexes.items():
        written += writer.write(index, out_dir, split or "train")
    return written
