"""Predicting many sources into files; a broken one does not lose the others."""

from __future__ import annotations

import errno
import logging
import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from smalldet.imagery import ImageryOptions, Mosaic, open_scene
from smalldet.imagery.places import assumed_crs
from smalldet.imagery.sources import FileSource, find_sources
from smalldet.inference.area import OutsideAreaError
from smalldet.inference.destinations import check_writable, fit_places
from smalldet.inference.object_sizes import unusual_sizes
from smalldet.inference.options import MapOptions, PredictOptions
from smalldet.inference.prediction_checkpoint import OtherRunError
from smalldet.inference.predictor import Predictor
from smalldet.inference.results import Result, unique_stems
from smalldet.inference.writers.output import (
    check_output,
    chosen_writer,
    is_directory,
    write_one,
    write_together,
)
from smalldet.tile_models import TileModel

logger = logging.getLogger(__name__)

DISK_FULL = (errno.ENOSPC, errno.EDQUOT)


@dataclass
class Outcome:
    """What became of the sources.

    Args:
        results: pictures that were read, in the order of the sources.
        failures: {source: what was wrong}.
        outside: {source that shows nothing of the area: so in words}.
        written: files.
    """

    results: list[Result] = field(default_factory=list)
    failures: dict[str, str] = field(default_factory=dict)
    outside: dict[str, str] = field(default_factory=dict)
    written: list[Path] = field(default_factory=list)

    @property
    def exit_code(self) -> int:
        """0 if every source was read, else 1."""
        return 1 if self.failures else 0


def _ignore(*_: object) -> None:
    """Nobody listens."""


@dataclass(frozen=True)
class Listener:
    """What is called while many sources are predicted.

    Args:
        on_progress: with the source, its tiles done and their number.
        on_scouted: with the source, the tiles that the scout leaves to visit and all.
        on_done: with each picture's result.
        on_failure: with a source that cannot be read, and why.
        on_remark: with a source, and what a person should know of how it is read; not again for
            others of which the same is to be told.
        on_outside: with a source that shows nothing of the area, and so in words.
    """

    on_progress: Callable[[str, int, int], None] = _ignore
    on_scouted: Callable[[str, int, int], None] = _ignore
    on_done: Callable[[Result], None] = _ignore
    on_failure: Callable[[str, str], None] = _ignore
    on_remark: Callable[[str, str], None] = _ignore
    on_outside: Callable[[str, str], None] = _ignore


def predict_sources(
    model: TileModel,
    sources: Sequence[str | Path],
    out: str | os.PathLike[str] | None = None,
    options: PredictOptions | None = None,
    *,
    maps: MapOptions | None = None,
    imagery: ImageryOptions | None = None,
    resume: bool = False,
    listener: Listener | None = None,
) -> Outcome:
    """Find objects in files, folders and patterns of pictures, and write them.

    Detections are kept in a hidden folder beside `out` (inside it, where it is a directory) until
    all is written, so that a run that was stopped can go on.

    Args:
        model: finds objects in tiles.
        sources: what `expand_sources` takes; adjoining files are one scene.
        out: what `writers.write` takes; a directory gets each picture's files as soon as it is
            done. None writes nothing.
        options: what is looked for, and how.
        maps: the format, coordinates and shapes of map formats, and what is counted.
        imagery: how files become scenes.
        resume: go on with the same run where it was stopped; the outcome is the same.
        listener: told of what happens.

    Raises:
        FileNotFoundError: a source does not exist.
        ValueError: there is nothing to read, `out` or an option is wrong, or what was
            stopped was another run. A source that turns out to be broken is no error here: see
            `Outcome.failures`.
    """
    listener, maps = listener or Listener(), maps or MapOptions()
    imagery = imagery or ImageryOptions()
    assumed_crs(imagery)
    area = None if options is None else options.area
    found = find_sources(sources, imagery)
    paths = [str(source) for source in found]
    _tell_mosaics(found, listener)
    listener = replace(listener, on_remark=_once(listener.on_remark))
    if out is not None:
        _check_out(out, len(paths), maps, area)
    predictor = Predictor(model, options)
    folder = None if out is None or chosen_writer(out, maps) is not None else Path(out)
    checkpoints = None if out is None else _checkpoint_folder(out)
    if checkpoints is not None and not resume:
        shutil.rmtree(checkpoints, ignore_errors=True)
    outcome = Outcome()
    if out is not None:
        outcome.failures |= _refused(found, out, maps, imagery, listener)
    named = list(zip(paths, unique_stems(paths), strict=True))
    for source, (path, stem) in zip(found, named, strict=True):
        if path in outcome.failures:
            continue
        checkpoint = None if checkpoints is None else checkpoints / stem
        try:
            result = _predict_one(predictor, source, imagery, checkpoint, listener)
            if folder is not None:
                outcome.written += write_one(folder, stem, result, maps)
        except (OSError, ValueError) as error:
            _note_failure(error, path, outcome, listener)
            continue
        outcome.results.append(result)
        listener.on_done(result)
    if len(outcome.outside) == len(paths):
        raise ValueError(
            f"{area}: no picture shows any of it; is it the right file, and its coordinate system?"
        )
    _tell_sizes(predictor, outcome.results)
    if out is not None and outcome.results:
        outcome.written += write_together(out, outcome.results, maps)
    if checkpoints is not None:
        _forget(checkpoints, [stem for path, stem in named if path not in outcome.failures])
    return outcome


