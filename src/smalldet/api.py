"""The Python API: what the command line does, in five functions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from smalldet.data.formats import coco
from smalldet.detections import Detections
from smalldet.evaluation.evaluate import evaluate as evaluate_detector
from smalldet.evaluation.report import Report
from smalldet.imagery import Source
from smalldet.inference.predictor import Predictor
from smalldet.models import DEFAULT_MODEL, ClassNames, convert_model, load_model
from smalldet.training.loop import train as run_training
from smalldet.training.recipe import TrainRecipe, read_recipe, recipe_for_folder


def load(
    model: str | Path = DEFAULT_MODEL,
    *,
    class_names: ClassNames | None = None,
    network: str | None = None,
    **options: Any,
) -> Predictor:
    """A detector ready to predict.

    Args:
        model: name of an embedded model, or a file of trained weights: smalldet's own, Darknet's,
            Ultralytics', torchvision's, ...
        class_names: names, a file of names, or `a,b,c`, where the file of weights has none.
        network: name or description file of the network, where the file of weights has none.
        options: of `Predictor`: `tile_px`, `overlap_frac`, `conf`, `classes`, `device`, ...

    Returns:
        Its `predict(source)` takes a path, an array, or a PIL picture of any size.
    """
    return Predictor(load_model(model, class_names=class_names, network=network), **options)


def predict(source: Source, model: str | Path = DEFAULT_MODEL, **options: Any) -> Detections:
    """Objects of one picture in its pixels, strongest first; `options` as in `load`."""
    return load(model, **options).predict(source)


def evaluate(
    data: str | Path,
    images: str | Path | None = None,
    model: str | Path = DEFAULT_MODEL,
    *,
    out: str | Path | None = None,
    mapping: Mapping[str, str] | None = None,
    class_names: ClassNames | None = None,
    network: str | None = None,
    **options: Any,
) -> Report:
    """Measure a model on labelled pictures, by object size.

    Args:
        data: COCO json.
        images: folder of its pictures; default `images/` beside the json, else its folder.
        model: as in `load`, and so `class_names` and `network`.
        out: folder for `metrics.json`, `detections.json` and pictures of the worst cases.
        mapping: {class of the model: class of the data} where the names differ.
        options: of `smalldet.evaluation.evaluate`: `tile_px`, `overlap_frac`, `device`, ...
    """
    truth = coco.read(Path(data), None if images is None else Path(images))
    detector = load_model(model, class_names=class_names, network=network)
    return evaluate_detector(detector, truth, out=out, mapping=mapping, **options)


def convert(
    model: str | Path,
    to: str | Path,
    *,
    class_names: ClassNames | None = None,
    network: str | None = None,
) -> list[Path]:
    """Write a model in another format.

    Args:
        model: as in `load`, and so `class_names` and `network`.
        to: `.safetensors` (smalldet's own), `.weights` (Darknet's, with `.cfg` and `.names`
            beside), or `.pth` (torchvision's).

    Returns:
        The files.
    """
    return convert_model(model, to, class_names=class_names, network=network)


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
        recipe: a recipe file, a checked recipe, or a folder with `train.json` and `images/`.
        out: run folder.
        overrides: `section.key=value`, as on the command line.
        resume: go on with a run that was stopped.
        device: `auto` or `cpu`.
        on_progress: called with the share done and a line of text.
    """
    if not isinstance(recipe, TrainRecipe):
        path = Path(recipe)
        read = recipe_for_folder if path.is_dir() else read_recipe
        recipe = read(path, overrides)
    elif overrides:
        raise ValueError("overrides go with a file or a folder, not with a checked recipe")
    return run_training(recipe, Path(out), resume=resume, device=device, on_progress=on_progress)
