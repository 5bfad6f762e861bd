"""PredictionCheckpoint: the detections of a scene so far, for a run that is stopped to go on."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import cast

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from smalldet.atomic_write import atomic_write
from smalldet.columns import cat, columns_in
from smalldet.detections import TileDetections
from smalldet.imagery import Scene

INTERVAL_S = 20.0
"""Least time between two files."""


class OtherRunError(ValueError):
    """A checkpoint was written by a run with other options, another model or another picture."""


class PredictionCheckpoint:
    """The detections of one picture's tiles in the order of the tiles.

    They are written at intervals to files `FIRST-BEHIND.safetensors`, named by the rows of the
    tiles that they tell of; each appears whole or not at all.

    Args:
        folder: made with the first file.
        run: {what: value}, all that the detections depend on.

    Raises:
        OtherRunError: what is there was written by another run.
    """

    def __init__(self, folder: Path, run: Mapping[str, str]) -> None:
        self._folder, self._run = folder, dict(run)
        for file in self._files()[:1]:
            self._check(file)
        self._waiting: list[TileDetections] = []
        self._first_row = self._next_row = 0
        self._last_write_s = time.monotonic()

    def restored(self, empty: TileDetections) -> Iterator[tuple[TileDetections, int]]:
        """What was written, and the number of tiles done with each; ends where a file is damaged.

        Args:
            empty: gives what the files do not hold, the tiles and the class names.
        """
        for file in self._files():
            first, behind = (int(number) for number in file.stem.split("-"))
            try:
                with safe_open(file, framework="pt") as content:
                    columns = {key: content.get_tensor(key) for key in content.keys()}  # noqa: SIM118
            except (SafetensorError, OSError):
                return
            if first != self._next_row:
                return
            self._first_row = self._next_row = behind
            yield replace(empty, **columns), behind

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
        values = columns_in(cat(self._waiting))
        columns = {name: cast(Tensor, column).contiguous() for name, column in values.items()}
        name = f"{self._first_row:09d}-{self._next_row:09d}.safetensors"
        with atomic_write(self._folder / name) as draft:
            save_file(columns, draft, {"run": json.dumps(self._run)})
        self._waiting, self._first_row = [], self._next_row
        self._last_write_s = time.monotonic()

    def _files(self) -> list[Path]:
        return sorted(self._folder.glob("[0-9]*-*.safetensors"))

    def _check(self, file: Path) -> None:
        try:
            with safe_open(file, framework="pt") as content:
                run = json.loads((content.metadata() or {}).get("run", "{}"))
        except (SafetensorError, OSError, ValueError):
            return  # nothing is restored from it
        differing = [key for key in self._run if run.get(key) != self._run[key]]
        if differing:
            both = ", ".join(f"{key} ({run.get(key)}, now {self._run[key]})" for key in differing)
            raise OtherRunError(
                f"{self._folder}: the run that was stopped differs in {both}; give the same "
                "options to go on, or do not resume and begin anew"
            )


def picture_fingerprint(scene: Scene) -> str:
    """What tells one picture from others: its name, and its file's size and date."""
    file = Path(scene.name)
    size = f"{scene.width} x {scene.height} px"
    if file.is_file():
        status = file.stat()
        size += f", {status.st_size} bytes of {status.st_mtime_ns}"
    return f"{scene.name}, {size}"
