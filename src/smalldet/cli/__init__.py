"""The command line: verbs only. Parse, call, print."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import NoReturn

from cyclopts import App, CycloptsError, CycloptsPanel
from pydantic import ValidationError

from smalldet.cli.converting import convert
from smalldet.cli.evaluating import evaluate
from smalldet.cli.exporting import export
from smalldet.cli.predicting import demo, predict
from smalldet.cli.printing import console, option_mistakes, stderr
from smalldet.cli.training import train

app = App(
    name="smalldet",
    help="Find small objects in large pictures: train on tiles, measure by size, predict scenes.",
)
for verb in (train, evaluate, predict, convert, export, demo):
    app.command(verb)


def main(words: Sequence[str] | None = None) -> None:
    """Entry point: what a person can mend is printed as one error line, not as a traceback.

    Args:
        words: the command line after `smalldet`; what was typed if None.
    """
    try:
        app(words, console=console, error_console=stderr, exit_on_error=False, print_error=False)
    except CycloptsError as error:
        if isinstance(error.__cause__, ValidationError):
            _fail(option_mistakes(error.__cause__))
        stderr.print(CycloptsPanel(error))
        sys.exit(2)
    except (ValueError, OSError, ArithmeticError) as error:
        _fail(error)
    except KeyboardInterrupt:
        stderr.print("stopped")
        sys.exit(130)


def _fail(why: object) -> NoReturn:
    stderr.print(f"[red]error:[/red] {why}", highlight=False, soft_wrap=True)
    sys.exit(1)
