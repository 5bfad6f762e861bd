"""What verbs print: results, errors, and how far they are.

Names of files and messages are printed as they are: nothing in them is read as markup.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager

from pydantic import ValidationError
from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    ProgressColumn,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from smalldet.cli.parameters import parameter_name
from smalldet.training.duration import duration

console = Console()
stderr = Console(stderr=True)

LINE_EVERY_S = 30.0

Advance = Callable[[float, float, str], None]
"""Called with what is done, all there is to do, and a line of text."""


def as_is(text: object) -> Text:
    """A text without markup; what is no character, as in names of files, becomes `\\udcff`."""
    return Text(str(text).encode("utf-8", "backslashreplace").decode("utf-8"))


def say(text: object) -> None:
    """Print a line of a result."""
    console.print(as_is(text), soft_wrap=True)


def note(text: object) -> None:
    """Print a line that is no result to stderr."""
    stderr.print(as_is(text), soft_wrap=True)


def complain(why: object) -> None:
    """Print what went wrong to stderr."""
    stderr.print(Text.assemble(("error:", "red"), " ", as_is(why)), soft_wrap=True)


SEVERITY_COLOURS = {"error": "red", "warning": "yellow", "note": "blue"}


def say_finding(severity: str, text: str) -> None:
    """Print a line of a result behind its severity."""
    mark = (f"{severity}:", SEVERITY_COLOURS[severity])
    console.print(Text.assemble(mark, " ", as_is(text)), soft_wrap=True)


def option_mistakes(error: ValidationError) -> str:
    """What is wrong with options, one line for each, under the names as they are typed."""
    lines: list[str] = []
    for problem in error.errors():
        message = problem["msg"].removeprefix("Value error, ")
        given = "" if problem["type"] == "value_error" else f", not {problem['input']}"
        # what is wrong with several options together has no place
        place = "".join(f"--{parameter_name(str(key))}: " for key in problem["loc"][:1])
        lines.append(f"{place}{message}{given}")
    return "\n".join(lines)


def is_main_process() -> bool:
    """False in all but the first process of `torchrun` or `accelerate launch`."""
    return os.environ.get("RANK", "0") == "0"


class _LogLines(logging.Handler):
    """Prints what smalldet logs, warnings as such, above a progress bar if there is one."""

    def emit(self, record: logging.LogRecord) -> None:
        start = ("warning: ", "yellow") if record.levelno >= logging.WARNING else ""
        stderr.print(Text.assemble(start, as_is(record.getMessage())), soft_wrap=True)


def show_log() -> None:
    """Print what smalldet logs to stderr, of the first process alone."""
    logger = logging.getLogger("smalldet")
    if is_main_process() and not any(isinstance(each, _LogLines) for each in logger.handlers):
        logger.addHandler(_LogLines())
        logger.setLevel(logging.INFO)


@contextmanager
def progress_bar(*, tells_time_left: bool = False) -> Generator[Advance]:
    """How far a verb is, on stderr: a bar; where that is no terminal, a line every 30 s.

    Call what it yields with (done, total, text).

    Args:
        tells_time_left: the text says itself how long it takes yet.
    """
    if not stderr.is_terminal:
        lines = ProgressLines(tells_time_left=tells_time_left)
        yield lines.advance if is_main_process() else lambda done, total, text: None
        return
    columns: list[ProgressColumn] = [
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TaskProgressColumn(),
        TimeElapsedColumn(),
    ]
    if not tells_time_left:
        columns += [TextColumn("left"), TimeRemainingColumn(elapsed_when_finished=False)]
    with Progress(
        *columns, console=stderr, transient=True, disable=not is_main_process()
    ) as progress:
        task = progress.add_task("starting", total=None)

        def advance(done: float, total: float, text: str) -> None:
            progress.update(task, completed=done, total=total, description=as_is(text).plain)

        yield advance


class ProgressLines:
    """A plain line every half a minute, for logs and pipes.

    Args:
        tells_time_left: the texts say themselves how long it takes yet.
        clock: seconds that go by.
    """

    def __init__(
        self, *, tells_time_left: bool = False, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.tells_time_left, self.clock = tells_time_left, clock
        self._told_at = self._began_at = clock()
        self._text = ""

    def advance(self, done: float, total: float, text: str) -> None:
        now = self.clock()
        if text != self._text:  # another picture, say: its time left is another
            self._text, self._began_at = text, now
        if now - self._told_at < LINE_EVERY_S or not total:
            return
        self._told_at = now
        if not self.tells_time_left:
            text = f"{text}: {done:g} of {total:g}"
            if 0 < done < total and now > self._began_at:
                left_s = (now - self._began_at) * (total - done) / done
                text += f", {duration(left_s)} left"
        note(f"{done / total:.0%}  {text}")
