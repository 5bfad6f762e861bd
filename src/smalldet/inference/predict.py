"""Predicting many sources into files; a broken one does not lose the others."""

from __future__ import annotations

import errno
import logging
import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from smalldet.imagery import expand_sources, open_scene
from smalldet.inference.area import OutsideAreaError
from smalldet.inference.object_sizes import unusual_sizes
from smalldet.inference.options import MapOptions, PredictOptions
from smalldet.inference.prediction_checkpoint import OtherRunError
from smalldet.inference.predictor import Predictor
from smalldet.inference.results import Result
from smalldet.inference.writers.output import (
    COMBINED,
    check_output,
    is_directory,
    unique_stems,
    write,
    write_one,
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
        on_outside: with a source that shows nothing of the area, and so in words.
    """

    on_progress: Callable[[str, int, int], None] = _ignore
    on_scouted: Callable[[str, int, int], None] = _ignore
    on_done: Callable[[Result], None] = _ignore
    on_failure: Callable[[str, str], None] = _ignore
    on_outside: Callable[[str, str], None] = _ignore


def predict_sources(
    model: TileModel,
    sources: Sequence[str | Path],
    out: str | os.PathLike[str] | None = None,
    options: PredictOptions | None = None,
    *,
    maps: MapOptions | None = None,
    bands: Sequence[int] | None = None,
    resume: bool = False,
    listener: Listener | None = None,
) -> Outcome:
    """Find objects in files, folders and patterns of pictures, and write them.

    Detections are kept in a hidden folder beside `out` (inside it, where it is a directory) until
    all is written, so that a run that was stopped can go on.

    Args:
        model: finds objects in tiles.
        sources: what `expand_sources` takes.
        out: what `writers.write` takes; a directory gets each picture's files as soon as it is
            done. None writes nothing.
        options: what is looked for, and how.
        maps: coordinates and shapes of map formats, and what is counted.
        bands: bands to read, counted from 1.
        resume: go on with the same run where it was stopped; the outcome is the same.
        listener: told of what happens.

    Raises:
        FileNotFoundError: a source does not exist.
        ValueError: there is nothing to read, `out` or an option is wrong, or what was
            stopped was another run. A source that turns out to be broken is no error here: see
            `Outcome.failures`.
    """
    listener, maps = listener or Listener(), maps or MapOptions()
    area = None if options is None else options.area
    paths = expand_sources(sources)
    if out is not None:
        check_output(out, len(paths), maps)
        if area is not None and Path(out).absolute() == area.absolute():
            raise ValueError(f"{area}: would be overwritten; name another file to write to")
    predictor = Predictor(model, options)
    folder = Path(out) if out is not None and is_directory(out) else None
    checkpoints = None if out is None else _checkpoint_folder(out)
    if checkpoints is not None and not resume:
        shutil.rmtree(checkpoints, ignore_errors=True)
    outcome = Outcome()
    named = list(zip(paths, unique_stems(paths), strict=True))
    for path, stem in named:
        checkpoint = None if checkpoints is None else checkpoints / stem
        try:
            result = _predict_one(predictor, path, bands, checkpoint, listener)
            if folder is not None:
                outcome.written += write_one(folder, stem, result, maps)
        except OtherRunError:
            raise
        except OutsideAreaError as outside:
            outcome.outside[path] = str(outside)
            listener.on_outside(path, str(outside))
            continue
        except (OSError, ValueError) as error:
            if isinstance(error, OSError) and error.errno in DISK_FULL:
                raise  # the next picture would fail too
            outcome.failures[path] = str(error)
            listener.on_failure(path, str(error))
            continue
        outcome.results.append(result)
        listener.on_done(result)
    if len(outcome.outside) == len(paths):
        raise ValueError(
            f"{area}: no picture shows any of it; is it the right file, and its coordinate system?"
        )
    _tell_sizes(predictor, outcome.results)
    if out is not None and outcome.results:
        target = out if folder is None else folder / COMBINED
        outcome.written += write(target, outcome.results, maps)
    if checkpoints is not None:
        _forget(checkpoints, [stem for path, stem in named if path not in outcome.failures])
    return outcome


def _predict_one(
    predictor: Predictor,
    path: str,
    bands: Sequence[int] | None,
    checkpoint: Path | None,
    listener: Listener,
) -> Result:
    with open_scene(path, bands or predictor.usual_bands) as scene:
        gsd_m = predictor.gsd(scene).metres  # what is wrong about it is told before the work
        detections = predictor.predict(
            scene,
            on_progress=lambda done, num: listener.on_progress(path, done, num),
            on_scouted=lambda visited, num: listener.on_scouted(path, visited, num),
            checkpoint=checkpoint,
        )
        return Result.of(scene, path, detections, classes=predictor.classes, gsd_m=gsd_m)


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
