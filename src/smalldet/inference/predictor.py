"""Predictor: a detector over scenes of any size."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property, partial
from pathlib import Path

import torch
from torch import Tensor

from smalldet.class_names import class_key
from smalldet.columns import cat
from smalldet.detections import Detections, TileDetections
from smalldet.geometry.merge_methods import MERGES
from smalldet.geometry.scales import merge_scales
from smalldet.geometry.streaming import StreamedMerge, united, without_far_tiles
from smalldet.hardware import choose_device, choose_precision, keep_freed_memory
from smalldet.imagery import Scene, Source, open_scene
from smalldet.inference.prediction_checkpoint import (
    PredictionCheckpoint,
    detector_fingerprint,
    picture_fingerprint,
)
from smalldet.inference.scout import Scout
from smalldet.inference.tile_detector import Step, TileDetector
from smalldet.inference.tiling import Tiling, tile_scene
from smalldet.models.detector import Detector
from smalldet.models.fuse_batchnorm import fuse_batchnorm

MAX_SCALE = 8.0


class Predictor:
    """Cuts a scene into tiles, finds objects in each, and merges what neighbours both saw.

    Tiles are gone through from top to bottom, and what can grow no more is merged on the way, so
    that memory does not follow the scene's height. What works is a copy of the detector on the
    device, with its batch norms folded into its convolutions; one without norms is itself moved to
    the device. The detector is put into eval mode.

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
        scales: resolutions at which the scene is gone through, pixels of the detector for one of
            the scene: 2 shows objects twice as large, 0.5 half as large.
        whole_pass: look besides at the scene shrunk to one tile, for objects larger than a tile.
        scout: look first at a small picture of the scene, and pass over tiles in which nothing
            seems to be; see `Scout`.
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
        scales: Sequence[float] = (1.0,),
        whole_pass: bool = False,
        scout: bool = False,
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
        if merge not in MERGES:
            raise ValueError(f"there is no merge {merge!r}; there are {', '.join(MERGES)}")
        if not scales or not all(0 < scale <= MAX_SCALE for scale in scales):
            raise ValueError(f"scales must lie above 0 and up to {MAX_SCALE}, not {list(scales)}")
        self.device = choose_device(device)
        if self.device.type == "cpu":
            keep_freed_memory()
        self.detector = detector.eval()
        fused = fuse_batchnorm(detector)
        self._tile_detector = TileDetector(
            fused.to(self.device, memory_format=torch.channels_last),  # pyright: ignore[reportCallIssue]
            self.device,
            choose_precision("auto", self.device),
            self.tile_px,
            None if classes is None else _wanted(classes, detector.class_names),
            batch_size,
        )
        self.overlap_frac = overlap_frac
        threshold = {} if merge_iou is None else {"iou_threshold": merge_iou}
        self._merge = partial(MERGES[merge], across_classes=across_classes, **threshold)
        self.across_classes, self.whole = across_classes, whole
        self.scales = tuple(sorted({float(scale) for scale in scales}, reverse=True))
        self.whole_pass = whole_pass
        self.scout = Scout(self._tile_detector, self.conf) if scout else None
        self.max_detections = max_detections

    def predict(
        self,
        source: Source | Scene,
        *,
        bands: Sequence[int] | None = None,
        on_progress: Callable[[int, int], None] | None = None,
        on_scouted: Callable[[int, int], None] | None = None,
        checkpoint: Path | None = None,
    ) -> Detections:
        """Objects of a scene in its pixels, strongest first.

        Args:
            source: a path or URL, an array, a PIL picture, or a Scene, which stays open.
            bands: bands to read, counted from 1, as many as the detector takes. Ignored for a
                Scene, which has its own.
            on_progress: called with the tiles done and their number.
            on_scouted: called with the tiles that the scout leaves to visit and their number.
            checkpoint: folder in which to note what is found on the way. Where a run that was
                stopped has left one, this one goes on with it. It is not removed.

        Raises:
            FileNotFoundError, ValueError: the source cannot be read or has other bands, or the
                checkpoint is of another run.
        """
        if not isinstance(source, Scene):
            with open_scene(source, bands or self.usual_bands) as scene:
                return self.predict(
                    scene, on_progress=on_progress, on_scouted=on_scouted, checkpoint=checkpoint
                )
        tiling = self._visited(source, self._tiling(source), on_scouted)
        noted = None if checkpoint is None else PredictionCheckpoint(checkpoint, self._run(source))
        steps = self._steps(source, tiling, noted, on_progress)
        if len(tiling) == 1:
            merged = [cat([found for found, _ in steps]).as_detections()]
        else:
            merged = list(self._merged(steps, tiling))
        # Soft-NMS leaves what it all but suppressed, with next to no score
        found = united([Detections.empty(self.detector.class_names), *merged])
        return found[found.scores >= self.conf][: self.max_detections]

    def predict_tiles(
        self, scene: Scene, on_progress: Callable[[int, int], None] | None = None
    ) -> TileDetections:
        """Objects of each tile, before the merge; tiles without data are passed over."""
        steps = self._steps(scene, self._tiling(scene), None, on_progress)
        return cat([found for found, _ in steps])

    @property
    def usual_bands(self) -> Sequence[int] | None:
        """Bands to read unless told: None for colour, so that grey is repeated, else the first."""
        channels = self.detector.in_channels
        return None if channels == 3 else range(1, channels + 1)

    def _tiling(self, scene: Scene) -> Tiling:
        if scene.num_bands != self.detector.in_channels:
            raise ValueError(
                f"{scene.name}: {scene.num_bands} bands are read and the detector takes "
                f"{self.detector.in_channels}; choose as many with bands"
            )
        longer_side = max(scene.width, scene.height)
        side, scales = (longer_side if self.whole else self.tile_px), self.scales
        fits_one_tile = side / longer_side
        if self.whole_pass and fits_one_tile < min(scales):
            scales = (*scales, fits_one_tile)
        return tile_scene(scene.width, scene.height, side, self.overlap_frac, scales)

    def _visited(
        self, scene: Scene, tiling: Tiling, on_scouted: Callable[[int, int], None] | None
    ) -> Tiling:
        """The tiling with those tiles left out in which the scout sees nothing."""
        if self.scout is None or len(tiling) == 1:
            return tiling
        scouted = tiling.only(self.scout.promising(scene, tiling))
        if on_scouted is not None:
            on_scouted(int(scouted.visited.sum()), len(tiling))
        return scouted

    def _merged(self, steps: Iterator[Step], tiling: Tiling) -> Iterator[Detections]:
        """Merge on the way down whatever no tile to come can touch."""

        def in_band(found: TileDetections) -> Detections:
            return self._merge(without_far_tiles(found))

        def at_scales(found: TileDetections) -> Detections:
            return merge_scales(
                found, tiling.level, tiling.scales, in_band, across_classes=self.across_classes
            )

        at_once = in_band if len(tiling.scales) == 1 else at_scales
        merge, top_px = StreamedMerge(at_once, self.across_classes), 0.0
        for found, num_done in steps:
            merge.add(found)
            next_top_px = tiling.next_top_px(num_done)
            if next_top_px > top_px:
                top_px = next_top_px
                yield from _if_any(merge.completed(top_px))
        yield from _if_any(merge.completed(math.inf))

    def _steps(
        self,
        scene: Scene,
        tiling: Tiling,
        checkpoint: PredictionCheckpoint | None,
        on_progress: Callable[[int, int], None] | None,
    ) -> Iterator[Step]:
        """All tiles in their order, those that the checkpoint knows first."""
        first, nothing = 0, self._tile_detector.nothing(tiling)
        yield nothing, first
        if checkpoint is not None:
            for found, first in checkpoint.restored(nothing):
                yield found, first
        num_done = first
        for found, num_done in self._tile_detector.steps(scene, tiling, self.conf, first):
            if checkpoint is not None:
                checkpoint.note(found, num_done)
            if on_progress is not None:
                on_progress(num_done, len(tiling))
            yield found, num_done
        if checkpoint is not None:
            checkpoint.flush()
        if on_progress is not None and num_done < len(tiling):
            on_progress(len(tiling), len(tiling))

    def _run(self, scene: Scene) -> dict[str, str]:
        """All that the detections of a scene's tiles depend on, for the checkpoint."""
        detector = self._tile_detector
        facts = {
            "model": self._fingerprint,
            "picture": picture_fingerprint(scene),
            "bands": scene.bands,
            "tile_px": self.tile_px,
            "overlap_frac": self.overlap_frac,
            "conf": self.conf,
            "classes": None if detector.wanted is None else detector.wanted.tolist(),
            "whole": self.whole,
            "scales": self.scales,
            "whole_pass": self.whole_pass,
            "scout": self.scout is not None,
            "batch_size": detector.batch_size,
            "device": f"{self.device.type} in {detector.precision}",
        }
        return {key: str(it) for key, it in facts.items()}

    @cached_property
    def _fingerprint(self) -> str:
        """Once for all pictures: it goes through all weights."""
        return detector_fingerprint(self.detector)


def _if_any(found: Detections | None) -> list[Detections]:
    return [] if found is None else [found]


def _wanted(classes: Sequence[str], class_names: tuple[str, ...]) -> Tensor:
    """(C,) bool, which classes of the detector are asked for."""
    known = {class_key(name) for name in class_names}
    wrong = [name for name in classes if class_key(name) not in known]
    if wrong:
        raise ValueError(f"the detector does not know {wrong}; it knows {list(class_names)}")
    asked = {class_key(name) for name in classes}
    return torch.tensor([class_key(name) in asked for name in class_names])
