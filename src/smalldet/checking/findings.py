"""Findings: what a check says of a set, and where to look."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

MAX_EXAMPLES = 1000
"""Places that a finding keeps; the count is of all."""

Box = tuple[float, float, float, float]
RBox = tuple[float, float, float, float, float]


class Severity(Enum):
    """How bad a finding is, worst first."""

    ERROR = "error"
    """Training may not go ahead."""
    WARNING = "warning"
    """Training works, but learns or measures something wrong."""
    NOTE = "note"
    """Good to know, or a doubt."""


@dataclass(frozen=True)
class Example:
    """A place where a finding can be seen.

    Attributes:
        picture: the file.
        boxes: xyxy in its pixels; none where the whole picture is meant.
        caption: what to see there.
        other: the second picture of a pair.
        readable: False where the file cannot be shown.
        rboxes: oriented boxes (cx, cy, w, h, angle).
    """

    picture: Path
    boxes: tuple[Box, ...] = ()
    caption: str = ""
    other: Path | None = None
    readable: bool = True
    rboxes: tuple[RBox, ...] = ()


@dataclass(frozen=True)
class Finding:
    """One thing that a check found.

    Attributes:
        severity: see `Severity`.
        count: how often, of what `text` counts.
        text: one sentence, the figure first, without its full stop.
        todo: what to do about it; empty where there is nothing to do.
        examples: the first `MAX_EXAMPLES` places.
        check: name of the check in the table.
    """

    severity: Severity
    count: int
    text: str
    todo: str = ""
    examples: tuple[Example, ...] = ()
    check: str = ""

    def line(self) -> str:
        """The sentence with what to do, for a terminal or a log."""
        place = next((f" (first: {one.picture})" for one in self.examples), "")
        return self.text + place + (f"; {self.todo}" if self.todo else "")


def worst_first(findings: Sequence[Finding]) -> tuple[Finding, ...]:
    """By severity, else as they were."""
    order = list(Severity)
    return tuple(sorted(findings, key=lambda one: order.index(one.severity)))


def spread(examples: Sequence[Example]) -> list[Example]:
    """Those first that show pictures which none before them shows."""
    seen: set[Path | None] = {None}
    first: list[Example] = []
    rest: list[Example] = []
    for one in examples:
        pictures = {one.picture, one.other}
        (rest if (seen & pictures) - {None} else first).append(one)
        seen |= pictures
    return [*first, *rest]


def counted(num: int, one: str, many: str | None = None) -> str:
    """`1 picture`, `1,200 pictures`; with a verb too: `1 class has`, `2 classes have`."""
    return f"{num:,} {one if num == 1 else many or one + 's'}"


def share(num: int, total: int) -> str:
    """A share for people: `3 %`, `0.2 %`, `none`."""
    percent = 100 * num / max(total, 1)
    return f"{percent:.0f} %" if percent >= 1 or not num else f"{percent:.1g} %"


def figure(value: float) -> str:
    """Three digits, and no fewer before the point: `0.25`, `31.9`, `3,680`."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def listed(names: Sequence[str], most: int = 6) -> str:
    """The first of some names, with how many more there are."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
