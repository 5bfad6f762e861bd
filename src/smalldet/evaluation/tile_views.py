"""What the single tiles of pictures showed, while the pictures were predicted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from smalldet.columns import cat
from smalldet.detections import TileDetections
from smalldet.evaluation.classes import ClassMatch
from smalldet.evaluation.rows import Rows


@dataclass(frozen=True, eq=False)
class TileViews:
    """Tiles of all pictures, and their detections before the merge.

    Args:
        pictures: (T,) int64, position of each tile's picture in the Index.
        windows: (T, 4) float64 xyxy pixels of the picture.
        found: detections in pixels of the picture; `pictures` are rows of the tiles here.
        capped_pictures: (K,) int64, of the tiles of which a limit inside the model has left
            something out; pictures of one tile are here too.
        capped: (K, 4) float64, their windows.
    """

    pictures: NDArray[np.int64]
    windows: NDArray[np.float64]
    found: Rows
    capped_pictures: NDArray[np.int64]
    capped: NDArray[np.float64]


class TileWatch:
    """Notes what the tiles show, picture by picture: `note` is for `Predictor(on_tiles=...)`."""

    def __init__(self) -> None:
        self._parts: list[TileDetections] = []
        self._capped: list[tuple[int, Tensor]] = []
        self._pictures: list[TileDetections | None] = []

    def note(self, detections: TileDetections, capped: Tensor) -> None:
        """Take in some tiles of the picture under way."""
        self._parts.append(detections)
        if len(capped):
            self._capped.append((len(self._pictures), capped))

    def next_picture(self) -> None:
        """The picture under way is done. One that is a single tile leaves no views."""
        whole = not self._parts or len(self._parts[0].tiles) == 1
        self._pictures.append(None if whole else cat(self._parts))
        self._parts = []

    def views(self, classes: ClassMatch) -> TileViews:
        """All that was noted, over the classes that model and data share."""
        pictures, windows = [np.zeros(0, np.int64)], [np.zeros((0, 4))]
        rows = [_rows(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros((0, 4)), np.zeros(0))]
        num_tiles = 0
        for picture, found in enumerate(self._pictures):
            if found is None:
                continue
            labels = classes.table[found.labels.numpy()]
            kept = labels >= 0
            tile = found.tile.numpy()[kept] + num_tiles
            boxes, scores = found.boxes.double().numpy()[kept], found.scores.double().numpy()[kept]
            rows.append(_rows(tile, labels[kept], boxes, scores))
            pictures.append(np.full(len(found.tiles), picture))
            windows.append(found.tiles.double().numpy())
            num_tiles += len(found.tiles)
        return TileViews(
            np.concatenate(pictures),
            np.concatenate(windows),
            cat(rows),
            np.repeat(*_columns(self._capped)),
            np.concatenate(
                [np.zeros((0, 4)), *(part.double().numpy() for _, part in self._capped)]
            ),
        )


def _columns(capped: Sequence[tuple[int, Tensor]]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    table = np.array([(picture, len(part)) for picture, part in capped], dtype=np.int64)
    table = table.reshape(-1, 2)
    return table[:, 0], table[:, 1]


def _rows(
    tiles: NDArray[np.int64],
    labels: NDArray[np.int64],
    boxes: NDArray[np.float64],
    scores: NDArray[np.float64],
) -> Rows:
    return Rows(tiles, labels, boxes, scores, np.zeros(len(tiles), np.bool_))
