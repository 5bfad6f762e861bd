"""SceneWorker: what one process does with the units that it is given."""

from __future__ import annotations

import logging
import tempfile
from dataclasses import dataclass
from pathlib import Path

import torch

from smalldet.archives.messages import (
    Answer,
    Bundle,
    Failure,
    Join,
    Part,
    SceneRecord,
    Unit,
)
from smalldet.archives.model_files import PackedModel
from smalldet.archives.partitions import partition, scene_layer
from smalldet.detections import Detections
from smalldet.imagery import ImageryOptions, Scene, open_scene
from smalldet.imagery.sources import FileSource
from smalldet.inference.area import OutsideAreaError
from smalldet.inference.options import MapOptions, PredictOptions
from smalldet.inference.prediction_checkpoint import OtherRunError
from smalldet.inference.predictor import Predictor
from smalldet.inference.results import Result
from smalldet.inference.writers.layers import Layer
from smalldet.tile_models import TileModel

OF_SCENE = "%s: %s"
"""How sentences of a scene are logged, its name first."""


@dataclass(frozen=True)
class WorkerSetup:
    """All that a worker must know.

    Args:
        model: its files.
        device: as `open_tile_model` takes it.
        num_threads: that it may compute with.
        options: what is looked for, and how.
        maps: coordinates and shapes of what is written.
        imagery: how files become scenes.
        tiles_per_unit: a scene of more is not predicted at once.
    """

    model: PackedModel
    device: str
    num_threads: int
    options: PredictOptions
    maps: MapOptions
    imagery: ImageryOptions
    tiles_per_unit: int


class SceneWorker:
    """Predicts units, one at a time.

    What is wrong with a scene is a `Failure`. Other errors are raised: a worker that raises one may
    be in a bad state, and should be replaced.
    """

    def open(self, setup: WorkerSetup) -> tuple[dict[str, str], PackedModel]:
        """Make ready.

        Returns:
            {what: value} that all results depend on, and the model for further workers, which need
            less time with it.

        Raises:
            FileNotFoundError, ValueError: the model cannot be opened, or an option is wrong.
        """
        torch.set_num_threads(setup.num_threads)
        self._setup = setup
        self._log = _Warnings()
        with self._log:
            model, packed = setup.model.opened(setup.device)
            self._predictor = Predictor(model, setup.options)
            self._oriented = finds_oriented_boxes(model)
        return self._predictor.facts(without=("batch_size",)), packed

    def work(self, unit: Unit) -> Answer:
        """Do a unit."""
        self._remarks: dict[str, str] = {}
        with self._log:
            if isinstance(unit, Part):
                return self._part(unit)
            return self._join(unit) if isinstance(unit, Join) else self._bundle(unit)

    def _bundle(self, unit: Bundle) -> Answer:
        layers: list[Layer] = []
        scenes: list[SceneRecord] = []
        failures: list[Failure] = []
        large: list[tuple[FileSource, int]] = []
        num_tiles = num_begun = 0
        for source in unit.sources:
            if num_tiles >= self._setup.tiles_per_unit:
                break
            num_begun += 1
            try:
                with self._opened(source) as scene:
                    num = self._num_tiles(scene)
                    if num > self._setup.tiles_per_unit and not self._setup.options.scout:
                        large.append((source, num))
                        continue
                    num_tiles += num
                    layer, record = self._predicted(scene, source)
            except (OSError, ValueError) as error:
                failures.append(failure(source, error))
                continue
            layers.append(layer)
            scenes.append(record)
        return Answer(
            partition=partition(layers, scenes) if scenes else b"",
            scenes=tuple(scenes),
            failures=tuple(failures),
            large=tuple(large),
            left=unit.sources[num_begun:],
            remarks=self._told(),
        )

    def _part(self, unit: Part) -> Answer:
        with tempfile.TemporaryDirectory(prefix="smalldet-") as folder:
            try:
                with self._opened(unit.source) as scene:
                    self._predictor.predict_rows(scene, unit.rows, Path(folder))
            except (OSError, ValueError) as error:
                return Answer(failures=(failure(unit.source, error),), remarks=self._told())
            notes = {file.name: file.read_bytes() for file in Path(folder).iterdir()}
        return Answer(notes=notes, remarks=self._told())

    def _join(self, unit: Join) -> Answer:
        with tempfile.TemporaryDirectory(prefix="smalldet-") as folder:
            for name, content in unit.notes.items():
                Path(folder, name).write_bytes(content)
            try:
                with self._opened(unit.source) as scene:
                    try:
                        layer, record = self._predicted(scene, unit.source, Path(folder))
                    except OtherRunError:  # the scene has changed since a part of it was noted
                        layer, record = self._predicted(scene, unit.source)
            except (OSError, ValueError) as error:
                return Answer(failures=(failure(unit.source, error),), remarks=self._told())
        return Answer(partition([layer], [record]), (record,), remarks=self._told())

    def _opened(self, source: FileSource) -> Scene:
        imagery = self._setup.imagery
        bands = imagery.bands or self._predictor.usual_bands
        scene = open_scene(source, bands, options=imagery)
        for remark in scene.remarks:
            self._remarks.setdefault(remark, scene.name)
        return scene

    def _num_tiles(self, scene: Scene) -> int:
        try:
            return self._predictor.num_tiles(scene)
        except OutsideAreaError:
            return 0

    def _predicted(
        self, scene: Scene, source: FileSource, checkpoint: Path | None = None
    ) -> tuple[Layer, SceneRecord]:
        gsd_m, remark = self._predictor.gsd(scene).metres, ""
        try:
            detections = self._predictor.predict(scene, checkpoint=checkpoint)
        except OutsideAreaError as outside:
            detections, remark = Detections.empty(self._predictor.model.class_names), str(outside)
        classes = self._predictor.classes
        result = Result.of(scene, source, detections, classes=classes, gsd_m=gsd_m)
        num = len(detections)
        record = SceneRecord(str(source), scene.width, scene.height, gsd_m, num, remark)
        return scene_layer(result, self._setup.maps, oriented=self._oriented), record

    def _told(self) -> tuple[tuple[str, str], ...]:
        """What is to be told since the last unit."""
        return tuple((self._log.taken() | self._remarks).items())


def failure(source: FileSource, error: Exception) -> Failure:
    """What an error says of a scene."""
    return Failure(str(source), type(error).__name__, str(error))


def finds_oriented_boxes(model: TileModel) -> bool:
    """As an empty tile shows, which also makes the model ready."""
    side = -(-model.tile_px // model.stride) * model.stride
    tile = torch.zeros((1, model.in_channels, side, side), dtype=torch.uint8)
    return model.detect(tile, 1.0, 1)[0].rboxes is not None


class _Warnings(logging.Handler):
    """Keeps what is logged as a warning, each sentence with the scene that it is told of first.

    While it is entered.
    """

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._texts: dict[str, str] = {}

    def __enter__(self) -> None:
        logging.getLogger("smalldet").addHandler(self)

    def __exit__(self, *_: object) -> None:
        logging.getLogger("smalldet").removeHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        if record.msg == OF_SCENE and isinstance(record.args, tuple):
            name, text = map(str, record.args)
        else:
            name, text = "", record.getMessage()
        self._texts.setdefault(text, name)

    def taken(self) -> dict[str, str]:
        """{sentence: scene}, less those taken before."""
        texts, self._texts = self._texts, {}
        return texts
