"""The verb that trains."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from smalldet.cli.parameters import Device
from smalldet.cli.printing import console, is_main_process, progress_bar

if TYPE_CHECKING:
    from smalldet.training.recipe import TrainRecipe

MAX_RECIPE_BYTES = 100_000  # labels in JSON are mostly larger, and slow to read as YAML


def train(
    recipe: Annotated[Path | None, Parameter(help="Recipe file (see configs/).")] = None,
    *overrides: Annotated[str, Parameter(help="section.key=value, e.g. training.epochs=30")],
    data: Annotated[
        Path | None,
        Parameter(help="Labelled pictures: a folder or file in any known format, as data.yaml."),
    ] = None,
    out: Annotated[Path, Parameter(help="Run folder.")] = Path("runs/train"),
    resume: Annotated[bool, Parameter(help="Go on with a run that was stopped.")] = False,
    device: Device = "auto",
) -> None:
    """Train a detector on tiles of your labelled pictures."""
    from smalldet.training.loop import train as run_training

    chosen = _recipe(recipe, overrides, data)
    with progress_bar() as advance:
        report = run_training(
            chosen, out, resume=resume, device=device, on_progress=lambda s, t: advance(s, 1.0, t)
        )
    if report is not None:
        console.print(report)
    if is_main_process():
        text = (out / "summary.txt").read_text(encoding="utf-8")
        console.print(text, end="", markup=False, highlight=False, soft_wrap=True)


def _is_data(path: Path) -> bool:
    """Whether the first word names labelled pictures, such as a folder or a data.yaml."""
    from smalldet.data.formats.read_labels import recognised_format

    if path.is_dir():
        return True
    if _is_recipe(path):
        return False
    try:
        recognised_format(path)
    except (FileNotFoundError, ValueError):
        return False
    return True


def _is_recipe(path: Path) -> bool:
    """Whether a file has a recipe's `data`; one that is JSON would pass for labels too."""
    from smalldet.config.load import load_yaml

    if not path.is_file() or path.stat().st_size > MAX_RECIPE_BYTES:
        return False
    try:
        return isinstance(load_yaml(path).get("data"), dict)
    except ValueError:
        return False


def _recipe(recipe: Path | None, overrides: tuple[str, ...], data: Path | None) -> TrainRecipe:
    from smalldet.training.recipe import read_recipe, recipe_for_folder

    if recipe is not None and data is not None and "=" in str(recipe):
        # with --data there is no recipe file, and the first override stands in its place
        overrides, recipe = (str(recipe), *overrides), None
    if recipe is not None and data is None and _is_data(recipe):
        recipe, data = None, recipe
    if (recipe is None) == (data is None):
        raise ValueError("give either a recipe file or labelled pictures, not both")
    if recipe is not None:
        return read_recipe(recipe, overrides)
    assert data is not None
    return recipe_for_folder(data, overrides)
