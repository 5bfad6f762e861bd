"""A tile model on the tiles of a scene: padding, what to keep, and where it lies."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from smalldet.columns import cat, convert
from smalldet.detections import Detections, TileDetections
from smalldet.geometry.boxes import clip_boxes
from smalldet.geometry.masks import regrid
from smalldet.geometry.tiles import interior_cuts
from smalldet.imagery import Scene
from smalldet.inference.read_tiles import batches_ahead
from smalldet.inference.tiling import Tile, Tiling
from smalldet.tile_models import TileModel
from smalldet.tile_models.protocol import MAX_DETECTIONS_PER_TILE

Step = tuple[TileDetections, int]
"""The detections of some tiles, and how many tiles are done after them."""

OnTiles = Callable[[TileDetections, Tensor], None]
"""Called with the detections of some tiles, and with the windows (K, 4) int64 xyxy of those tiles
of which a limit inside the model has left something out."""


@dataclass(frozen=True, eq=False)
class TileRunner:
    """Goes through the tiles of a scene with a tile model.

    Args:
        model: finds objects in tiles.
        tile_px: side of a usual tile; larger ones may hold more objects.
        wanted: (C,) bool, the classes to keep; all if None.
        batch_size: tiles at a time; None leaves it to the model.
        on_tiles: told what the tiles of each batch show.
    """

    model: TileModel
    tile_px: int
    wanted: Tensor | None = None
    batch_size: int | None = None
    on_tiles: OnTiles | None = None

    def nothing(self, tiling: Tiling) -> TileDetections:
        """No detections in tiles of this tiling."""
        return TileDetections.empty(self.model.class_names, tiling.windows)

    def steps(self, scene: Scene, tiling: Tiling, conf: float, first: int = 0) -> Iterator[Step]:
        """Objects in the tiles to visit from a row on, batch by batch; empty tiles are passed over.

        Args:
            scene: read ahead in threads.
            tiling: its tiles.
            conf: least score.
            first: row of the tile to begin with.
        """
        tiles = tiling.tiles(first)
        for batch in batches_ahead(scene, tiles, self.size_for(tiling)):
            detections = self.detect([pixels for _, pixels in batch], conf)
            in_scene = self.placed([tile for tile, _ in batch], detections, tiling)
            if tiling.classes is not None:
                level = tiling.level[in_scene.tile]
                in_scene = in_scene[tiling.classes[level, in_scene.labels]]
            if self.on_tiles is not None:
                rows = [
                    t.row
                    for (t, _), of_tile in zip(batch, detections, strict=True)
                    if of_tile.num_cut
                ]
                self.on_tiles(in_scene, tiling.windows[rows])
            yield in_scene, batch[-1][0].row + 1

    @torch.inference_mode()
    def detect(self, batch: list[NDArray[np.uint8]], conf: float) -> list[Detections]:
        """Objects of each picture (C, h, w) of a batch, in its pixels."""
        images = torch.from_numpy(np.stack(batch))
        height, width = images.shape[-2:]
        stride, least_px = self.model.stride, self.model.least_px
        right, below = (
            math.ceil(max(side, least_px) / stride) * stride - side for side in (width, height)
        )
        images = functional.pad(images, (0, right, 0, below))
        # A scene taken as one tile may hold as many objects as the tiles that it would make.
        num_tiles = max(1, math.ceil(height / self.tile_px) * math.ceil(width / self.tile_px))
        detections = self.model.detect(images, conf, MAX_DETECTIONS_PER_TILE * num_tiles)
        return [self._kept(of_tile, width, height) for of_tile in detections]

    def _kept(self, detections: Detections, width: int, height: int) -> Detections:
        """Without the unwanted classes and what lies in the padding."""
        centres = (detections.boxes[:, :2] + detections.boxes[:, 2:]) / 2
        inside = (centres < torch.tensor([width, height])).all(dim=1)
        if self.wanted is not None:
            inside &= self.wanted[detections.labels]
        detections = detections[inside]
        # an oriented box that the tile cuts may reach out of it, and `boxes` enclose those
        boxes = detections.boxes.float()
        boxes = clip_boxes(boxes, width, height) if detections.rboxes is None else boxes
        masks = detections.masks
        if masks is not None:
            masks = regrid(masks, detections.boxes.float(), boxes).round().to(masks.dtype)
        rboxes = None if detections.rboxes is None else detections.rboxes.float()
        scores = detections.scores.float()
        return replace(detections, boxes=boxes, scores=scores, rboxes=rboxes, masks=masks)

    def placed(
        self, tiles: list[Tile], detections: list[Detections], tiling: Tiling
    ) -> TileDetections:
        """The detections of each tile, in the scene's pixels."""
        row = torch.tensor([tile.row for tile in tiles])
        tile = torch.repeat_interleave(row, torch.tensor([len(part) for part in detections]))
        windows, shapes = tiling.windows[tile], tiling.shapes[tile]
        gain = ((windows[:, 2:] - windows[:, :2]) / shapes.flip(1)).float()  # 1 at full size
        in_tiles = cat(detections)
        boxes = in_tiles.boxes * gain[:, [0, 1, 0, 1]] + windows[:, [0, 1, 0, 1]]
        rboxes = in_tiles.rboxes
        margin_px = 2 * gain.amax(1)
        return convert(
            in_tiles,
            TileDetections,
            boxes=boxes,
            tile=tile,
            cut=interior_cuts(boxes, tile, tiling.windows, *tiling.extent, margin_px=margin_px),
            tiles=tiling.windows,
            class_names=self.model.class_names,
            rboxes=None if rboxes is None else _rboxes_in_scene(rboxes, windows, gain),
        )

    def size_for(self, tiling: Tiling) -> int:
        """Tiles at a time: as asked for, or as they suit the model."""
        if self.batch_size is not None:
            return self.batch_size
        height, width = tiling.shapes[tiling.shapes.prod(dim=1).argmax()].tolist()
        return self.model.batch_size(height, width)


def _rboxes_in_scene(rboxes: Tensor, windows: Tensor, gain: Tensor) -> Tensor:
    """(N, 5) of a tile's pixels in the scene's; both axes scale alike but for rounding."""
    centres = rboxes[:, :2] * gain + windows[:, :2]
    sides = rboxes[:, 2:4] * gain.prod(dim=1, keepdim=True).sqrt()
    return torch.cat((centres, sides, rboxes[:, 4:]), dim=1)
