"""The verb that plans a run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from smalldet.cli.parameters import NO_OPTIONS, DataClasses, Device, Options, with_classes
from smalldet.cli.printing import console, progress_bar, say
from smalldet.cli.train_recipe import NONE, Shortcuts, choose_recipe


def plan(
    recipe: Annotated[
        Path | None,
        Parameter(help="Labelled pictures in any known format, or a recipe file."),
    ] = None,
    *overrides: Annotated[str, Parameter(help="section.key=value, as for train")],
    data: Annotated[Path | None, Parameter(help="Labelled pictures.")] = None,
    val: Annotated[
        str | None, Parameter(help="What to measure on, as for train: 0.2, a .txt, labels.")
    ] = None,
    labels: Options = NO_OPTIONS,
    data_classes: DataClasses = None,
    shortcuts: Annotated[Shortcuts, Parameter(name="*")] = NONE,
    memory: Annotated[
        float | None, Parameter(help="GB that training may take; the batch follows.")
    ] = None,
    out: Annotated[Path | None, Parameter(help="File for the ready recipe, as plan.yaml.")] = None,
    json_: Annotated[
        Path | None, Parameter(name="--json", help="File for all figures, as JSON.")
    ] = None,
    device: Device = "auto",
) -> None:
    """Say what a set allows and what training on it costs, and write the recipe."""
    from smalldet.atomic_write import write_text
    from smalldet.planning.files import as_dict, recipe_text
    from smalldet.planning.plan import make_plan
    from smalldet.planning.report import PlanReport

    options = with_classes(labels, data_classes)
    chosen = choose_recipe(recipe, overrides, data, shortcuts, options, val)
    with progress_bar() as advance:
        made = make_plan(
            chosen,
            memory_gb=memory,
            device=device,
            on_progress=lambda share, text: advance(share, 1.0, text),
        )
    console.print(PlanReport(made))
    if out is not None:
        write_text(out, recipe_text(made))
        say(f"Written: {out}; train with `smalldet train {out}`")
    if json_ is not None:
        write_text(json_, json.dumps(as_dict(made), indent=2) + "\n")
        say(f"Written: {json_}")
