"""DOTA's folder of results, a text for each class: what the devkit and the server take.

A line of `Task1_CLASS.txt` is picture, score, x1 y1 x2 y2 x3 y3 x4 y4; of `Task2_CLASS.txt`
picture, score, x1 y1 x2 y2. Pictures are named without their endings.

Layout: https://captain-whu.github.io/DOTA/tasks.html, `Submission Format`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from smalldet.data.formats.corners import rboxes_round
from smalldet.data.formats.lines import (
    TextLines,
    codes_of,
    floats_of,
    origins_of,
    read_lines,
)
from smalldet.geometry.oriented import enclosing_boxes

FILES = "Task[12]_*.txt"
LAYOUTS = {
    "Task1": "picture score x1 y1 x2 y2 x3 y3 x4 y4",
    "Task2": "picture score x1 y1 x2 y2",
}
MAX_FILE_BYTES = 1 << 30
"""Ten million detections of a class."""


@dataclass(frozen=True, eq=False)
class DotaResults:
    """N detections.

    Attributes:
        picture_names: of the pictures, in the order in which they come.
        class_names: of the files, in their order.
        pictures: (N,) int64, places in `picture_names`.
        labels: (N,) int64, places in `class_names`.
        scores: (N,) float64.
        boxes: (N, 4) float64 xyxy pixels; round the oriented boxes where there are any.
        rboxes: (N, 5) oriented boxes, the smallest round the corners; None of Task2.
    """

    picture_names: list[str]
    class_names: tuple[str, ...]
    pictures: NDArray[np.int64]
    labels: NDArray[np.int64]
    scores: NDArray[np.float64]
    boxes: NDArray[np.float64]
    rboxes: NDArray[np.float64] | None


def is_dota_results(path: Path) -> bool:
    """Whether this is a folder that has such a text."""
    return path.is_dir() and any(path.glob(FILES))


def read_dota_results(folder: Path) -> DotaResults:
    """All detections of a folder of `Task1_*.txt` or `Task2_*.txt`.

    Raises:
        FileNotFoundError: there are no such files.
        ValueError: there are files of both tasks, or a line is wrong; names file and line.
    """
    files = sorted(folder.glob(FILES))
    if not files:
        raise FileNotFoundError(f"{folder}: has no Task1_CLASS.txt of DOTA's results")
    tasks = sorted({file.name[:5] for file in files})
    if len(tasks) > 1:
        raise ValueError(f"{folder}: has results of Task1 and of Task2; name a folder of one")
    layout = LAYOUTS[tasks[0]]
    names: dict[str, int] = {}
    batches: list[TextLines] = []
    parts: list[tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]] = []
    for batch in read_lines(files, max_file_bytes=MAX_FILE_BYTES):
        parts.append(_columns(batch, layout, names))
        batches.append(batch.without_words())
    pictures = np.concatenate([part[0] for part in parts])
    labels = np.concatenate([part[1] for part in parts])
    numbers = np.concatenate([part[2] for part in parts])
    boxes, rboxes = numbers[:, 1:], None
    if tasks == ["Task1"]:
        rboxes = rboxes_round(boxes, origins_of(files, batches).where).astype(np.float64)
        boxes = enclosing_boxes(torch.from_numpy(rboxes)).double().numpy()
    class_names = tuple(file.stem.partition("_")[2] for file in files)
    return DotaResults(list(names), class_names, pictures, labels, numbers[:, 0], boxes, rboxes)


def _columns(
    lines: TextLines, layout: str, names: dict[str, int]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """Pictures, labels, and numbers from the score on; a picture's name may have space in it."""
    width = len(layout.split()) - 1
    short = lines.counts <= width
    if short.any():
        raise ValueError(f"{lines.where(int(short.argmax()))}, not {layout}")
    starts = lines.first + lines.counts - width
    words = lines.words[(starts[:, None] + np.arange(width)).ravel()]
    numbers = floats_of(words.tolist()).reshape(-1, width)
    wrong = ~np.isfinite(numbers).all(axis=1)
    if wrong.any():
        raise ValueError(f"{lines.where(int(wrong.argmax()))}, not {layout}")
    spans = zip(lines.first.tolist(), starts.tolist(), strict=True)
    pictures = codes_of([b" ".join(lines.words[low:high]) for low, high in spans], names)
    return pictures, lines.file_rows, numbers
