"""ArchiveFolder: what a prediction over an archive writes, and how it goes on.

run.json                what all results depend on
detections/*.parquet    the objects, GeoParquet; each file says which scenes it holds
scenes.parquet          a row for each scene that was predicted
failures.parquet        a row for each scene that could not be
.notes/                 parts of large scenes that are not merged yet
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any, Self

from smalldet.archives.messages import Failure, SceneRecord
from smalldet.archives.partitions import scenes_in
from smalldet.atomic_write import atomic_write, write_text
from smalldet.folder_lock import FolderLock
from smalldet.imagery.sources import FileSource
from smalldet.inference.prediction_checkpoint import rows_of

HELD = "another run writes to this folder; wait for it, or name another by --out"


class ArchiveFolder:
    """A folder of results that one process writes, and that always is in a state to go on from.

    Every file appears whole or not at all. A partition says itself which scenes it holds, so that
    nothing can be killed between the writing of results and of the list of what is done.

    Args:
        path: made where there is none.

    Raises:
        ValueError: another process writes to it, or it holds other things.
        OSError: it cannot be made.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._partitions, self._notes = path / "detections", path / ".notes"
        self._run = path / "run.json"
        if path.is_file():
            raise ValueError(f"{path}: is a file; an archive's results go to a folder")
        if self._partitions.is_dir() and not self._run.is_file():
            raise ValueError(f"{path}: holds detections without a run.json; name another folder")
        self._lock = FolderLock(path, HELD)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._lock.close()

    def begin(self, facts: Mapping[str, str]) -> None:
        """Begin a run, or go on with the one that was begun here.

        Args:
            facts: {what: value} that all results depend on.

        Raises:
            ValueError: the run that was begun here differs; says in what.
        """
        if not self._run.is_file():
            write_text(self._run, json.dumps(dict(facts), indent=1) + "\n")
            return
        try:
            begun = json.loads(self._run.read_text(encoding="utf-8"))
            differing = [key for key in {**begun, **facts} if begun.get(key) != facts.get(key)]
        except (ValueError, TypeError, AttributeError) as error:
            raise ValueError(f"{self._run}: is damaged; name another folder") from error
        if differing:
            both = ", ".join(f"{k} ({begun.get(k)}, now {facts.get(k)})" for k in differing)
            raise ValueError(
                f"{self.path}: holds a run that differs in {both}; give the same options to go "
                "on, or name another folder"
            )

    def scenes(self) -> list[SceneRecord]:
        """Those that are written.

        Raises:
            ValueError: a partition is damaged; names it.
        """
        return [scene for path in self.partitions() for scene in scenes_in(path)]

    def partitions(self) -> list[Path]:
        """The files of detections."""
        return sorted(self._partitions.glob("part-*.parquet"))

    def write_partition(self, content: bytes, scenes: Sequence[SceneRecord]) -> None:
        """A file of detections; its name follows from its scenes."""
        name = fingerprint(*(scene.source for scene in scenes))
        _write(self._partitions / f"part-{name}.parquet", content)

    def write_notes(self, source: FileSource, notes: Mapping[str, bytes]) -> None:
        """Files of a scene's checkpoint."""
        for name, content in notes.items():
            _write(self._notes_of(source) / name, content)

    def notes(self, source: FileSource) -> dict[str, bytes]:
        """{name: content} of a scene's checkpoint."""
        return {
            path.name: path.read_bytes()
            for path in self._notes_of(source).glob("*.safetensors")
            if rows_of(path.name) is not None
        }

    def noted_rows(self, source: FileSource) -> list[range]:
        """Rows of a scene's tiles that are noted."""
        found = [rows_of(path.name) for path in self._notes_of(source).glob("*.safetensors")]
        return [rows for rows in found if rows is not None]

    def forget_notes(self, source: FileSource) -> None:
        """Of a scene that is written, or whose notes are of no use."""
        shutil.rmtree(self._notes_of(source), ignore_errors=True)

    def finish(self, failures: Collection[Failure]) -> list[Path]:
        """Write the tables of scenes and of failures.

        Returns:
            the files and the folder of all results.
        """
        if self._notes.is_dir() and not any(self._notes.iterdir()):
            self._notes.rmdir()
        scenes, failed = self.path / "scenes.parquet", self.path / "failures.parquet"
        _write(scenes, _table(SceneRecord, self.scenes()))
        _write(failed, _table(Failure, failures))
        return [self._partitions, scenes, failed]

    def _notes_of(self, source: FileSource) -> Path:
        return self._notes / fingerprint(str(source))


def fingerprint(*names: str) -> str:
    """16 letters that tell names from others."""
    digest = hashlib.blake2b("\0".join(names).encode("utf-8", "surrogateescape"), digest_size=8)
    return digest.hexdigest()


def _write(path: Path, content: bytes) -> None:
    with atomic_write(path) as draft:
        draft.write_bytes(content)


def _table(kind: type[SceneRecord | Failure], rows: Iterable[Any]) -> bytes:
    """Rows of a dataclass as a Parquet file, with its columns where there are none, too."""
    import pyarrow
    from pyarrow import parquet

    types = {"str": pyarrow.string(), "int": pyarrow.int64(), "float | None": pyarrow.float64()}
    schema = pyarrow.schema([(field.name, types[str(field.type)]) for field in fields(kind)])
    content = pyarrow.BufferOutputStream()
    table = pyarrow.Table.from_pylist([asdict(row) for row in rows], schema)
    parquet.write_table(table, content, compression="zstd")
    return content.getvalue().to_pybytes()
