"""Detections: the one result that every room speaks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any, NamedTuple, Self, overload

import numpy as np
import torch
from torch import Tensor

from smalldet.columns import column, convert, map_columns, take

CLASSES_SHOWN = 6


@dataclass(frozen=True, eq=False)
class Picture:
    """The picture that detections were found in.

    Args:
        name: its file, or what it is.
        width: pixels.
        height: pixels.
        crs: coordinate system of its map (a rasterio CRS), or None.
        transform: from its pixels to the map, as `imagery.places` has it, or None.
    """

    name: str
    width: int
    height: int
    crs: Any = None
    transform: Any = None


class Detection(NamedTuple):
    """One object.

    Args:
        box: x1, y1, x2, y2 in pixels of the picture.
        score: 0..1.
        label: position of its class among those that the detector knows.
        class_name: of its class.
        rbox: the oriented box cx, cy, w, h, angle, where there is one.
    """

    box: tuple[float, float, float, float]
    score: float
    label: int
    class_name: str
    rbox: tuple[float, float, float, float, float] | None = None


@dataclass(frozen=True, eq=False, repr=False)
class Detections:
    """Objects found in one picture.

    `found[0]` is a `Detection`, as is what iteration gives; a slice, mask or array of rows gives
    Detections. `to_pandas` and the like are in `smalldet.adapters`.

    Args:
        boxes: (N, 4) float32, xyxy in absolute pixels of the picture.
        scores: (N,) float32 in 0..1.
        labels: (N,) int64, positions in `class_names`.
        class_names: names of all classes the detector knows.
        rboxes: (N, 5) oriented boxes (cx, cy, w, h, angle) or None; `boxes` then enclose them.
        masks: (N, M, M) uint8 or None: each object's shape on a grid that fills its box, 255 where
            it is (see `geometry.masks`).
        num_cut: of a model's own detections of one tile: candidates that a limit on their number
            left out.
        picture: what they were found in, where that is known.

    Raises:
        ValueError: shapes disagree, a label is out of range, a value is not finite, or a side of an
            oriented box is negative.
    """

    boxes: Tensor = field(metadata=column())
    scores: Tensor = field(metadata=column())
    labels: Tensor = field(metadata=column())
    class_names: tuple[str, ...]
    rboxes: Tensor | None = field(default=None, metadata=column())
    masks: Tensor | None = field(default=None, metadata=column())
    num_cut: int = 0
    picture: Picture | None = None

    def __post_init__(self) -> None:
        num = len(self.boxes)
        if self.boxes.shape != (num, 4):
            raise ValueError(f"boxes must be (N, 4), not {tuple(self.boxes.shape)}")
        if self.scores.shape != (num,) or self.labels.shape != (num,):
            raise ValueError(
                f"{num} boxes need as many scores and labels, not "
                f"{tuple(self.scores.shape)} and {tuple(self.labels.shape)}"
            )
        if self.rboxes is not None:
            _check_rboxes(self.rboxes, num)
        _check_masks(self.masks, num)
        if num == 0:
            return
        if not bool(torch.isfinite(self.boxes).all() & torch.isfinite(self.scores).all()):
            raise ValueError("boxes and scores must be finite")
        low, high = (int(v) for v in torch.aminmax(self.labels))
        if low < 0 or high >= len(self.class_names):
            raise ValueError(f"labels {low}..{high} do not fit {len(self.class_names)} class names")

    @classmethod
    def empty(cls, class_names: Sequence[str]) -> Self:
        return cls(
            torch.zeros(0, 4), torch.zeros(0), torch.zeros(0, dtype=torch.long), tuple(class_names)
        )

    def __len__(self) -> int:
        return len(self.boxes)

    @overload
    def __getitem__(self, index: int | np.integer) -> Detection: ...
    @overload
    def __getitem__(self, index: Tensor | slice) -> Self: ...
    def __getitem__(self, index: int | np.integer | Tensor | slice) -> Detection | Self:
        """One detection by its place; or a part of them, by mask, index tensor or slice."""
        if not isinstance(index, int | np.integer):
            return take(self, index)
        if not -len(self) <= index < len(self):
            raise IndexError(f"there are {len(self)} detections and no number {index}")
        place = int(index) % len(self)
        return next(iter(self[place : place + 1]))

    def __iter__(self) -> Iterator[Detection]:
        boxes, rboxes = self.boxes.tolist(), self.rboxes
        labels = self.labels.tolist()
        turned = [None] * len(self) if rboxes is None else [tuple(row) for row in rboxes.tolist()]
        for box, score, label, rbox in zip(
            boxes, self.scores.tolist(), labels, turned, strict=True
        ):
            yield Detection((*box,), score, label, self.class_names[label], rbox)

    def __repr__(self) -> str:
        """`Detections(14: 11 car, 3 bus)`."""
        counts = self.counts()
        each = [f"{num} {name}" for name, num in list(counts.items())[:CLASSES_SHOWN]]
        each += ["..."] if len(counts) > CLASSES_SHOWN else []
        return f"{type(self).__name__}({len(self)}{': ' if each else ''}{', '.join(each)})"

    def to(self, device: torch.device | str) -> Self:
        return map_columns(self, lambda values: values.to(device))

    def sorted_by_score(self, limit: int | None = None) -> Self:
        """Strongest first, ties broken by coordinates, then by label, at most `limit`."""
        return self[order_by_strength(self.scores, coordinates(self), self.labels)[:limit]]

    def named(self) -> list[str]:
        """Class name of each detection."""
        return [self.class_names[i] for i in self.labels.tolist()]

    def counts(self) -> dict[str, int]:
        """Detections of each class that was found, the most frequent first."""
        return dict(Counter(self.named()).most_common())

    def to_supervision(self) -> Any:
        """As `supervision.Detections`; see `smalldet.adapters.to_supervision`."""
        return _adapter("to_supervision")(self)

    def to_coco(
        self, image_id: int | str = 1, category_ids: Mapping[str, int] | None = None
    ) -> list[dict[str, Any]]:
        """As a list of COCO results; see `smalldet.adapters.to_coco`."""
        return _adapter("to_coco")(self, image_id, category_ids)

    def to_pandas(self) -> Any:
        """As a `pandas.DataFrame`, a row each; see `smalldet.adapters.to_pandas`."""
        return _adapter("to_pandas")(self)

    def to_geopandas(self, crs: str | None = None) -> Any:
        """As a `geopandas.GeoDataFrame` on the map; see `smalldet.adapters.to_geopandas`."""
        return _adapter("to_geopandas")(self, crs)


@dataclass(frozen=True, eq=False)
class TileDetections:
    """Detections of many tiles of one scene, before they are merged.

    Args:
        boxes: (N, 4) float32 xyxy in scene pixels.
        scores: (N,).
        labels: (N,) int64.
        tile: (N,) int64, row of `tiles` that each detection came from.
        cut: (N, 4) bool, which *interior* tile edges (left, top, right, bottom) each box touches.
        tiles: (T, 4) int64 xyxy windows of the scene.
        class_names: names of all classes.
        rboxes: (N, 5) oriented boxes (cx, cy, w, h, angle) in scene pixels, or None; `boxes` then
            enclose them, so that `cut` holds for both.
        masks: (N, M, M) uint8 grids that fill the boxes, or None.

    Raises:
        ValueError: rboxes have another shape, are not finite, or have a negative side.
    """

    boxes: Tensor = field(metadata=column())
    scores: Tensor = field(metadata=column())
    labels: Tensor = field(metadata=column())
    tile: Tensor = field(metadata=column())
    cut: Tensor = field(metadata=column())
    tiles: Tensor
    class_names: tuple[str, ...]
    rboxes: Tensor | None = field(default=None, metadata=column())
    masks: Tensor | None = field(default=None, metadata=column())

    def __post_init__(self) -> None:
        if self.rboxes is not None:
            _check_rboxes(self.rboxes, len(self.boxes))
        _check_masks(self.masks, len(self.boxes))

    @classmethod
    def empty(cls, class_names: Sequence[str], tiles: Tensor) -> TileDetections:
        """No detections in these tiles, (T, 4) int64 xyxy."""
        nothing = Detections.empty(class_names)
        return cls(
            nothing.boxes,
            nothing.scores,
            nothing.labels,
            torch.zeros(0, dtype=torch.long),
            torch.zeros((0, 4), dtype=torch.bool),
            tiles,
            nothing.class_names,
        )

    def __len__(self) -> int:
        return len(self.boxes)

    def __getitem__(self, index: Tensor) -> TileDetections:
        """Some of the detections, by mask or rows; the tiles stay all there are."""
        return take(self, index)

    def as_detections(self) -> Detections:
        """The same rows without what they say of tiles: of a single tile, all there is to merge."""
        return convert(self, Detections, dropping=("tile", "cut"))


def _adapter(name: str) -> Callable[..., Any]:
    """A function of `smalldet.adapters`, which stands above this room; the one look upwards."""
    return getattr(import_module("smalldet.adapters"), name)


def coordinates(detections: Detections | TileDetections) -> Tensor:
    """(N, 4), or (N, 9) with oriented boxes: what tells one detection's place from another's."""
    if detections.rboxes is None:
        return detections.boxes
    return torch.cat((detections.boxes, detections.rboxes), dim=1)


def order_by_strength(scores: Tensor, boxes: Tensor, *further: Tensor) -> Tensor:
    """Indices by falling score, ties by coordinates: a function of the set, not of its order.

    Whatever comes after the score is looked at in ties only.

    Args:
        scores: (N,).
        boxes: (N, K), of any layout; the first column that differs decides.
        further: (N,) each, keys that come after the coordinates.
    """
    order = torch.argsort(scores, descending=True, stable=True)
    falling = scores[order]
    same = falling[1:] == falling[:-1]
    tied = torch.zeros(len(scores), dtype=torch.bool, device=scores.device)
    tied[1:] |= same
    tied[:-1] |= same
    rows = order[tied]
    if len(rows):
        for key in (*further[::-1], *boxes.unbind(1)[::-1], -scores):
            rows = rows[torch.argsort(key[rows], stable=True)]
        order[tied] = rows
    return order


def _check_masks(masks: Tensor | None, num: int) -> None:
    if masks is not None and (
        masks.ndim != 3 or len(masks) != num or masks.shape[1] != masks.shape[2]
    ):
        raise ValueError(f"masks must be ({num}, M, M), not {tuple(masks.shape)}")


def _check_rboxes(rboxes: Tensor, num: int) -> None:
    if rboxes.shape != (num, 5):
        raise ValueError(f"rboxes must be ({num}, 5), not {tuple(rboxes.shape)}")
    if not bool(torch.isfinite(rboxes).all()):
        raise ValueError("rboxes must be finite")
    if bool((rboxes[:, 2:4] < 0).any()):
        raise ValueError("sides of rboxes must not be negative")
