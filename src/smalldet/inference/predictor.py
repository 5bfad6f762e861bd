"""Predictor: a tile model over scenes of any size."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Collection, Iterator, Sequence
from copy import copy
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Unpack, overload

import torch
from torch import Tensor

from smalldet.class_names import class_key
from smalldet.columns import cat
from smalldet.config.imagery import ImageryOptions
from smalldet.detections import Detections, Picture, TileDetections
from smalldet.geometry.merge_methods import MERGES
from smalldet.geometry.streaming import united
from smalldet.imagery import Scene, Source, open_scene
from smalldet.imagery.gsd import UNKNOWN, Gsd
from smalldet.inference.area import Area, SceneInside
from smalldet.inference.gsd_matching import Matching, classes_by_scale, match_gsd
from smalldet.inference.merging import merged_on_the_way
from smalldet.inference.object_sizes import metres_for_sizes, within_metres
from smalldet.inference.options import PictureKeywords, PredictOptions
from smalldet.inference.prediction_checkpoint import PredictionCheckpoint, picture_fingerprint
from smalldet.inference.scout import Scout
from smalldet.inference.tile_runner import OnTiles, Step, TileRunner
from smalldet.inference.tiling import Tiling, tile_scene
from smalldet.tile_models import TileModel

logger = logging.getLogger(__name__)

Told = Callable[[int, int], None]


class Predictor:
    """Cuts a scene into tiles, finds objects in each, and merges what neighbours both saw.

    Tiles are gone through from top to bottom, and what can grow no more is merged on the way, so
    that memory does not follow the scene's height.

    Args:
        model: finds objects in tiles.
        options: what is looked for, and how.
        on_tiles: told what single tiles show, before the merge.

    Raises:
        ValueError: a class is unknown to the model.
    """

    def __init__(
        self,
        model: TileModel,
        options: PredictOptions | None = None,
        on_tiles: OnTiles | None = None,
    ) -> None:
        options = options or PredictOptions()
        self.model, self.options = model, options
        self.tile_px = model.tile_px if options.tile_px is None else options.tile_px
        self.conf = model.conf if options.conf is None else options.conf
        self._wanted = _wanted(options.classes, model.class_names) if options.classes else None
        self._runner = TileRunner(model, self.tile_px, self._wanted, options.batch_size, on_tiles)
        threshold = {} if options.merge_iou is None else {"iou_threshold": options.merge_iou}
        self._merge = partial(
            MERGES[options.merge], across_classes=options.across_classes, **threshold
        )
        self._scales = tuple(sorted(set(options.scales), reverse=True))
        self._area = None if options.area is None else Area(options.area)
        self._scout = Scout(self._runner, self.conf) if options.scout else None
        self._said: set[str] = set()

    @overload
    def predict(
        self,
        source: Source | Scene,
        *,
        on_progress: Told | None = None,
        on_scouted: Told | None = None,
        checkpoint: Path | None = None,
        **picture: Unpack[PictureKeywords],
    ) -> Detections: ...
    @overload
    def predict(
        self,
        source: Sequence[Source | Scene],
        *,
        on_progress: Told | None = None,
        on_scouted: Told | None = None,
        **picture: Unpack[PictureKeywords],
    ) -> list[Detections]: ...
    def predict(
        self,
        source: Source | Scene | Sequence[Source | Scene],
        *,
        on_progress: Told | None = None,
        on_scouted: Told | None = None,
        checkpoint: Path | None = None,
        **picture: Unpack[PictureKeywords],
    ) -> Detections | list[Detections]:
        """Objects of a picture in its pixels, strongest first; of each picture of a list.

        Args:
            source: a path or URL, an array (H, W) or (H, W, bands), a PIL picture, or a Scene,
                which stays open; or a list of these.
            on_progress: called with the tiles of a picture that are done and their number.
            on_scouted: called with the tiles that the scout leaves to visit and their number.
            checkpoint: folder to note detections in on the way, of one picture; what a stopped run
                has left there is gone on with. It is not removed.
            picture: `gsd_m`, metres a pixel, goes before what options and picture say; fields of
                `ImageryOptions` say how it is read: `bands`, counted from 1, as many as the model
                takes, `stretch`, `nodata`, ... A Scene has been opened with its own.

        Raises:
            FileNotFoundError, ValueError: a source cannot be read or has other bands, shows
                nothing of the area, an option is wrong, or the checkpoint is of another run.
        """
        if isinstance(source, Sequence) and not isinstance(source, str):
            if checkpoint is not None:
                raise ValueError("a checkpoint notes one picture; predict those of a list singly")
            told: dict[str, Any] = {"on_progress": on_progress, "on_scouted": on_scouted}
            return [self.predict(one, **told, **picture) for one in source]
        imagery: dict[str, Any] = {**picture}
        gsd_m = imagery.pop("gsd_m", None)
        predictor = self if gsd_m is None else self._at(gsd_m)
        if isinstance(source, Scene):
            if imagery:
                raise ValueError(f"{source.name}: is open already; give {[*imagery]} when opening")
            return predictor._predict(source, on_progress, on_scouted, checkpoint)
        read = ImageryOptions.model_validate(imagery)
        with open_scene(source, read.bands or self.usual_bands, options=read) as scene:
            return predictor._predict(scene, on_progress, on_scouted, checkpoint)

    def _at(self, gsd_m: float) -> Predictor:
        other = copy(self)
        said = self.options.model_dump() | {"gsd_m": gsd_m}
        other.options = PredictOptions.model_validate(said)
        return other

    def _predict(
        self,
        source: Scene,
        on_progress: Told | None,
        on_scouted: Told | None,
        checkpoint: Path | None,
    ) -> Detections:
        picture = Picture(source.name, source.width, source.height, source.crs, source.transform)
        source = self._inside(source)
        sizes_m = self.options.min_size_m, self.options.max_size_m
        metres = metres_for_sizes(source.name, self.gsd(source)) if any(sizes_m) else None
        matching = self._matching(source)
        self._tell(source, matching)
        tiling = self._visited(source, self._tiling(source, matching), matching, on_scouted)
        run = self._run(source, matching)
        so_far = None if checkpoint is None else PredictionCheckpoint(checkpoint, run)
        steps = self._steps(source, tiling, so_far, on_progress)
        if len(tiling) == 1:
            merged = [cat([detections for detections, _ in steps]).as_detections()]
        else:
            across = self.options.across_classes
            merged = list(merged_on_the_way(steps, tiling, self._merge, across))
        # Soft-NMS leaves what it all but suppressed, with next to no score
        detections = united([Detections.empty(self.model.class_names), *merged])
        detections = detections[detections.scores >= self.conf]
        if metres is not None:
            detections = detections[within_metres(detections, metres, *sizes_m)]
        if isinstance(source, SceneInside):
            detections = detections[source.holds(detections)]
        return replace(detections[: self.options.max_detections], picture=picture)

    def num_tiles(self, scene: Scene) -> int:
        """Tiles of a scene, as `predict` goes through them.

        Raises:
            ValueError: as `predict`.
        """
        inside = self._inside(scene)
        return len(self._tiling(inside, self._matching(inside)))

    def predict_rows(self, scene: Scene, rows: range, checkpoint: Path) -> None:
        """Note what some of a scene's tiles show, for `predict` to go on with.

        When all tiles are noted, by whatever processes, `predict` with this checkpoint merges them
        to what it would have found by itself.

        Args:
            scene: stays open.
            rows: of its tiles, within `num_tiles`.
            checkpoint: folder that gets one file.

        Raises:
            ValueError: as `predict`, or there is a scout, which looks at a scene as a whole.
        """
        if self._scout is not None:
            raise ValueError("a scout looks at a whole scene; it cannot be predicted in parts")
        inside = self._inside(scene)
        matching = self._matching(inside)
        tiling = self._tiling(inside, matching)
        of_part = torch.zeros(len(tiling), dtype=torch.bool)
        of_part[rows.start : rows.stop] = True
        steps = self._runner.steps(inside, tiling.only(of_part), self.conf, rows.start)
        found = cat([self._runner.nothing(tiling), *(detections for detections, _ in steps)])
        PredictionCheckpoint(checkpoint, self._run(inside, matching)).write(found, rows)

    def predict_tiles(self, scene: Scene, on_progress: Told | None = None) -> TileDetections:
        """Objects of each tile, before the merge; tiles without data are passed over."""
        tiling = self._tiling(scene, self._matching(scene))
        steps = self._steps(scene, tiling, None, on_progress)
        return cat([detections for detections, _ in steps])

    def gsd(self, scene: Scene) -> Gsd:
        """Metres on the ground for a pixel of a scene: as the options say, else as it says itself.

        Raises:
            ValueError: what stands beside the scene's file says no positive number.
        """
        said = self.options.gsd_m
        return scene.gsd if said is None else Gsd(said, "as given")

    @property
    def classes(self) -> tuple[str, ...]:
        """The classes that are looked for, by the model's names."""
        names = self.model.class_names
        if self._wanted is None:
            return names
        return tuple(names[label] for label in torch.nonzero(self._wanted).flatten().tolist())

    @property
    def usual_bands(self) -> Sequence[int] | None:
        """Bands to read unless told: None for colour, so that grey is repeated, else the first."""
        channels = self.model.in_channels
        return None if channels == 3 else range(1, channels + 1)

    def facts(self, without: Collection[str] = ()) -> dict[str, str]:
        """All that detections depend on besides the scene: {what: value}.

        Args:
            without: options to leave out.
        """
        facts = {
            "model": self.model.fingerprint,
            "runtime": self.model.runtime,
            **self.options.model_dump(exclude=set(without)),
            "tile_px": self.tile_px,
            "conf": self.conf,
            "area": None if self._area is None else self._area.fingerprint,
        }
        return {key: str(value) for key, value in facts.items()}

    def _inside(self, scene: Scene) -> Scene:
        """What of a scene is looked at."""
        return scene if self._area is None else self._area.within(scene)

    def _matching(self, scene: Scene) -> Matching:
        """At which scales the scene is looked at, and for what."""
        seen, names = self.model.seen, self.model.class_names
        rescale = not self.options.no_gsd_match
        gsd = self.gsd(scene) if seen.gsd_m and (rescale or seen.resolvable_px) else UNKNOWN
        zoom = self._scales[0]
        return match_gsd(seen, names, gsd, self._wanted, rescale=rescale, zoom=zoom)

    def _tell(self, scene: Scene, matching: Matching) -> None:
        """Log what is rescaled and what will be missed; the same of many pictures once."""
        told = matching.told
        if self.model.seen.gsd_m and not self.options.no_gsd_match:
            gsd = self.gsd(scene)
            told = told or (gsd.source if gsd.metres is None and gsd is not UNKNOWN else "")
        lines = {told: logging.INFO, **dict.fromkeys(matching.warnings, logging.WARNING)}
        for line in lines.keys() - self._said - {""}:
            self._said.add(line)
            logger.log(lines[line], "%s: %s", scene.name, line)

    def _tiling(self, scene: Scene, matching: Matching) -> Tiling:
        if scene.num_bands != self.model.in_channels:
            raise ValueError(
                f"{scene.name}: {scene.num_bands} bands are read and the detector takes "
                f"{self.model.in_channels}; choose as many with bands"
            )
        longer_side = max(scene.width, scene.height)
        whole_px = max(1, math.ceil(longer_side * matching.looks[0].scale))
        side = whole_px if self.options.whole else self.tile_px
        classes = classes_by_scale(matching.looks, self._scales)
        fits_one_tile = side / longer_side
        if self.options.whole_pass and fits_one_tile < min(classes):
            classes[fits_one_tile] = torch.stack(list(classes.values())).any(0)
        overlap_frac, scales = self.options.overlap_frac, list(classes)
        tiling = tile_scene(scene.width, scene.height, side, overlap_frac, scales, scene.has_data)
        return replace(tiling, classes=torch.stack(list(classes.values())))

    def _visited(
        self,
        scene: Scene,
        tiling: Tiling,
        matching: Matching,
        on_scouted: Told | None,
    ) -> Tiling:
        """The tiling with those tiles left out in which the scout sees nothing."""
        if self._scout is None or len(tiling) == 1:
            return tiling
        scales = [look.scale for look in matching.looks]
        scouted = tiling.only(self._scout.promising(scene, tiling, scales))
        if on_scouted is not None:
            on_scouted(int(scouted.visited.sum()), len(tiling))
        return scouted

    def _steps(
        self,
        scene: Scene,
        tiling: Tiling,
        checkpoint: PredictionCheckpoint | None,
        on_progress: Told | None,
    ) -> Iterator[Step]:
        """All tiles in their order, those that the checkpoint knows first."""
        first, nothing = 0, self._runner.nothing(tiling)
        yield nothing, first
        if checkpoint is not None:
            for detections, first in checkpoint.restored(nothing):
                yield detections, first
        num_done = first
        for detections, num_done in self._runner.steps(scene, tiling, self.conf, first):
            if checkpoint is not None:
                checkpoint.note(detections, num_done)
            if on_progress is not None:
                on_progress(num_done, len(tiling))
            yield detections, num_done
        if checkpoint is not None:
            checkpoint.flush()
        if on_progress is not None and num_done < len(tiling):
            on_progress(len(tiling), len(tiling))

    def _run(self, scene: Scene, matching: Matching) -> dict[str, str]:
        """All that the detections of a scene's tiles depend on, for the checkpoint."""
        facts = self.facts(PredictOptions.AFTER_TILES)
        facts |= {"picture": picture_fingerprint(scene), "bands": str(scene.bands)}
        if matching.told:
            facts["ground sample distance"] = matching.told
        return facts


def _wanted(classes: Sequence[str], class_names: tuple[str, ...]) -> Tensor:
    """(C,) bool, which classes of the model are asked for."""
    known = {class_key(name) for name in class_names}
    wrong = [name for name in classes if class_key(name) not in known]
    if wrong:
        raise ValueError(f"the detector does not know {wrong}; it knows {list(class_names)}")
    asked = {class_key(name) for name in classes}
    return torch.tensor([class_key(name) in asked for name in class_names])
