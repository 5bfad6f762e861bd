"""Pictures of the worst cases: misses and false alarms, drawn."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from smalldet.atomic_write import atomic_write
from smalldet.data.index import ImageRecord, Index
from smalldet.evaluation.matching import Matches
from smalldet.evaluation.rows import Rows
from smalldet.imagery import open_scene
from smalldet.imagery.drawing import Colour, outline_boxes, outline_rboxes, picture_of, write_text
from smalldet.inference.writers.picture import save_picture

_WINDOW_PX = 1024
_COLOURS: dict[str, Colour] = {
    "ignored": (150, 150, 150),
    "found": (60, 200, 60),
    "missed": (255, 200, 0),
    "false alarms": (255, 50, 50),
}


def draw_worst(index: Index, matches: Matches, out: Path, limit: int = 12) -> list[Path]:
    """Write `worst_01.jpg` and on, for the pictures with the most misses and false alarms.

    Of a picture larger than 1024 px the window with the most mistakes is shown; a smaller one is
    enlarged by a whole number to at least that. Green: objects found; yellow: missed; red: false
    alarms; grey: ignore regions.

    Returns:
        The files written, worst first.
    """
    mistakes = np.concatenate(
        [
            matches.truth.pictures[matches.missed],
            matches.detections.pictures[matches.false_alarm],
        ]
    )
    totals = np.bincount(mistakes, minlength=len(index))
    order = np.argsort(-totals, kind="stable")[:limit]
    paths: list[Path] = []
    for picture in order[totals[order] > 0].tolist():
        paths.append(out / f"worst_{len(paths) + 1:02d}.jpg")
        image = _drawn(index, matches, picture)
        with atomic_write(paths[-1]) as draft:
            save_picture(draft, image)
    return paths


def _drawn(index: Index, matches: Matches, picture: int) -> Image.Image:
    record = index.records[picture]
    truth_here = matches.truth.pictures == picture
    detected_here = matches.detections.pictures == picture
    layers = {
        "ignored": matches.truth[truth_here & matches.truth.ignore],
        "found": matches.truth[truth_here & matches.reached],
        "missed": matches.truth[truth_here & matches.missed],
        "false alarms": matches.detections[detected_here & matches.false_alarm],
    }
    window = _window(record, np.concatenate([layers["missed"].boxes, layers["false alarms"].boxes]))
    with open_scene(record.path) as scene:
        image = picture_of(scene.read(window))
    scale = -(-_WINDOW_PX // max(image.size))
    image = image.resize((image.width * scale, image.height * scale), Image.Resampling.NEAREST)
    draw = ImageDraw.Draw(image)
    for kind, rows in layers.items():
        _draw_rows(draw, rows, window, scale, kind, index.class_names)
    summary = ", ".join(f"{len(rows)} {kind}" for kind, rows in layers.items() if len(rows))
    write_text(draw, (2, 2), f"{record.path.name} {window}: {summary}")
    return image


def _window(record: ImageRecord, mistakes: NDArray[np.float64]) -> tuple[int, int, int, int]:
    """The part of the picture, xyxy, that holds most centres of mistakes."""
    columns, rows = (-(-side // _WINDOW_PX) for side in (record.width, record.height))
    centres = (mistakes[:, :2] + mistakes[:, 2:]) / 2
    cells = np.clip(centres // _WINDOW_PX, 0, [columns - 1, rows - 1]).astype(np.int64)
    best = int(np.bincount(cells[:, 1] * columns + cells[:, 0]).argmax())
    # The last window of a row or column ends at the border, so that it is not a sliver.
    left = max(0, min(best % columns * _WINDOW_PX, record.width - _WINDOW_PX))
    top = max(0, min(best // columns * _WINDOW_PX, record.height - _WINDOW_PX))
    right, bottom = min(left + _WINDOW_PX, record.width), min(top + _WINDOW_PX, record.height)
    return left, top, right, bottom


def _draw_rows(
    draw: ImageDraw.ImageDraw,
    rows: Rows,
    window: tuple[int, int, int, int],
    scale: int,
    kind: str,
    class_names: tuple[str, ...],
) -> None:
    """Boxes in the colour of what they are, as they lie; mistakes with their class."""
    boxes = (rows.boxes - np.array(window[:2] * 2)) * scale
    paint = [_COLOURS[kind]] * len(boxes)
    if rows.rboxes is None:
        outline_boxes(draw, boxes, paint)
    else:
        placed = rows.rboxes - np.array([*window[:2], 0, 0, 0])
        outline_rboxes(draw, placed * (scale, scale, scale, scale, 1), paint)
    if kind not in ("missed", "false alarms"):
        return
    for (x1, _, _, y2), label, score in zip(
        boxes.tolist(), rows.labels.tolist(), rows.scores.tolist(), strict=True
    ):
        text = class_names[label] + (f" {score:.2f}" if kind == "false alarms" else "")
        write_text(draw, (x1 - 1, y2 + 2), text, _COLOURS[kind])
