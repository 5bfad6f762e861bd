"""Objects of labelling programs' files, gathered one at a time, and the Index that they make.

What LabelMe, CVAT, Label Studio and FiftyOne share: boxes, turned boxes, polygons and bitmaps, each
with a class, flags and a picture.
"""

from __future__ import annotations

import logging
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from smalldet.data.formats import coco_masks
from smalldet.data.formats.bitmap_masks import Bitmap
from smalldet.data.formats.lines import codes_of
from smalldet.data.formats.number_lists import number_array
from smalldet.data.formats.object_columns import MAX_PX, ObjectColumns, records_of, upright
from smalldet.data.index import MASK_PX, Index
from smalldet.geometry.oriented import enclosing_boxes
from smalldet.wording import shortened

logger = logging.getLogger(__name__)

MAX_SHOWN = 5
ELLIPSE_POINTS = 64
Points = Sequence[Any]


@dataclass
class ShapeObjects:
    """N objects of P pictures, as they are read.

    Args:
        sources: file, and entry where a file has many, of each picture, for messages.
        pictures: (N) place of each object's picture in `sources`.
        numbers: (N) its number there, from 1.
        names: (N) its class.
        points: x and y of all objects' points, one object after another, not yet looked at.
        counts: (N) how many numbers each has in `points`.
        ignore: (N) flags.
        difficult: (N) flags.
        rings: rows whose points are an outline.
        bitmaps: {row: mask}, read for masks only.
        turned: {row: (cx, cy, w, h, angle)} pixels and radians clockwise on the screen.
        left_out: where things stand that have no area or no class, and how many of each kind.
    """

    sources: list[str] = field(default_factory=list[str])
    pictures: list[int] = field(default_factory=list[int])
    numbers: list[int] = field(default_factory=list[int])
    names: list[str] = field(default_factory=list[str])
    points: list[Any] = field(default_factory=list[Any])
    counts: list[int] = field(default_factory=list[int])
    ignore: list[bool] = field(default_factory=list[bool])
    difficult: list[bool] = field(default_factory=list[bool])
    rings: list[int] = field(default_factory=list[int])
    bitmaps: dict[int, Bitmap] = field(default_factory=dict[int, Bitmap])
    turned: dict[int, Points] = field(default_factory=dict[int, Points])
    left_out: list[str] = field(default_factory=list[str])
    kinds_left_out: Counter[str] = field(default_factory=Counter[str])

    def __len__(self) -> int:
        return len(self.names)

    def where(self, row: int) -> str:
        """File and number of an object, for messages."""
        return f"{self.sources[self.pictures[row]]}: object {self.numbers[row]}"

    def add(
        self,
        number: int,
        name: str,
        points: Points,
        *,
        ignore: bool = False,
        difficult: bool = False,
        ring: bool = False,
    ) -> int:
        """Object `number` of the last picture in `sources`; its row.

        Args:
            number: from 1.
            name: class.
            points: x and y of the points that its box encloses, at least one.
            ignore: a region, neither object nor background.
            difficult: hard to tell.
            ring: the points are its outline.
        """
        row = len(self.names)
        self.pictures.append(len(self.sources) - 1)
        self.numbers.append(number)
        self.names.append(name)
        self.points += points
        self.counts.append(len(points))
        self.ignore.append(ignore)
        self.difficult.append(difficult)
        if ring:
            self.rings.append(row)
        return row

    def leave_out(self, number: int, kind: str) -> None:
        """Object `number` of the last picture is nothing that has a box."""
        self.kinds_left_out[kind] += 1
        if len(self.left_out) < MAX_SHOWN:
            self.left_out.append(f"{self.sources[-1]}: object {number} is a {kind}")

    def point_array(self) -> NDArray[np.float64]:
        """(K, 2) all points.

        Raises:
            ValueError: a number is none; names the object.
        """
        ends = np.cumsum(self.counts)

        def where(place: int) -> str:
            return self.where(int(np.searchsorted(ends, place, side="right")))

        return number_array(self.points, where).reshape(-1, 2)


def flattened(points: Any) -> list[Any]:
    """[[x, y], ...] as [x, y, ...]; empty where it is anything else."""
    if not isinstance(points, list) or not all(isinstance(p, list) and len(p) == 2 for p in points):
        return []
    return [value for point in points for value in point]


def ellipse(cx: float, cy: float, rx: float, ry: float, angle: float = 0.0) -> list[float]:
    """Points on an ellipse that is turned by `angle` radians, clockwise on the screen."""
    along = np.arange(ELLIPSE_POINTS) * (2 * math.pi / ELLIPSE_POINTS)
    x, y = rx * np.cos(along), ry * np.sin(along)
    cos, sin = math.cos(angle), math.sin(angle)
    return np.column_stack([cx + x * cos - y * sin, cy + x * sin + y * cos]).ravel().tolist()