def _check_out(
    out: str | os.PathLike[str], num_sources: int, maps: MapOptions, area: Path | None
) -> None:
    check_output(out, num_sources, maps)
    if area is not None and Path(out).absolute() == area.absolute():
        raise ValueError(f"{area}: would be overwritten; name another file to write to")
    check_writable(out)


def _tell_mosaics(sources: Sequence[FileSource], listener: Listener) -> None:
    for source in sources:
        if isinstance(source, Mosaic):
            num, size = len(source.parts), f"{source.width}x{source.height} px"
            listener.on_remark(str(source), f"{num} files are one scene of {size}")


def _note_failure(error: Exception, path: str, outcome: Outcome, listener: Listener) -> None:
    """Note a picture that failed; raise what would befall all others too."""
    if isinstance(error, OtherRunError):
        raise error
    if isinstance(error, OutsideAreaError):
        outcome.outside[path] = str(error)
        listener.on_outside(path, str(error))
    elif isinstance(error, OSError) and error.errno in DISK_FULL:
        raise error
    else:
        outcome.failures[path] = str(error)
        listener.on_failure(path, str(error))


def _once(tell: Callable[[str, str], None]) -> Callable[[str, str], None]:
    """Tells a remark of the first source that it is true of."""
    told: set[str] = set()

    def tell_new(name: str, remark: str) -> None:
        if remark not in told:
            told.add(remark)
            tell(name, remark)

    return tell_new


def _refused(
    sources: Sequence[FileSource],
    out: str | os.PathLike[str],
    maps: MapOptions,
    imagery: ImageryOptions,
    listener: Listener,
) -> dict[str, str]:
    """{source that the output cannot hold: why}, told as failures."""
    fit = fit_places(sources, out, maps, imagery)
    if fit.remark:
        listener.on_remark(str(out), fit.remark)
    for path, why in fit.refused.items():
        listener.on_failure(path, why)
    return fit.refused


def _predict_one(
    predictor: Predictor,
    source: FileSource,
    imagery: ImageryOptions,
    checkpoint: Path | None,
    listener: Listener,
) -> Result:
    bands = imagery.bands or predictor.usual_bands
    with open_scene(source, bands, options=imagery) as scene:
        for remark in scene.remarks:
            listener.on_remark(scene.name, remark)
        gsd_m = predictor.gsd(scene).metres  # what is wrong about it is told before the work
        detections = predictor.predict(
            scene,
            on_progress=lambda done, num: listener.on_progress(scene.name, done, num),
            on_scouted=lambda visited, num: listener.on_scouted(scene.name, visited, num),
            checkpoint=checkpoint,
        )
        return Result.of(scene, source, detections, classes=predictor.classes, gsd_m=gsd_m)


def _tell_sizes(predictor: Predictor, results: Sequence[Result]) -> None:
    """Warn where objects that were found without a known distance have unusual sizes."""
    options, seen = predictor.options, predictor.model.seen
    matched = bool(seen.gsd_m) and not options.no_gsd_match
    plain = [r.detections for r in results if not (matched and r.gsd_m is not None)]
    for line in unusual_sizes(plain, seen) if options.scales == (1.0,) else ():
        logger.warning("%s", line)


def _checkpoint_folder(out: str | os.PathLike[str]) -> Path:
    path = Path(out)
    return path / ".partial" if is_directory(out) else path.with_name(f".{path.name}.partial")


def _forget(checkpoints: Path, stems: Sequence[str]) -> None:
    """Remove the checkpoints of pictures that are written; one that failed can still go on."""
    for stem in stems:
        shutil.rmtree(checkpoints / stem, ignore_errors=True)
    if checkpoints.is_dir() and not any(checkpoints.iterdir()):
        checkpoints.rmdir()
