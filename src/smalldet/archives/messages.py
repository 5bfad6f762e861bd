"""What the driver and its workers say to each other."""

from __future__ import annotations

from dataclasses import dataclass

from smalldet.imagery.sources import FileSource


@dataclass(frozen=True)
class Bundle:
    """Scenes to predict together."""

    sources: tuple[FileSource, ...]


@dataclass(frozen=True)
class Part:
    """Some rows of the tiles of a scene that is larger than a unit, to note for its join.

    Args:
        source: the scene.
        rows: of its tiles.
    """

    source: FileSource
    rows: range


@dataclass(frozen=True)
class Join:
    """A scene whose tiles are all noted, to merge.

    Args:
        source: the scene.
        notes: {name of a checkpoint's file: its content}.
    """

    source: FileSource
    notes: dict[str, bytes]


Unit = Bundle | Part | Join
"""What a worker does at a time."""


@dataclass(frozen=True)
class SceneRecord:
    """A scene that was predicted.

    Args:
        source: its name.
        width: pixels.
        height: likewise.
        gsd_m: ground sample distance, metres a pixel, where known.
        num_objects: what was found.
        remark: why nothing of it was looked at, or an empty text.
    """

    source: str
    width: int
    height: int
    gsd_m: float | None
    num_objects: int
    remark: str = ""


@dataclass(frozen=True)
class Failure:
    """A scene that could not be predicted.

    Args:
        source: its name.
        kind: of the error.
        why: a sentence.
    """

    source: str
    kind: str
    why: str


@dataclass(frozen=True)
class Answer:
    """What became of a unit.

    Args:
        partition: content of a GeoParquet file with the objects of `scenes`; empty if there are
            none.
        scenes: those that were predicted.
        failures: those that could not be.
        large: {name of a scene that is larger than a unit: its number of tiles}.
        left: scenes of a bundle that were not begun, as the unit held enough without them.
        notes: {name of a checkpoint's file: its content}, of a part.
        remarks: what a person should know, {sentence: the first scene it is true of}.
    """

    partition: bytes = b""
    scenes: tuple[SceneRecord, ...] = ()
    failures: tuple[Failure, ...] = ()
    large: tuple[tuple[FileSource, int], ...] = ()
    left: tuple[FileSource, ...] = ()
    notes: dict[str, bytes] | None = None
    remarks: tuple[tuple[str, str], ...] = ()
