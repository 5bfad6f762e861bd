"""Handout: which unit of work comes next, and what becomes of units that are lost."""

from __future__ import annotations

import math
from collections import Counter, deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from smalldet.archives.archive_folder import ArchiveFolder
from smalldet.archives.messages import Answer, Bundle, Failure, Join, Part, Unit
from smalldet.imagery.sources import FileSource

MAX_LOSSES = 3
"""So often a scene alone, or a part of one, may end its worker."""
SHARES = 2
"""Bundles that each worker gets at least, of those that are left: at the end all have work."""


@dataclass
class LargeScene:
    """A scene in parts.

    Args:
        source: the scene.
        num_tiles: of it.
        parts: rows that are still to note.
    """

    source: FileSource
    num_tiles: int
    parts: set[range] = field(default_factory=set)


class Handout:
    """Gives units of work until every scene is written or has failed.

    Parts of large scenes go before further scenes, so that few of them are open at a time. What is
    asked of the folder, and written to it, is asked and written by this process alone.

    Args:
        sources: all scenes; those that the folder holds are done.
        folder: takes partitions and notes.
        scenes_per_file: scenes of a bundle at most.
        tiles_per_part: tiles of a part.
    """

    def __init__(
        self,
        sources: Iterable[FileSource],
        folder: ArchiveFolder,
        scenes_per_file: int,
        tiles_per_part: int,
    ) -> None:
        done = {scene.source: scene.num_objects for scene in folder.scenes()}
        names = [(source, str(source)) for source in sources]
        self._waiting = deque(source for source, name in names if name not in done)
        self._folder = folder
        self._scenes_per_file, self._tiles_per_part = scenes_per_file, tiles_per_part
        self._first: deque[Unit] = deque()
        self._large: dict[str, LargeScene] = {}
        self._losses: Counter[str] = Counter()
        self._num_out = 0
        self.failures: dict[str, Failure] = {}
        self.remarks: dict[str, str] = {}
        """{what a person should know: the first scene it is true of}."""
        self.num_scenes = len(names) - len(self._waiting)
        self.num_objects = sum(done.get(name, 0) for _, name in names)

    @property
    def finished(self) -> bool:
        """Nothing is left to do, and nobody works."""
        return not (self._waiting or self._first or self._num_out)

    @property
    def num_done(self) -> float:
        """Scenes that are written or failed, and the shares that are done of large ones."""
        shares = [
            1 - sum(map(len, scene.parts)) / scene.num_tiles for scene in self._large.values()
        ]
        return self.num_scenes + len(self.failures) + 0.99 * sum(shares)

    @property
    def num_waiting(self) -> int:
        """Units at most that could be given now."""
        return len(self._first) + len(self._waiting)

    def next(self, num_workers: int) -> Unit | None:
        """A unit for a worker; None where there is nothing to do until others answer."""
        if self._first:
            unit = self._first.popleft()
        elif self._waiting:
            share = math.ceil(len(self._waiting) / (SHARES * max(1, num_workers)))
            num = min(self._scenes_per_file, share)
            unit = Bundle(tuple(self._waiting.popleft() for _ in range(num)))
        else:
            return None
        self._num_out += 1
        return unit

    def answered(self, unit: Unit, answer: Answer) -> None:
        """Take in what became of a unit.

        Raises:
            OSError: it cannot be written.
        """
        self._num_out -= 1
        for text, name in answer.remarks:
            self.remarks.setdefault(text, name)
        if answer.partition:
            self._folder.write_partition(answer.partition, answer.scenes)
            self.num_scenes += len(answer.scenes)
            self.num_objects += sum(scene.num_objects for scene in answer.scenes)
        for failure in answer.failures:
            self._fail(failure)
        self._waiting.extendleft(reversed(answer.left))
        for source, num_tiles in answer.large:
            self._begin_large(source, num_tiles)
        if isinstance(unit, Part) and answer.notes is not None:
            self._note(unit, answer.notes)
        if isinstance(unit, Join) and answer.scenes:
            del self._large[str(unit.source)]
            self._folder.forget_notes(unit.source)

    def lost(self, unit: Unit, why: str, *, blameless: bool = False) -> None:
        """A worker ended amid a unit, which goes to another.

        A bundle is halved, so that a scene that ends its workers is soon alone.

        Args:
            unit: that was not answered.
            why: what became of the worker.
            blameless: it was taken away, whatever it did.
        """
        self._num_out -= 1
        if isinstance(unit, Bundle) and len(unit.sources) > 1 and not blameless:
            middle = len(unit.sources) // 2
            self._first.append(Bundle(unit.sources[:middle]))
            self._first.append(Bundle(unit.sources[middle:]))
            return
        source = next(iter(unit.sources)) if isinstance(unit, Bundle) else unit.source
        if str(source) in self.failures:  # another part of it failed meanwhile
            return
        if not blameless:
            self._losses[str(source)] += 1
        if self._losses[str(source)] < MAX_LOSSES:
            self._first.append(unit)
        else:
            reason = f"{source}: its worker ended {MAX_LOSSES} times: {why}"
            self._fail(Failure(str(source), "WorkerLost", reason))

    def _fail(self, failure: Failure) -> None:
        """Note it, and give up what is left of the scene; its notes stay for another run."""
        self.failures.setdefault(failure.source, failure)
        if self._large.pop(failure.source, None) is not None:
            self._first = deque(
                unit
                for unit in self._first
                if isinstance(unit, Bundle) or str(unit.source) != failure.source
            )

    def _begin_large(self, source: FileSource, num_tiles: int) -> None:
        scene = LargeScene(source, num_tiles)
        noted = self._folder.noted_rows(source)
        scene.parts = set(missing_parts(noted, num_tiles, self._tiles_per_part))
        self._large[str(source)] = scene
        parts = sorted(scene.parts, key=lambda rows: rows.start)
        self._first.extend(Part(source, rows) for rows in parts)
        if not parts:
            self._join(scene)

    def _note(self, unit: Part, notes: Mapping[str, bytes]) -> None:
        self._folder.write_notes(unit.source, notes)
        scene = self._large.get(str(unit.source))
        if scene is None:  # another part of it failed
            return
        scene.parts.discard(unit.rows)
        if not scene.parts:
            self._join(scene)

    def _join(self, scene: LargeScene) -> None:
        self._first.appendleft(Join(scene.source, self._folder.notes(scene.source)))


def missing_parts(noted: Sequence[range], num_tiles: int, tiles_per_part: int) -> list[range]:
    """What of a scene's tiles is not noted yet, in parts of nearly equal size.

    Args:
        noted: ranges of rows, in any order.
        num_tiles: rows in all.
        tiles_per_part: of a part at most.
    """
    parts: list[range] = []
    begin = 0
    for rows in [*sorted(noted, key=lambda rows: rows.start), range(num_tiles, num_tiles)]:
        num = rows.start - begin
        if num > 0:
            num_parts = math.ceil(num / tiles_per_part)
            edges = [begin + number * num // num_parts for number in range(num_parts + 1)]
            parts += map(range, edges[:-1], edges[1:])
        begin = max(begin, rows.stop)
    return parts
