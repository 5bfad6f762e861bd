"""The recipe that the words after `smalldet train` make."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from smalldet.cli.parameters import NO_OPTIONS
from smalldet.data.formats.label_source import LabelOptions

if TYPE_CHECKING:
    from smalldet.training.recipe import TrainRecipe

KEYS = {
    "model": "model",
    "epochs": "training.epochs",
    "batch": "training.batch_size",
    "tile": "data.tile_px",
    "lr": "training.lr",
    "patience": "training.patience",
}


@dataclass(frozen=True)
class Shortcuts:
    """Options that stand for keys of a recipe (`KEYS`); None where they are not given."""

    model: Annotated[
        str | None,
        Parameter(
            help="A family, as retinanet; a known network, as yolov5n, or a .cfg; or trained "
            "weights to start from, a file or an embedded model."
        ),
    ] = None
    epochs: Annotated[int | None, Parameter(help="training.epochs")] = None
    batch: Annotated[
        int | None, Parameter(name=("--batch", "--batch-size"), help="training.batch_size")
    ] = None
    tile: Annotated[int | None, Parameter(help="data.tile_px")] = None
    lr: Annotated[float | None, Parameter(help="training.lr")] = None
    patience: Annotated[int | None, Parameter(help="training.patience")] = None

    def assignments(self) -> tuple[str, ...]:
        """`section.key=value` of all but the model, which takes more than one."""
        given = {key: getattr(self, name) for name, key in KEYS.items() if name != "model"}
        return tuple(f"{key}={value}" for key, value in given.items() if value is not None)


NONE = Shortcuts()


def choose_recipe(
    recipe: Path | None,
    overrides: tuple[str, ...],
    data: Path | None,
    shortcuts: Shortcuts = NONE,
    labels: LabelOptions = NO_OPTIONS,
    val: str | None = None,
) -> TrainRecipe:
    """The recipe that the words of a command line make.

    Args:
        recipe: the first word: a file, labelled pictures, or an override where `data` is given.
        overrides: the words after it.
        data: labelled pictures.
        shortcuts: options that stand for keys.
        labels: what the labelled pictures do not say of themselves.
        val: see `recipe_for_labels`.

    Raises:
        FileNotFoundError, ValueError: what is missing, said twice or wrong.
    """
    from smalldet.training.model_choice import model_assignments
    from smalldet.training.recipe import is_labels, read_recipe, recipe_for_labels

    if recipe is not None and "=" in str(recipe) and not recipe.exists():
        # without a file, the first override stands in its place
        overrides, recipe = (str(recipe), *overrides), None
    if recipe is not None and data is None:
        _check_exists(recipe)
        if is_labels(recipe):
            recipe, data = None, recipe
    if (recipe is None) == (data is None):
        raise ValueError(
            "give labelled pictures or a recipe file, one of them: `smalldet train data.yaml`; "
            "`smalldet recipe` lists recipes"
        )
    _check_once(overrides, shortcuts)
    model = shortcuts.model
    chosen = () if model is None else model_assignments(model, overrides)
    assignments = (*chosen, *shortcuts.assignments(), *overrides)
    if recipe is not None:
        if val is not None or labels != NO_OPTIONS:
            raise ValueError(
                f"{recipe}: is a recipe, whose sources say this themselves; --val and options of "
                "labels go with labelled pictures"
            )
        return read_recipe(recipe, assignments)
    assert data is not None
    if not data.exists():
        raise FileNotFoundError(f"{data}: no such file or folder")
    return recipe_for_labels(data, assignments, options=labels, val=val)


def _check_exists(path: Path) -> None:
    """A first word that is no file: what it may have been."""
    from smalldet.config.recipe_files import recipe_names

    if path.exists():
        return
    name = path.name.removesuffix(".yaml")
    if name in recipe_names():
        raise FileNotFoundError(
            f"{path}: no such file; the recipe of this name is written by "
            f"`smalldet recipe {name} > {name}.yaml`, for you to name your pictures in it"
        )
    raise FileNotFoundError(f"{path}: no such file or folder")


def _check_once(overrides: tuple[str, ...], shortcuts: Shortcuts) -> None:
    """Nothing is said twice, so that no word is passed over."""
    keys = {KEYS[name]: name for name in KEYS if getattr(shortcuts, name) is not None}
    for key in (override.partition("=")[0] for override in overrides):
        if key in keys:
            raise ValueError(f"--{keys[key]} and {key} are one key: give one of them")
