"""The formats of labels, in one table. A new one is a file of its own and a line here."""

from __future__ import annotations

from smalldet.data.formats import coco, coco_splits, dota, voc, yolo_text
from smalldet.data.formats.label_format import LabelFormat

# The first that recognises a file or folder reads it.
FORMATS: tuple[LabelFormat, ...] = (
    coco_splits.FORMAT,
    coco.FORMAT,
    voc.FORMAT,
    yolo_text.FORMAT,
    dota.FORMAT,
)
