"""Predictor: a detector over scenes of any size."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from smalldet.data.index import class_key
from smalldet.detections import Detections, TileDetections
from smalldet.geometry.alternatives import MERGES
from smalldet.geometry.boxes import clip_boxes
from smalldet.geometry.tiles import interior_cuts, tile_grid
from smalldet.hardware import choose_device, choose_precision, keep_freed_memory
from smalldet.imagery import Scene, Source, Window, open_scene
from smalldet.inference.reading import tiles_ahead
from smalldet.models.detector import Detector

MAX_DETECTIONS_PER_TILE = 3000
BATCH_PX = {"cuda": 16_000_000, "mps": 4_000_000}
CPU_BATCH_PX = 1_000_000

Tile = tuple[int, NDArray[np.uint8]]
"""A row of the tile grid and its pixels."""


class Predictor:
    """Cuts a scene into tiles, finds objects in each, and merges what neighbours both saw.

    The detector is moved to the device and into eval mode.

    Args:
        detector: finds objects in tiles.
        tile_px: side of a tile; the side that the detector was trained on if None.
        overlap_frac: least overlap of neighbouring tiles as a fraction of their side.
        conf: least score; the detector's own if None.
        classes: names of the classes to keep, whatever their case and punctuation; all if None.
        device: "auto" takes CUDA, then Apple's MPS, then the CPU.
        batch_size: tiles at a time; None suits it to the device.
        merge: how what several tiles saw becomes one: "tiles" is smalldet's own, the others of
            `geometry.alternatives.MERGES` are there to compare.
        merge_iou: overlap at which two boxes are one object; what suits the merge if None.
        across_classes: boxes of different classes can be one object too.
        whole: take each scene as one tile.
        max_detections: the strongest of each scene are kept; all if None.

    Raises:
        ValueError: an option is out of its range, or a class is unknown to the detector.
    """

    def __init__(
        self,
        detector: Detector,
        *,
        tile_px: int | None = None,
        overlap_frac: float = 0.2,
        conf: float | None = None,
        classes: Sequence[str] | None = None,
        device: str = "auto",
        batch_size: int | None = None,
        merge: str = "tiles",
        merge_iou: float | None = None,
        across_classes: bool = False,
        whole: bool = False,
        max_detections: int | None = None,
    ) -> None:
        self.tile_px = detector.tile_px if tile_px is None else tile_px
        for name, value, least in (("tile_px", self.tile_px, 1), ("batch_size", batch_size, 1)):
            if value is not None and value < least:
                raise ValueError(f"{name} must be at least {least}, not {value}")
        self.conf = detector.conf if conf is None else conf
        for name, value in (("conf", self.conf), ("merge_iou", merge_iou)):
            if value is not None and not 0 <= value <= 1:
                raise ValueError(f"{name} must be in 0..1, not {value}")
        if not 0 <= overlap_frac < 1:
            raise ValueError(f"overlap_frac must be in [0, 1), not {overlap_frac}")
        self.device = choose_device(device)
        self.detector = detector.eval().to(self.device, memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
        self.precision = choose_precision("auto", self.device)
        if self.device.type == "cpu":
            keep_freed_memory()
        self.overlap_frac, self.batch_size = overlap_frac, batch_size
        if merge not in MERGES:
            raise ValueError(f"there is no merge {merge!r}; there are {', '.join(MERGES)}")
        self.merge, self.merge_iou = MERGES[merge], merge_iou
        self.across_classes, self.whole = across_classes, whole
        self.max_detections = max_detections
        self._wanted = None if classes is None else _wanted(classes, detector.class_names)

    def predict(
        self,
        source: Source | Scene,
        *,
        bands: Sequence[int] | None = None,
        on_progress: Callable[[int, int], None] | None = None,
    ) -> Detections:
        """Objects of a scene in its pixels, strongest first.

        Args:
            source: a path or URL, an array, a PIL picture, or a Scene, which stays open.
            bands: bands to read, counted from 1, as many as the detector takes. Ignored for a
                Scene, which has its own.
            on_progress: called with the tiles done and their number.

        Raises:
            FileNotFoundError, ValueError: the source cannot be read or has other bands.
        """
        if not isinstance(source, Scene):
            with open_scene(source, bands or self.usual_bands) as scene:
                return self.predict(scene, on_progress=on_progress)
        found = self.predict_tiles(source, on_progress)
        if len(found.tiles) == 1:
            merged = Detections(found.boxes, found.scores, found.labels, found.class_names)
        else:
            threshold = {} if self.merge_iou is None else {"iou_threshold": self.merge_iou}
            merged = self.merge(found, across_classes=self.across_classes, **threshold)
            # Soft-NMS leaves what it all but suppressed, with next to no score
            merged = merged[merged.scores >= self.conf]
        return merged.sorted_by_score(self.max_detections)

    def predict_tiles(
        self, scene: Scene, on_progress: Callable[[int, int], None] | None = None
    ) -> TileDetections:
        """Objects of each tile, before the merge; tiles without data are passed over."""
        if scene.num_bands != self.detector.in_channels:
            raise ValueError(
                f"{scene.name}: {scene.num_bands} bands are read and the detector takes "
                f"{self.detector.in_channels}; choose as many with bands"
            )
        width, height = scene.width, scene.height
        side = max(width, height) if self.whole else self.tile_px
        tiles = tile_grid(width, height, side, self.overlap_frac)
        empty = Detections.empty(self.detector.class_names)
        parts, rows = [empty], [torch.zeros(0, dtype=torch.long)]
        for batch, num_done in self._batches(scene, tiles):
            for (row, _), found in zip(batch, self._found(batch), strict=True):
                parts.append(found)
                rows.append(torch.full((len(found),), row))
            if on_progress is not None:
                on_progress(num_done, len(tiles))
        tile = torch.cat(rows)
        boxes = torch.cat([part.boxes for part in parts]) + tiles[tile][:, [0, 1, 0, 1]]
        return TileDetections(
            boxes,
            torch.cat([part.scores for part in parts]),
            torch.cat([part.labels for part in parts]),
            tile,
            interior_cuts(boxes, tile, tiles, width, height),
            tiles,
            self.detector.class_names,
        )

    def _batches(self, scene: Scene, tiles: Tensor) -> Iterator[tuple[list[Tile], int]]:
        """Batches of tiles with data, and how many tiles are done with each."""
        left, top, right, bottom = tiles[0].tolist()  # all tiles of a grid have one size
        fitting = BATCH_PX.get(self.device.type, CPU_BATCH_PX) // ((right - left) * (bottom - top))
        size = self.batch_size or max(1, fitting)
        windows: list[Window] = [(x1, y1, x2, y2) for x1, y1, x2, y2 in tiles.tolist()]
        batch: list[Tile] = []
        for row, pixels in enumerate(tiles_ahead(scene, windows, num_ahead=2 * size)):
            if pixels is not None:
                batch.append((row, pixels))
            if len(batch) == size:
                yield batch, row + 1
                batch = []
        yield batch, len(windows)

    @torch.inference_mode()
    def _found(self, batch: list[Tile]) -> list[Detections]:
        """What the detector finds in each tile, in its pixels, on the CPU."""
        if not batch:
            return []
        images = torch.from_numpy(np.stack([pixels for _, pixels in batch]))
        height, width = images.shape[-2:]
        stride = self.detector.stride
        images = images.to(self.device)
        images = functional.pad(images, (0, -width % stride, 0, -height % stride))
        images = images.contiguous(memory_format=torch.channels_last)
        # A scene taken as one tile may hold as many objects as the tiles that it would make.
        num_tiles = max(1, math.ceil(height / self.tile_px) * math.ceil(width / self.tile_px))
        with torch.autocast(self.device.type, self.precision, self.precision != torch.float32):
            found = self.detector.predict(images, self.conf, MAX_DETECTIONS_PER_TILE * num_tiles)
        return [self._kept(part.to("cpu"), width, height) for part in found]

    def _kept(self, found: Detections, width: int, height: int) -> Detections:
        """Without the unwanted classes and what lies in the padding."""
        centres = (found.boxes[:, :2] + found.boxes[:, 2:]) / 2
        inside = (centres < torch.tensor([width, height])).all(dim=1)
        if self._wanted is not None:
            inside &= self._wanted[found.labels]
        found = found[inside]
        boxes = clip_boxes(found.boxes.float(), width, height)
        return Detections(boxes, found.scores.float(), found.labels, found.class_names)

    @property
    def usual_bands(self) -> Sequence[int] | None:
        """Bands to read unless told: None for colour, so that grey is repeated, else the first."""
        channels = self.detector.in_channels
        return None if channels == 3 else range(1, channels + 1)


def _wanted(classes: Sequence[str], class_names: tuple[str, ...]) -> Tensor:
    """(C,) bool, which classes of the detector are asked for."""
    known = {class_key(name) for name in class_names}
    wrong = [name for name in classes if class_key(name) not in known]
    if wrong:
        raise ValueError(f"the detector does not know {wrong}; it knows {list(class_names)}")
    asked = {class_key(name) for name in classes}
    return torch.tensor([class_key(name) in asked for name in class_names])
