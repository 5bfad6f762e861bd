"""What verbs print: results, errors, and how far they are."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator
from contextlib import contextmanager

from pydantic import ValidationError
from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from smalldet.cli.parameters import parameter_name

console = Console()
stderr = Console(stderr=True)


def option_mistakes(error: ValidationError) -> str:
    """What is wrong with options, one line for each, under the names as they are typed."""
    lines = []
    for problem in error.errors():
        message = problem["msg"].removeprefix("Value error, ")
        given = "" if problem["type"] == "value_error" else f", not {problem['input']}"
        lines.append(f"--{parameter_name(str(problem['loc'][0]))}: {message}{given}")
    return "\n".join(lines)


def say_aside(text: str) -> None:
    """A line that is no result."""
    stderr.print(text, markup=False, highlight=False, soft_wrap=True)


def is_main_process() -> bool:
    """False in all but the first process of `torchrun` or `accelerate launch`."""
    return os.environ.get("RANK", "0") == "0"


@contextmanager
def progress_bar() -> Generator[Callable[[float, float, str], None]]:
    """A progress bar on stderr; call what it yields with (done, total, text)."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(elapsed_when_finished=False),
    )
    with Progress(
        *columns, console=stderr, transient=True, disable=not is_main_process()
    ) as progress:
        task = progress.add_task("starting", total=None)

        def advance(done: float, total: float, text: str) -> None:
            progress.update(task, completed=done, total=total, description=text)

        yield advance
