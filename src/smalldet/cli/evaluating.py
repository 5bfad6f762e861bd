"""The verb that measures."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from smalldet.cli.parameters import (
    DEFAULT_MODEL,
    FLATTENED,
    NO_OPTIONS,
    Backend,
    ClassNames,
    DataClasses,
    Device,
    Labels,
    Model,
    Network,
    Options,
    label_source,
)
from smalldet.cli.printing import console, note, progress_bar, say
from smalldet.evaluation.options import EvaluateOptions
from smalldet.evaluation.size_ranges import read_sizes

DEFAULTS = EvaluateOptions()


def evaluate(
    *,
    data: Labels,
    split: Annotated[
        str, Parameter(help="Of labels in several parts: train, val or test.")
    ] = "val",
    labels: Options = NO_OPTIONS,
    data_classes: DataClasses = None,
    model: Model = DEFAULT_MODEL,
    class_names: ClassNames = None,
    network: Network = None,
    out: Annotated[
        Path | None,
        Parameter(help="Folder for metrics.json, options.yaml, detections.json, worst pictures."),
    ] = None,
    map_: Annotated[
        tuple[str, ...],
        Parameter(name="--map", help="MODEL_CLASS=DATA_CLASS where names differ; repeat it."),
    ] = (),
    sizes: Annotated[
        str,
        Parameter(
            help="Size ranges: default, coco, aitod, tinyperson, soda, or edges such as 0,8,16,32 "
            "in pixels or 0,2,4m in metres."
        ),
    ] = "default",
    options: Annotated[EvaluateOptions, FLATTENED] = DEFAULTS,
    device: Device = "auto",
    backend: Backend = "auto",
) -> None:
    """Measure a model on labelled pictures, by object size."""
    from smalldet.data.formats.read_labels import read_labels
    from smalldet.evaluation.evaluate import evaluate as run_evaluation
    from smalldet.tile_models import open_tile_model

    ranges, unit = read_sizes(sizes)
    options = options.model_copy(
        update={"map": _mapping(map_), "sizes": dict(ranges), "size_unit": unit}
    )
    truth = read_labels(label_source(data, labels, data_classes), split=split)
    tile_model = open_tile_model(
        model,
        class_names=class_names,
        network=network,
        device=device,
        backend=backend,
        say=note,
    )
    with progress_bar() as advance:
        report = run_evaluation(
            tile_model,
            truth,
            options,
            out=out,
            on_progress=lambda done, total: advance(done, total, "pictures"),
        )
    console.print(report)
    if out is not None:
        say(f"Written: {out}/")


def _mapping(pairs: tuple[str, ...]) -> dict[str, str]:
    wrong = [pair for pair in pairs if pair.count("=") != 1]
    if wrong:
        raise ValueError(f"--map takes MODEL_CLASS=DATA_CLASS, not {wrong[0]!r}")
    return dict(pair.split("=") for pair in pairs)
