"""Predicting many sources into files; a broken one does not lose the others."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from smalldet.imagery import expand_sources, open_scene
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
from smalldet.models.detector import Detector


@dataclass
class Outcome:
    """What became of the sources.

    Args:
        results: pictures that were read, in the order of the sources.
        failures: {source: what was wrong}.
        written: files.
    """

    results: list[Result] = field(default_factory=list)
    failures: dict[str, str] = field(default_factory=dict)
    written: list[Path] = field(default_factory=list)

    @property
    def exit_code(self) -> int:
        """0 if every source was read, else 1."""
        return 1 if self.failures else 0


def predict_sources(
    detector: Detector,
    sources: Sequence[str | Path],
    out: str | os.PathLike[str] | None = None,
    *,
    crs: str | None = None,
    bands: Sequence[int] | None = None,
    on_progress: Callable[[str, int, int], None] | None = None,
    on_done: Callable[[Result], None] | None = None,
    on_failure: Callable[[str, str], None] | None = None,
    **options: Any,
) -> Outcome:
    """Find objects in files, folders and patterns of pictures, and write them.

    Args:
        detector: finds objects in tiles.
        sources: what `expand_sources` takes.
        out: what `writers.write` takes; a directory gets each picture's files as soon as it is
            done. None writes nothing.
        crs: coordinates of map formats.
        bands: bands to read, counted from 1.
        on_progress: called with the source, its tiles done and their number.
        on_done: called with each picture's result.
        on_failure: called with a source that cannot be read, and why.
        options: of `Predictor`.

    Raises:
        FileNotFoundError: a source does not exist.
        ValueError: there is nothing to read, or `out`, `crs` or an option is wrong. A source that
            turns out to be broken is no error here: see `Outcome.failures`.
    """
    paths = expand_sources(sources)
    if out is not None:
        check_output(out, len(paths), crs)
    predictor = Predictor(detector, **options)
    folder = Path(out) if out is not None and is_directory(out) else None
    outcome = Outcome()
    for path, stem in zip(paths, unique_stems(paths), strict=True):
        try:
            result = _result(predictor, path, bands, on_progress)
            if folder is not None:
                outcome.written += write_one(folder, stem, result, crs)
        except (OSError, ValueError) as error:
            outcome.failures[path] = str(error)
            if on_failure is not None:
                on_failure(path, str(error))
            continue
        outcome.results.append(result)
        if on_done is not None:
            on_done(result)
    if out is not None and outcome.results:
        target = out if folder is None else folder / COMBINED
        outcome.written += write(target, outcome.results, crs)
    return outcome


def _result(
    predictor: Predictor,
    path: str,
    bands: Sequence[int] | None,
    on_progress: Callable[[str, int, int], None] | None,
) -> Result:
    def tiles_done(num_done: int, num_tiles: int) -> None:
        if on_progress is not None:
            on_progress(path, num_done, num_tiles)

    with open_scene(path, bands or predictor.usual_bands) as scene:
        return Result.of(scene, path, predictor.predict(scene, on_progress=tiles_done))
