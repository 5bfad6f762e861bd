"""Lines of YOLO label files: boxes, oriented boxes and outlines.

A line is the class's number from 0, then parts of the picture's width and height: cx cy w h (5
words), four corners (9 words), or an outline of at least 3 points (7 words or more, an odd number).

Layouts: https://docs.ultralytics.com/datasets/detect/, https://docs.ultralytics.com/datasets/obb/,
https://docs.ultralytics.com/datasets/segment/.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from smalldet.data.formats.corners import rboxes_round
from smalldet.data.formats.lines import Origins, TextLines, floats_of, origins_of, read_lines
from smalldet.data.formats.object_columns import ObjectColumns, upright

logger = logging.getLogger(__name__)

BOX, QUAD, MIN_OUTLINE = 5, 9, 7
LAYOUT = (
    f"class cx cy w h ({BOX} words), class and 4 corners ({QUAD} words), or class and an outline "
    f"of 3 points or more ({MIN_OUTLINE} words or more, an odd number)"
)
# What rounding to a few digits leaves over the border.
TOLERANCE = 0.01
# Corners of oriented boxes at the border may lie outside; pixels lie farther out.
CORNER_TOLERANCE = 1.0


def objects_of(
    files: Sequence[Path],
    sizes: NDArray[np.int64],
    num_classes: int,
    *,
    with_masks: bool = False,
    mixed: bool = False,
) -> tuple[ObjectColumns, Origins]:
    """The objects of F label files.

    Files of boxes may stand beside files of oriented boxes or of outlines. Lines of four points are
    oriented boxes, but outlines in a set that has outlines of other numbers of points.

    Args:
        files: F files of UTF-8 text.
        sizes: (F, 2) widths and heights of their pictures.
        num_classes: classes of the set.
        with_masks: keep outlines.
        mixed: boxes may stand beside longer lines in one file.

    Returns:
        columns whose `pictures` are places in `files`, and where each object stands.

    Raises:
        ValueError: a line is wrong, or a file mixes kinds of lines; names file and line.
    """
    batches: list[TextLines] = []
    labels, boxes, kinds, quads, rings = [], [], [], [], []
    for batch in read_lines(files):
        values = _values(batch)
        _refuse_layouts(batch, mixed)
        labels.append(values[batch.first])
        kinds.append(batch.counts)
        corners, ring = _corners(batch, values)
        boxes.append(corners)
        rings += ring if with_masks else []
        fours = np.zeros((len(batch), 8))
        rows = np.flatnonzero(batch.counts == QUAD)
        fours[rows] = values[batch.first[rows, None] + np.arange(1, QUAD)]
        quads.append(fours)
        batches.append(batch.without_words())
    origins = origins_of(files, batches)
    counts = np.concatenate([np.zeros(0, dtype=np.int64), *kinds])
    box_parts = np.concatenate([np.zeros((0, 4)), *boxes])
    quad_parts = np.concatenate([np.zeros((0, 8)), *quads])
    numbers = np.concatenate([np.zeros(0), *labels])
    other = (counts > BOX) & (counts != QUAD)
    oriented = bool((counts == QUAD).any() and not other.any())
    _tell_few_outlines(origins, counts, other)
    _refuse_values(origins, numbers, box_parts, counts, num_classes, oriented)
    scale = sizes[origins.file_rows].astype(np.float64)
    corners = box_parts * np.tile(scale, 2)
    rboxes = None
    if oriented:
        rboxes = upright(corners)
        fours = np.flatnonzero(counts == QUAD)
        placed = quad_parts[fours] * np.tile(scale[fours], 4)
        rboxes[fours] = rboxes_round(placed, lambda row: origins.where(int(fours[row])))
    outlines = None
    if with_masks and not oriented:
        longer = np.flatnonzero(counts > BOX).tolist()
        outlines = {
            row: ring * np.tile(scale[row], len(ring) // 2)
            for row, ring in zip(longer, rings, strict=True)
        }
    none = np.zeros(len(counts), dtype=np.bool_)
    columns = ObjectColumns(
        pictures=origins.file_rows,
        boxes=corners,
        labels=numbers.astype(np.int64),
        ignore=none,
        difficult=none,
        rboxes=rboxes,
        outlines=outlines,
    )
    return columns, origins


def _values(batch: TextLines) -> NDArray[np.float64]:
    """(W,) all words as numbers."""
    values = floats_of(batch.words.tolist())
    wrong = ~np.isfinite(values)
    if wrong.any():
        row = int(np.searchsorted(batch.first, wrong.argmax(), side="right")) - 1
        raise ValueError(f"{batch.where(row)}, not {LAYOUT}")
    return values


def _refuse_layouts(batch: TextLines, mixed: bool) -> None:
    counts = batch.counts
    wrong = (counts != BOX) & ((counts < MIN_OUTLINE) | (counts % 2 == 0))
    if wrong.any():
        row = int(wrong.argmax())
        raise ValueError(f"{batch.where(row)}, {counts[row]} words, not {LAYOUT}")
    is_box = counts == BOX
    if mixed or is_box.all() or not is_box.any():
        return
    same_file = batch.file_rows[1:] == batch.file_rows[:-1]
    change = np.flatnonzero(same_file & (is_box[1:] != is_box[:-1]))
    if len(change):
        row = int(change[0])
        file = batch.files[batch.file_rows[row]]
        raise ValueError(
            f"{file}: mixes kinds: line {batch.line_numbers[row]} has {counts[row]} words, line "
            f"{batch.line_numbers[row + 1]} has {counts[row + 1]}; make all lines boxes or all "
            "outlines, or allow it by mixed=True"
        )


def _corners(
    batch: TextLines, values: NDArray[np.float64]
) -> tuple[NDArray[np.float64], list[NDArray[np.float64]]]:
    """(L, 4) xyxy parts, and the rings of the lines that are longer than boxes."""
    corners = np.empty((len(batch), 4))
    rows = np.flatnonzero(batch.counts == BOX)
    cxcywh = values[batch.first[rows, None] + np.arange(1, BOX)]
    # A side below 0 leaves its corners in the wrong order, which is refused later.
    corners[rows, :2] = cxcywh[:, :2] - cxcywh[:, 2:] / 2
    corners[rows, 2:] = cxcywh[:, :2] + cxcywh[:, 2:] / 2
    rows = np.flatnonzero(batch.counts > BOX)
    if not len(rows):
        return corners, []
    lengths = batch.counts[rows] - 1
    starts = np.cumsum(lengths) - lengths
    places = np.repeat(batch.first[rows] + 1 - starts, lengths) + np.arange(int(lengths.sum()))
    points = values[places].reshape(-1, 2)
    corners[rows, :2] = np.minimum.reduceat(points, starts // 2, axis=0)
    corners[rows, 2:] = np.maximum.reduceat(points, starts // 2, axis=0)
    return corners, np.split(points.ravel(), starts[1:])


def _tell_few_outlines(
    origins: Origins, counts: NDArray[np.int64], other: NDArray[np.bool_]
) -> None:
    """A set of oriented boxes with a line of three or five corners has none any more."""
    fours = int((counts == QUAD).sum())
    if other.any() and fours > other.sum():
        row = int(other.argmax())
        logger.warning(
            "%d of %d lines of corners have four, but %s has %d: all are taken for outlines, and "
            "there are no oriented boxes",
            fours,
            fours + int(other.sum()),
            origins.where(row),
            (counts[row] - 1) // 2,
        )


def _refuse_values(
    origins: Origins,
    numbers: NDArray[np.float64],
    corners: NDArray[np.float64],
    counts: NDArray[np.int64],
    num_classes: int,
    oriented: bool,
) -> None:
    foreign = (numbers != np.floor(numbers)) | (numbers < 0) | (numbers >= num_classes)
    if foreign.any():
        row = int(foreign.argmax())
        raise ValueError(
            f"{origins.where(row)} has class {numbers[row]:g}; there are {num_classes} names, "
            "numbered from 0"
        )
    is_box = counts == BOX
    # A box's own numbers, not its corners, are the parts from 0 to 1.
    centres, sides = (corners[:, :2] + corners[:, 2:]) / 2, corners[:, 2:] - corners[:, :2]
    parts = np.where(is_box[:, None], np.concatenate([centres, sides], axis=1), corners)
    reach = np.where(is_box | (not oriented), TOLERANCE, CORNER_TOLERANCE)[:, None]
    outside = ((parts < -reach) | (parts > 1 + reach)).any(axis=1)
    outside |= is_box & (sides < 0).any(axis=1)
    if outside.any():
        row = int(outside.argmax())
        raise ValueError(
            f"{origins.where(row)} has numbers that are no parts of the picture's width and "
            f"height, from 0 to 1: it reaches from {corners[row, :2].tolist()} to "
            f"{corners[row, 2:].tolist()}"
        )
