"""The command line: verbs only. Parse, call, print."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from typing import NoReturn

from cyclopts import App, CycloptsError, CycloptsPanel
from pydantic import ValidationError

from smalldet.cli.changing import change
from smalldet.cli.checking import check
from smalldet.cli.comparing import compare
from smalldet.cli.converting import convert
from smalldet.cli.evaluating import evaluate
from smalldet.cli.exporting import export
from smalldet.cli.listing import models
from smalldet.cli.planning import plan
from smalldet.cli.predicting import demo, predict
from smalldet.cli.printing import complain, console, note, option_mistakes, show_log, stderr
from smalldet.cli.recipes import recipe
from smalldet.cli.reproducing import reproduce
from smalldet.cli.serving import serve
from smalldet.cli.tracking import track
from smalldet.cli.training import train
from smalldet.training.stopping import RunStoppedError

app = App(
    name="smalldet",
    help="Find small objects in large pictures: train on tiles, measure by size, predict scenes.",
    suppress_keyboard_interrupt=False,  # `main` says what a stopped run has saved
)
for verb in (
    check,
    plan,
    train,
    evaluate,
    compare,
    predict,
    change,
    track,
    serve,
    convert,
    export,
    recipe,
    reproduce,
    models,
    demo,
):
    app.command(verb)


def main(words: Sequence[str] | None = None) -> None:
    """Entry point: what a person can mend is printed as one error line, not as a traceback.

    Args:
        words: the command line after `smalldet`; what was typed if None.
    """
    typed = sys.argv[1:] if words is None else list(words)
    show_log()
    try:
        app(typed, console=console, error_console=stderr, exit_on_error=False, print_error=False)
    except CycloptsError as error:
        if isinstance(error.__cause__, ValidationError):
            _fail(option_mistakes(error.__cause__))
        stderr.print(CycloptsPanel(error))
        sys.exit(2)
    except (ValueError, OSError, ArithmeticError) as error:
        _fail(error)
    except RunStoppedError as stopped:
        again = typed if "--resume" in typed else [*typed, "--resume"]
        note(f"stopped; its state is saved. It goes on with\n  smalldet {shlex.join(again)}")
        sys.exit(128 + stopped.signum)
    except KeyboardInterrupt:
        note("stopped")
        sys.exit(130)


def _fail(why: object) -> NoReturn:
    complain(why)
    sys.exit(1)
