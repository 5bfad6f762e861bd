"""The verb that trains."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from smalldet.cli.parameters import NO_OPTIONS, DataClasses, Device, Options, with_classes
from smalldet.cli.printing import console, is_main_process, note, progress_bar, say, stderr
from smalldet.cli.train_recipe import NONE, Shortcuts, choose_recipe

if TYPE_CHECKING:
    from smalldet.evaluation.report import Report
    from smalldet.training.recipe import TrainRecipe


def train(
    recipe: Annotated[
        Path | None,
        Parameter(help="Recipe file (see `smalldet recipe`), or labelled pictures as in --data."),
    ] = None,
    *overrides: Annotated[str, Parameter(help="section.key=value, e.g. data.rot90=false")],
    data: Annotated[
        Path | None,
        Parameter(help="Labelled pictures: a folder or file in any known format, as data.yaml."),
    ] = None,
    val: Annotated[
        str | None,
        Parameter(
            help="What to measure on, where the labels have no val: a share of their pictures such "
            "as 0.2, a .txt that names some, or other labels."
        ),
    ] = None,
    labels: Options = NO_OPTIONS,
    data_classes: DataClasses = None,
    out: Annotated[Path, Parameter(help="Run folder.")] = Path("runs/train"),
    shortcuts: Annotated[Shortcuts, Parameter(name="*")] = NONE,
    resume: Annotated[
        bool, Parameter(help="Go on with a run that was stopped.", negative="")
    ] = False,
    device: Device = "auto",
) -> None:
    """Train a detector on tiles of your labelled pictures."""
    options = with_classes(labels, data_classes)
    chosen = choose_recipe(recipe, overrides, data, shortcuts, options, val)
    report = train_and_tell(chosen, out, resume, device)
    if report is not None:
        console.print(report)
    if is_main_process():
        say((out / "summary.txt").read_text(encoding="utf-8").rstrip("\n"))


def train_and_tell(recipe: TrainRecipe, out: Path, resume: bool, device: str) -> Report | None:
    """`training.loop.train`, which tells on stderr how far it is."""
    from smalldet.training.loop import train as run_training

    with progress_bar(tells_time_left=True) as advance:
        return run_training(
            recipe,
            out,
            resume=resume,
            device=device,
            on_progress=lambda share, text: advance(share, 1.0, text),
            on_event=lambda event, text: (
                None if stderr.is_terminal and event != "end" else note(text)
            ),
        )
