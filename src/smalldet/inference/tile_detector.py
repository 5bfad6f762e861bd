"""A detector on batches of tiles: padding, precision, device, and what to keep of its findings."""

from __future__ import annotations

import math
from collections.abc import Iterator
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
from smalldet.models.detector import Detector

MAX_DETECTIONS_PER_TILE = 3000
# Pixels at a time. On a GPU more bring nothing. On a CPU Speck-n takes 346 ms of one core for a
# 640 px tile alone, 319 in a batch of 2, 310 of 4, 295 of 8; but a batch of 4 takes twice the
# memory of one of 2.
BATCH_PX = {"cuda": 16_000_000, "mps": 4_000_000, "cpu": 1_000_000}
FREE_MEMORY_SHARE = 0.7

Step = tuple[TileDetections, int]
"""What was found in some tiles, and how many tiles are done after them."""


@dataclass(frozen=True, eq=False)
class TileDetector:
    """A detector that goes through the tiles of a scene.

    Args:
        detector: in eval mode, on the device.
        device: where it computes.
        precision: that it computes in.
        tile_px: side of a usual tile; larger ones may hold more objects.
        wanted: (C,) bool, the classes to keep; all if None.
        batch_size: tiles at a time; None suits it to the device.
    """

    detector: Detector
    device: torch.device
    precision: torch.dtype
    tile_px: int
    wanted: Tensor | None = None
    batch_size: int | None = None

    def nothing(self, tiling: Tiling) -> TileDetections:
        """No detections in tiles of this tiling."""
        return TileDetections.empty(self.detector.class_names, tiling.windows)

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
            found = self.found([pixels for _, pixels in batch], conf)
            yield self.placed([tile for tile, _ in batch], found, tiling), batch[-1][0].row + 1

    @torch.inference_mode()
    def found(self, batch: list[NDArray[np.uint8]], conf: float) -> list[Detections]:
        """What it finds in each picture (C, h, w) of a batch, in its pixels, on the CPU."""
        images = torch.from_numpy(np.stack(batch)).to(self.device)
        height, width = images.shape[-2:]
        stride = self.detector.stride
        images = functional.pad(images, (0, -width % stride, 0, -height % stride))
        images = images.contiguous(memory_format=torch.channels_last)
        # A scene taken as one tile may hold as many objects as the tiles that it would make.
        num_tiles = max(1, math.ceil(height / self.tile_px) * math.ceil(width / self.tile_px))
        with torch.autocast(self.device.type, self.precision, self.precision != torch.float32):
            found = self.detector.predict(images, conf, MAX_DETECTIONS_PER_TILE * num_tiles)
        return [self._kept(part.to("cpu"), width, height) for part in found]

    def _kept(self, found: Detections, width: int, height: int) -> Detections:
        """Without the unwanted classes and what lies in the padding."""
        centres = (found.boxes[:, :2] + found.boxes[:, 2:]) / 2
        inside = (centres < torch.tensor([width, height])).all(dim=1)
        if self.wanted is not None:
            inside &= self.wanted[found.labels]
        found = found[inside]
        # an oriented box that the tile cuts may reach out of it, and `boxes` enclose those
        boxes = found.boxes.float()
        boxes = clip_boxes(boxes, width, height) if found.rboxes is None else boxes
        masks = found.masks
        if masks is not None:
            masks = regrid(masks, found.boxes.float(), boxes).round().to(masks.dtype)
        rboxes = None if found.rboxes is None else found.rboxes.float()
        scores = found.scores.float()
        return replace(found, boxes=boxes, scores=scores, rboxes=rboxes, masks=masks)

    def placed(self, tiles: list[Tile], found: list[Detections], tiling: Tiling) -> TileDetections:
        """What each tile found, in the scene's pixels."""
        joined = cat(found)
        row = torch.tensor([tile.row for tile in tiles])
        tile = torch.repeat_interleave(row, torch.tensor([len(part) for part in found]))
        windows, shapes = tiling.windows[tile], tiling.shapes[tile]
        gain = ((windows[:, 2:] - windows[:, :2]) / shapes.flip(1)).float()  # 1 at full size
        boxes = joined.boxes * gain[:, [0, 1, 0, 1]] + windows[:, [0, 1, 0, 1]]
        rboxes = joined.rboxes
        margin_px = 2 * gain.amax(1)
        return convert(
            joined,
            TileDetections,
            boxes=boxes,
            tile=tile,
            cut=interior_cuts(boxes, tile, tiling.windows, *tiling.extent, margin_px=margin_px),
            tiles=tiling.windows,
            class_names=self.detector.class_names,
            rboxes=None if rboxes is None else _rboxes_in_scene(rboxes, windows, gain),
        )

    def size_for(self, tiling: Tiling) -> int:
        """Tiles at a time: as asked for, or as they suit the device and the memory it has free."""
        if self.batch_size is not None:
            return self.batch_size
        height, width = tiling.shapes[tiling.shapes.prod(dim=1).argmax()].tolist()
        size = BATCH_PX.get(self.device.type, BATCH_PX["cpu"]) // (height * width)
        if size > 1 and self.device.type == "cuda":
            size = min(size, self._fitting(height, width))
        return max(1, size)

    def _fitting(self, height: int, width: int) -> int:
        """Tiles that fit in a share of a GPU's free memory, by what an empty one takes."""
        tile = np.zeros((self.detector.in_channels, height, width), np.uint8)
        self.found([tile], conf=1.0)  # what is allocated once and stays
        before = torch.cuda.memory_allocated(self.device)
        torch.cuda.reset_peak_memory_stats(self.device)
        self.found([tile], conf=1.0)
        taken = torch.cuda.max_memory_allocated(self.device) - before
        unused = torch.cuda.memory_reserved(self.device) - before
        free = torch.cuda.mem_get_info(self.device)[0] + unused
        return int(FREE_MEMORY_SHARE * free / max(1, taken))


def _rboxes_in_scene(rboxes: Tensor, windows: Tensor, gain: Tensor) -> Tensor:
    """(N, 5) of a tile's pixels in the scene's; both axes scale alike but for rounding."""
    centres = rboxes[:, :2] * gain + windows[:, :2]
    sides = rboxes[:, 2:4] * gain.prod(dim=1, keepdim=True).sqrt()
    return torch.cat((centres, sides, rboxes[:, 4:]), dim=1)
