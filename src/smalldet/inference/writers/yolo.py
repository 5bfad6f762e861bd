"""YOLO text with scores, as Ultralytics writes it with `save_txt` and `save_conf`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from smalldet.atomic_write import write_text
from smalldet.data.formats.picture_links import distinct_names
from smalldet.geometry.boxes import xyxy_to_cxcywh
from smalldet.inference.options import MapOptions
from smalldet.inference.results import Result
from smalldet.inference.writers.placing import quads

DIGITS = 8


def write_yolo(folder: Path, results: Sequence[Result], maps: MapOptions) -> list[Path]:
    """`labels/` with a text for each picture, named as it is, and `classes.txt`.

    A line is the class's number from 0, then cx cy w h, or the four corners of an oriented box, in
    parts of the picture's width and height, then the score. `maps` has no meaning in it.

    Returns:
        the files.
    """
    names = distinct_names([Path(result.name) for result in results])
    files = [folder / "labels" / f"{Path(name).stem}.txt" for name in names]
    for file, result in zip(files, results, strict=True):
        write_text(file, _lines(result))
    classes = folder / "classes.txt"
    write_text(classes, "".join(f"{name}\n" for name in results[0].detections.class_names))
    return [*files, classes]


def _lines(result: Result) -> str:
    found, size = result.detections, np.array([result.width, result.height], dtype=np.float64)
    if found.rboxes is None:
        parts = xyxy_to_cxcywh(found.boxes.double()).numpy() / np.tile(size, 2)
    else:
        parts = (quads(result) / size).reshape(-1, 8)
    return "".join(
        f"{label} {' '.join(f'{value:.{DIGITS}f}' for value in row)} {score:.5f}\n"
        for label, row, score in zip(
            found.labels.tolist(), parts.tolist(), found.scores.tolist(), strict=True
        )
    )
