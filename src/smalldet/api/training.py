"""Check labelled pictures, plan, and train."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from smalldet.checking.check import CheckReport
from smalldet.checking.check import check as check_set
from smalldet.data.formats.label_source import LabelSource
from smalldet.evaluation.report import Report
from smalldet.planning.plan import Plan, make_plan
from smalldet.training.loop import train as run_training
from smalldet.training.recipe import TrainRecipe, is_labels, read_recipe, recipe_for_labels


def check(
    data: str | Path,
    images: str | Path | None = None,
    *,
    on_progress: Callable[[int, int], None] | None = None,
) -> CheckReport:
    """Tell what is wrong with labelled pictures, all splits of them.

    Args:
        data: in any known format.
        images: folder of the pictures; each format has a usual place.
        on_progress: called with pictures read and pictures in all.

    Returns:
        Its `findings`, worst first, and `may_train`.

    Raises:
        FileNotFoundError, ValueError: there are no labels, or in no known format.
    """
    return check_set(LabelSource.of(data, images), on_progress)


def plan(
    recipe: str | Path | TrainRecipe,
    *overrides: str,
    memory_gb: float | None = None,
    device: str = "auto",
) -> Plan:
    """Say what a set allows and what training on it costs.

    Args:
        recipe: as in `train`, and so `overrides` and `device`.
        memory_gb: that training may take; None: the batch stays as it is.

    Returns:
        Its figures, and its `recipe`, ready for `train`.

    Raises:
        FileNotFoundError, ValueError: see `smalldet.planning.plan.make_plan`.
    """
    return make_plan(_recipe(recipe, overrides), memory_gb=memory_gb, device=device)


def train(
    recipe: str | Path | TrainRecipe,
    out: str | Path,
    *overrides: str,
    resume: bool = False,
    device: str = "auto",
    on_progress: Callable[[float, str], None] | None = None,
) -> Report | None:
    """Train a detector; see `smalldet.training.loop.train` for what lies in `out`.

    Args:
        recipe: a recipe file, a checked recipe, or labelled pictures in any known format.
        out: run folder.
        overrides: `section.key=value`, as on the command line.
        resume: go on with a run that was stopped.
        device: `auto` or `cpu`.
        on_progress: called with the share done and a line of text.
    """
    return run_training(
        _recipe(recipe, overrides), Path(out), resume=resume, device=device, on_progress=on_progress
    )


def _recipe(recipe: str | Path | TrainRecipe, overrides: tuple[str, ...]) -> TrainRecipe:
    if isinstance(recipe, TrainRecipe):
        if overrides:
            raise ValueError("overrides go with a file or a folder, not with a checked recipe")
        return recipe
    path = Path(recipe)
    return (recipe_for_labels if is_labels(path) else read_recipe)(path, overrides)
