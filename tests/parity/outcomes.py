"""What becomes of a broken file: one of seven outcomes, and how often each came."""

from __future__ import annotations

import os
import sys
import time
from collections import Counter
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Generic, TypeVar

Value = TypeVar("Value")

SLOW_S = 2.0
"""CPU seconds within which a small file is read or refused."""
MAX_SHOWN = 5


class Outcome(StrEnum):
    """The first three are right; each of the others is a fault of the reader."""

    EQUAL = "equal"
    NAMED = "error naming file"
    LEGAL = "changed legally"
    UNNAMED = "error without file name"
    TRACEBACK = "traceback"
    SILENT = "silent change"
    SLOW = "slow"


SOUND = (Outcome.EQUAL, Outcome.NAMED, Outcome.LEGAL)


@dataclass(frozen=True)
class Judged:
    """An outcome, and what was said or seen."""

    outcome: Outcome
    detail: str = ""


@dataclass(frozen=True)
class Judge(Generic[Value]):
    """Tells what became of one case.

    Args:
        read: reads the broken file.
        place: what an error must name: the file or its folder.
        equal: whether a value is that of the sound file.
        fault: what is silently wrong with a value that is not equal; None where nothing is.
    """

    read: Callable[[], Value]
    place: Path
    equal: Callable[[Value], bool]
    fault: Callable[[Value], str | None]

    def __call__(self) -> Judged:
        start_s = time.process_time()
        judged = self._judged()
        spent_s = time.process_time() - start_s
        return Judged(Outcome.SLOW, f"{spent_s:.1f} s") if spent_s > SLOW_S else judged

    def _judged(self) -> Judged:
        try:
            value = self.read()
        except (ValueError, OSError) as error:
            named = str(self.place) in str(error)
            return Judged(Outcome.NAMED if named else Outcome.UNNAMED, f"{error!r}"[:400])
        except BaseException as error:  # a panic of Rust is no Exception
            if isinstance(error, KeyboardInterrupt):
                raise
            return Judged(Outcome.TRACEBACK, f"{error!r}"[:400])
        if self.equal(value):
            return Judged(Outcome.EQUAL)
        fault = self.fault(value)
        return Judged(Outcome.LEGAL) if fault is None else Judged(Outcome.SILENT, fault)


@dataclass
class Tally:
    """Outcomes of many cases, with a few of each fault to look at."""

    counts: Counter[Outcome] = field(default_factory=Counter[Outcome])
    shown: dict[Outcome, list[str]] = field(default_factory=dict[Outcome, list[str]])

    def add(self, judged: Judged, case: str) -> None:
        self.counts[judged.outcome] += 1
        if judged.outcome not in SOUND:
            shown = self.shown.setdefault(judged.outcome, [])
            if len(shown) < MAX_SHOWN:
                shown.append(f"{judged.detail} <- {case}")

    @property
    def faults(self) -> str:
        """Nothing where all outcomes are right; else how many are not, and the first of them."""
        lines = [
            f"{outcome}, {self.counts[outcome]} times:\n    " + "\n    ".join(shown)
            for outcome, shown in self.shown.items()
        ]
        return "\n  ".join(lines)


def num_cases(usual: int, share: float) -> int:
    """Cases of one test: its share of `SMALLDET_HOSTILE_CASES`, which are those of all tests."""
    said = os.environ.get("SMALLDET_HOSTILE_CASES")
    return usual if said is None else max(1, round(int(said) * share))


@contextmanager
def bounded_memory(more_bytes: int) -> Generator[None]:
    """The process may take so much more memory than it has; then Python raises MemoryError.

    Only on Linux; elsewhere nothing is bounded.
    """
    if sys.platform != "linux":
        yield
        return
    import resource

    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    limit = pages * resource.getpagesize() + more_bytes
    resource.setrlimit(resource.RLIMIT_AS, (limit, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
