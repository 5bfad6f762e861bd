"""PredictionCheckpoint: the detections of a scene so far, for a run that is stopped to go on."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import cast

from torch import Tensor

from smalldet.columns import cat, columns_in
from smalldet.detections import TileDetections
from smalldet.imagery import Scene
from smalldet.models.checkpoints.tensor_file import read_tensors, write_tensors

NAME = re.compile(r"([0-9]{9,18})-([0-9]{9,18})\.safetensors")
INTERVAL_S = 20.0
"""Least time between two files."""


def file_name(rows: range) -> str:
    """Of the file that tells of these rows of tiles."""
    return f"{rows.start:09d}-{rows.stop:09d}.safetensors"


def rows_of(name: str) -> range | None:
    """What a file tells of, by its name; None where it is no file of a checkpoint."""
    found = NAME.fullmatch(name)
    return None if found is None else range(int(found[1]), int(found[2]))


class OtherRunError(ValueError):
    """A checkpoint was written by a run with other options, another model or another picture."""


class PredictionCheckpoint:
    """The detections of one picture's tiles in the order of the tiles.

    They are written at intervals to files `FIRST-BEHIND.safetensors`, named by the rows of the
    tiles that they tell of; each appears whole or not at all. A file says its rows and its run too,
    under a checksum: one that was damaged, renamed or put in from elsewhere is not read, and its
    tiles are predicted again.

    Args:
        folder: made with the first file.
        run: {what: value}, all that the detections depend on.

    Raises:
        OtherRunError: what is there was written by another run.
    """

    def __init__(self, folder: Path, run: Mapping[str, str]) -> None:
        self._folder, self._run = folder, dict(run)
        self._check_run()
        self._waiting: list[TileDetections] = []
        self._first_row = self._next_row = 0
        self._last_write_s = time.monotonic()

    def restored(self, empty: TileDetections) -> Iterator[tuple[TileDetections, int]]:
        """What was written, and the number of tiles done with each; ends where a file is damaged.

        Args:
            empty: gives what the files do not hold, the tiles and the class names.
        """
        for first, behind, file in self._files():
            if first != self._next_row:
                continue  # told already by a longer file, or beyond a gap
            try:
                columns, texts = read_tensors(file)
                part = replace(empty, **columns)
            except (TypeError, ValueError):
                continue
            if texts == self._texts(first, behind):
                self._first_row = self._next_row = behind
                yield part, behind

    def note(self, detections: TileDetections, num_done: int) -> None:
        """Detections of further tiles, after which the first `num_done` tiles are done."""
        self._waiting.append(detections)
        self._next_row = num_done
        if time.monotonic() - self._last_write_s >= INTERVAL_S:
            self.flush()

    def flush(self) -> None:
        """Write what waits."""
        if not self._waiting:
            return
        self.write(cat(self._waiting), range(self._first_row, self._next_row))
        self._waiting, self._first_row = [], self._next_row
        self._last_write_s = time.monotonic()

    def write(self, detections: TileDetections, rows: range) -> None:
        """The detections of some rows of tiles as a file of their own."""
        values = columns_in(detections)
        columns = {name: cast(Tensor, column).contiguous() for name, column in values.items()}
        texts = self._texts(rows.start, rows.stop)
        write_tensors(self._folder / file_name(rows), columns, texts)

    def _texts(self, first: int, behind: int) -> dict[str, str]:
        return {"run": json.dumps(self._run), "rows": f"{first}-{behind}"}

    def _files(self) -> list[tuple[int, int, Path]]:
        """First row, row behind the last, and file, in the order of rows."""
        found = [(rows_of(path.name), path) for path in self._folder.glob("*.safetensors")]
        return sorted((rows.start, rows.stop, path) for rows, path in found if rows is not None)

    def _check_run(self) -> None:
        """By the first sound file."""
        for _, _, file in self._files():
            try:
                _, texts = read_tensors(file)
                run = json.loads(texts["run"])
            except (KeyError, ValueError):
                continue  # nothing is restored from it
            differing = [key for key in self._run if run.get(key) != self._run[key]]
            if differing:
                both = ", ".join(f"{k} ({run.get(k)}, now {self._run[k]})" for k in differing)
                raise OtherRunError(
                    f"{self._folder}: the run that was stopped differs in {both}; give the same "
                    "options to go on, or do not resume and begin anew"
                )
            return


def picture_fingerprint(scene: Scene) -> str:
    """What tells one picture from others: its name, its files' size and date, how it is read."""
    told = f"{scene.name}, {scene.width} x {scene.height} px"
    states = [file.stat() for file in map(Path, scene.files) if file.is_file()]
    if states:
        num_bytes, last = sum(s.st_size for s in states), max(s.st_mtime_ns for s in states)
        told += f", {num_bytes} bytes of {last}"
    if scene.options.nodata is not None:
        told += f", nodata {scene.options.nodata:g}"
    if scene.options.stretch is not None:
        told += f", stretch {scene.options.stretch}"
    return told