def index_of(
    objects: ShapeObjects,
    points: NDArray[np.float64],
    pictures: Sequence[Path],
    sizes: NDArray[np.int64],
    class_names: Sequence[str] | None,
    *,
    with_masks: bool = False,
) -> Index:
    """The Index of what was gathered.

    Args:
        objects: N objects.
        points: (K, 2) their points in pixels.
        pictures: P files.
        sizes: (P, 2) widths and heights.
        class_names: all classes, in order; those that occur, by the alphabet, if None.
        with_masks: read outlines and bitmaps too.

    Raises:
        ValueError: a number, a box or a class is wrong, or a picture comes twice; names the object
            or the picture.
    """
    _refuse_twice(objects, pictures)
    names, labels = _labels(objects, class_names)
    boxes = _boxes(objects, points)
    rboxes = None
    if objects.turned:
        rows = list(objects.turned)
        flat = [value for row in rows for value in objects.turned[row]]
        values = number_array(flat, lambda place: objects.where(rows[place // 5])).reshape(-1, 5)
        rboxes = upright(boxes)
        rboxes[rows] = values
        boxes[rows] = enclosing_boxes(torch.from_numpy(values)).numpy()
    picture_rows = np.array(objects.pictures, dtype=np.int64)
    columns = ObjectColumns(
        pictures=picture_rows,
        boxes=boxes,
        labels=labels,
        ignore=np.array(objects.ignore, dtype=np.bool_),
        difficult=np.array(objects.difficult, dtype=np.bool_),
        rboxes=rboxes,
        masks=_masks(objects, points, boxes, sizes) if with_masks else None,
    )
    _report(objects)
    return Index(names, records_of(columns, pictures, sizes, objects.where))


def _refuse_twice(objects: ShapeObjects, pictures: Sequence[Path]) -> None:
    if len(set(pictures)) < len(pictures):
        first: dict[Path, int] = {}
        for row, picture in enumerate(pictures):
            other = first.setdefault(picture, row)
            if other != row:
                raise ValueError(
                    f"{objects.sources[row]}: labels {picture}, as does {objects.sources[other]}; "
                    "remove one of them"
                )


def _labels(
    objects: ShapeObjects, class_names: Sequence[str] | None
) -> tuple[tuple[str, ...], NDArray[np.int64]]:
    names = tuple(sorted(set(objects.names)) if class_names is None else class_names)
    table = {name: place for place, name in enumerate(names)}
    labels = codes_of(objects.names, table)
    foreign = labels >= len(names)
    if foreign.any():
        row = int(foreign.argmax())
        shown = shortened(names, 20)
        raise ValueError(
            f"{objects.where(row)} has class {objects.names[row]!r}; there are {shown}"
        )
    return names, labels


def _boxes(objects: ShapeObjects, points: NDArray[np.float64]) -> NDArray[np.float64]:
    if not len(objects):
        return np.zeros((0, 4))
    first = np.concatenate([[0], np.cumsum(objects.counts)[:-1]]) // 2
    low, high = np.minimum.reduceat(points, first), np.maximum.reduceat(points, first)
    return np.concatenate([low, high], axis=1)


def _masks(
    objects: ShapeObjects,
    points: NDArray[np.float64],
    boxes: NDArray[np.float64],
    sizes: NDArray[np.int64],
) -> NDArray[np.uint8]:
    masks = np.zeros((len(objects), MASK_PX * MASK_PX // 8), dtype=np.uint8)
    limits = np.tile(sizes, 2)[np.array(objects.pictures, dtype=np.int64)].reshape(-1, 4)
    clipped = np.clip(boxes, 0, limits).astype(np.float32)
    # What is farther away is refused with its name where records are made.
    near = (np.abs(boxes) <= MAX_PX).all(axis=1)
    sound = np.asarray(near & (clipped[:, 2:] > clipped[:, :2]).all(axis=1))
    ends = np.cumsum(objects.counts) // 2
    rings = [row for row in objects.rings if sound[row]]
    entries: list[dict[str, Any]] = [
        {"id": row, "segmentation": [points[ends[row] - objects.counts[row] // 2 : ends[row]]]}
        for row in rings
    ]
    masks[rings] = coco_masks.grids(entries, clipped[rings])
    for row, bitmap in objects.bitmaps.items():
        if sound[row]:
            masks[row] = bitmap.grid(clipped[row].astype(np.float64))
    return masks


def _report(objects: ShapeObjects) -> None:
    if objects.kinds_left_out:
        counts = ", ".join(f"{num} {kind}" for kind, num in sorted(objects.kinds_left_out.items()))
        more = "\n  ..." if objects.kinds_left_out.total() > len(objects.left_out) else ""
        logger.warning(
            "things without a box or a class are left out: %s\n  %s%s",
            counts,
            "\n  ".join(objects.left_out),
            more,
        )
