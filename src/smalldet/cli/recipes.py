"""The verb that prints recipes to start from."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from smalldet.cli.printing import console, say
from smalldet.config.recipe_files import recipe_names, recipe_text, summary_of


def recipe(
    name: Annotated[str | None, Parameter(help="Of a recipe; without one, all are listed.")] = None,
) -> None:
    """Print a recipe to change and train from: `smalldet recipe yolov5 > mine.yaml`."""
    if name is None:
        width = max(map(len, recipe_names()))
        for one in recipe_names():
            say(f"{one:{width}}  {summary_of(one)}")
    else:
        console.file.write(recipe_text(name))
