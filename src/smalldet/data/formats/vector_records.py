"""Records of pictures with vector labels: what each of them shows of the labels."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import shapely
import torch
from numpy.typing import NDArray

from smalldet.data.formats import vector_area, vector_shapes
from smalldet.data.formats.vector_ground import AreaOverGround, LabelsOverGround
from smalldet.data.formats.vector_layers import described
from smalldet.data.index import MASK_PX, ImageRecord
from smalldet.geometry.oriented import canonical
from smalldet.imagery.ground import Ground


@dataclass(frozen=True, eq=False)
class Labels:
    """All that is known of N labels before it is known which picture shows them.

    Args:
        over_ground: their shapes.
        places: (N,) int64, places of their classes among those of the Index.
        ignore: (N,) bool.
        difficult: (N,) bool.
        pictures: (N,) the file that each was drawn on; None where it lies on every picture of its
            ground.
        side_m: of the square that stands for a point, metres.
        area: that was looked through; None for all ground.
        with_masks: keep outlines.
        num_classes: of the Index.
    """

    over_ground: LabelsOverGround
    places: NDArray[np.int64]
    ignore: NDArray[np.bool_]
    difficult: NDArray[np.bool_]
    pictures: NDArray[np.str_] | None
    side_m: float | None
    area: AreaOverGround | None
    with_masks: bool
    num_classes: int

    def record(self, ground: Ground, image_id: int, found: NDArray[np.bool_]) -> ImageRecord:
        """One picture's labels; marks in `found` those that lie on it."""
        rows, shapes = self.over_ground.near(ground)
        if self.pictures is not None:
            own = self.pictures[rows] == ground.path.name
            rows, shapes = rows[own], shapes[own]
        rows, shapes = self._squared(ground, rows, shapes)
        seen = vector_shapes.seen(shapes, ground.width, ground.height)
        rows, boxes = rows[seen.rows], seen.boxes
        found[rows] = True
        self._check_sizes(ground, rows, boxes)
        ignore = self.ignore[rows] | seen.partial
        known = None if self.area is None else self.area.within(ground)
        if known is not None:
            middles = shapely.points(*((boxes[:, :2] + boxes[:, 2:]) / 2).T.astype(np.float64))
            ignore |= ~shapely.intersects(known, middles)
        rboxes = packed = None
        outlined = self._outlined
        if outlined.any():
            rboxes = vector_shapes.smallest_rectangles(seen.shapes)
            if self.with_masks:
                packed = vector_shapes.masks(seen.shapes, boxes)
                packed[~outlined[rows]] = 0
        record = ImageRecord(
            path=ground.path,
            width=ground.width,
            height=ground.height,
            boxes=boxes,
            labels=self.places[rows],
            ignore=ignore,
            difficult=self.difficult[rows],
            rboxes=rboxes,
            image_id=image_id,
            gsd_m=ground.gsd_m(),
            masks=packed,
        )
        return record if known is None else _muted_outside(record, known, self.num_classes)

    @cached_property
    def _outlined(self) -> NDArray[np.bool_]:
        """(N,), polygons and no points."""
        return shapely.get_dimensions(self.over_ground.layer.shapes) == 2

    def _squared(
        self, ground: Ground, rows: NDArray[np.int64], shapes: Any
    ) -> tuple[NDArray[np.int64], Any]:
        """Points on the picture as squares, and the polygons as they are."""
        points = shapely.get_dimensions(shapes) == 0
        if not points.any():
            return rows, shapes
        sides = ground.pixel_sides_m()
        if sides is None or self.side_m is None:
            raise ValueError(f"{ground.path}: the size of its pixels in metres is unknown")
        x, y = shapely.get_x(shapes), shapely.get_y(shapes)
        beside = points & ~((x >= 0) & (x < ground.width) & (y >= 0) & (y < ground.height))
        shapes = shapes.copy()
        side_px = (self.side_m / sides[0], self.side_m / sides[1])
        shapes[points] = vector_shapes.squares(shapes[points], side_px)
        return rows[~beside], shapes[~beside]

    def _check_sizes(
        self, ground: Ground, rows: NDArray[np.int64], boxes: NDArray[np.float32]
    ) -> None:
        flat = (boxes[:, 2:] <= boxes[:, :2]).any(axis=1)
        if flat.any():
            layer = self.over_ground.layer
            raise ValueError(
                f"{layer.path}: {described(layer.feature[rows[flat]])} less than a thousandth of a "
                f"pixel on {ground.path}; mend or delete what is wrong there"
            )


def _muted_outside(record: ImageRecord, known: Any, num_classes: int) -> ImageRecord:
    """The record with ignore regions of every class wherever nothing is known."""
    regions = vector_area.outside(known, record.width, record.height)
    boxes = np.repeat(regions, num_classes, axis=0)
    middles, sides = (boxes[:, :2] + boxes[:, 2:]) / 2, boxes[:, 2:] - boxes[:, :2]
    upright = np.column_stack((middles, sides, np.zeros(len(boxes)))).astype(np.float64)
    yes, no = np.ones(len(boxes), dtype=np.bool_), np.zeros(len(boxes), dtype=np.bool_)
    labels = np.tile(np.arange(num_classes), len(regions))
    blank = np.zeros((len(boxes), MASK_PX * MASK_PX // 8), dtype=np.uint8)
    return replace(
        record,
        boxes=np.concatenate((record.boxes, boxes)),
        labels=np.concatenate((record.labels, labels)),
        ignore=np.concatenate((record.ignore, yes)),
        difficult=np.concatenate((record.difficult, no)),
        rboxes=_with(record.rboxes, canonical(torch.from_numpy(upright)).float().numpy()),
        masks=_with(record.masks, blank),
    )


def _with(column: NDArray[Any] | None, more: NDArray[Any]) -> NDArray[Any] | None:
    return None if column is None else np.concatenate((column, more))
