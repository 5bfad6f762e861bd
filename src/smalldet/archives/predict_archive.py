"""Predicting an archive: sources to a folder of partitions, on the workers of a Ray cluster."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from smalldet.archives.archive_folder import ArchiveFolder
from smalldet.archives.handout import Handout
from smalldet.archives.messages import Failure
from smalldet.archives.model_files import PackedModel
from smalldet.archives.options import ArchiveOptions
from smalldet.archives.partitions import archive_crs
from smalldet.archives.ray_workers import RayWorkers
from smalldet.archives.sources import archive_sources
from smalldet.archives.worker import WorkerSetup
from smalldet.imagery import ImageryOptions
from smalldet.imagery.places import assumed_crs
from smalldet.inference.options import MapOptions, PredictOptions
from smalldet.inference.writers.placing import SOURCE

MAX_REMARKS = 50
"""Different ones that are told: pictures of an archive may all have something to remark on."""


@dataclass(frozen=True)
class ArchiveOutcome:
    """What became of an archive.

    Args:
        num_scenes: that are written, in this run or before.
        num_objects: in them.
        failures: scenes that could not be predicted; the same run tries them again.
        written: files and folders.
    """

    num_scenes: int
    num_objects: int
    failures: tuple[Failure, ...]
    written: tuple[Path, ...]

    @property
    def exit_code(self) -> int:
        """0 if every scene is written, else 1."""
        return 1 if self.failures else 0


@dataclass(frozen=True)
class ArchiveListener:
    """What is called while an archive is predicted.

    Args:
        on_progress: with scenes done and in all.
        on_failure: with a scene that cannot be predicted.
        on_remark: with what a person should know.
    """

    on_progress: Callable[[float, int], None] = lambda done, total: None
    on_failure: Callable[[Failure], None] = lambda failure: None
    on_remark: Callable[[str], None] = lambda text: None


def predict_archive(
    model: PackedModel,
    sources: Sequence[str | Path],
    out: str | Path,
    options: PredictOptions | None = None,
    *,
    device: str = "auto",
    maps: MapOptions | None = None,
    imagery: ImageryOptions | None = None,
    archive: ArchiveOptions | None = None,
    listener: ArchiveListener | None = None,
) -> ArchiveOutcome:
    """Find objects in many scenes on many workers, into a folder; see `ArchiveFolder`.

    The same call goes on where one was stopped, or killed in whatever way; scenes that failed are
    tried again. The outcome is that of an unbroken run. Pictures, and the file of `options.area`,
    are opened by the workers, under the names that they have here.

    Args:
        model: its files.
        sources: what `archive_sources` takes.
        out: folder.
        options: what is looked for, and how.
        device: as `RayWorkers` takes it.
        maps: the coordinate system of all results, WGS 84 if it names none, and their shapes.
        imagery: how files become scenes.
        archive: which workers, and pieces of which size.
        listener: told of what happens.

    Raises:
        FileNotFoundError: a source or the model does not exist.
        ConnectionError: no cluster answers, or it went away.
        ValueError: there is nothing to read, an option is wrong, or the folder holds another run.
        OSError: results cannot be written.
    """
    listener, maps = listener or ArchiveListener(), maps or MapOptions()
    imagery, archive = imagery or ImageryOptions(), archive or ArchiveOptions()
    options = options or PredictOptions()
    if maps.crs == SOURCE:
        raise ValueError("--crs source: an archive's results have one coordinate system; name it")
    archive_crs(maps)
    assumed_crs(imagery)
    with ArchiveFolder(Path(out)) as folder:
        found = archive_sources(sources, imagery, archive.asset)
        with RayWorkers(archive, device) as workers:
            setup = WorkerSetup(
                model=model,
                device=device,
                num_threads=workers.num_cpus,
                options=options,
                maps=maps,
                imagery=imagery,
                tiles_per_unit=archive.tiles_per_part,
            )
            facts = workers.open_first(setup)
            folder.begin(facts | _said(maps, imagery))
            handout = Handout(found.scenes, folder, archive.scenes_per_file, archive.tiles_per_part)
            for failure in found.failures:
                handout.failures[failure.source] = failure
            telling = _Telling(handout, len(found.scenes) + len(found.failures), listener)
            try:
                workers.work(handout, telling.tell)
            finally:
                written = folder.finish(handout.failures.values())
        return ArchiveOutcome(
            handout.num_scenes,
            handout.num_objects,
            tuple(handout.failures.values()),
            tuple(written),
        )


def _said(maps: MapOptions, imagery: ImageryOptions) -> dict[str, str]:
    """What results depend on besides what a predictor knows."""
    pictures = {name: str(value) for name, value in imagery.model_dump().items()}
    return pictures | {"crs": archive_crs(maps).to_string(), "geometry": maps.geometry}


class _Telling:
    """Tells a listener what is new of a hand-out."""

    def __init__(self, handout: Handout, num_scenes: int, listener: ArchiveListener) -> None:
        self._handout, self._num_scenes, self._listener = handout, num_scenes, listener
        self._num_failures = self._num_remarks = 0

    def tell(self) -> None:
        for failure in islice(self._handout.failures.values(), self._num_failures, None):
            self._num_failures += 1
            self._listener.on_failure(failure)
        for text, name in islice(self._handout.remarks.items(), self._num_remarks, None):
            self._num_remarks += 1
            if self._num_remarks <= MAX_REMARKS:
                self._listener.on_remark(f"{name}: {text}" if name else text)
        self._listener.on_progress(self._handout.num_done, self._num_scenes)
