"""The verb that measures."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from smalldet.cli.opening import model_opener
from smalldet.cli.parameters import (
    DEFAULT_MODEL,
    FLATTENED,
    NO_OPTIONS,
    Backend,
    ClassNames,
    DataClasses,
    Device,
    Labels,
    Map,
    Model,
    Network,
    Options,
    Sizes,
    label_source,
    with_tables,
)
from smalldet.cli.printing import console, progress_bar, say
from smalldet.evaluation.options import EvaluateOptions

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
    results: Annotated[
        Path | None,
        Parameter(
            help="Instead of a model: its results, a COCO results list, a whole COCO json, or a "
            "folder of DOTA's Task1_*.txt."
        ),
    ] = None,
    class_names: ClassNames = None,
    network: Network = None,
    out: Annotated[
        Path | None,
        Parameter(help="Folder for metrics.json, options.yaml, detections.json, worst pictures."),
    ] = None,
    report: Annotated[
        Path | None,
        Parameter(help="A page with charts and crops of the errors, such as report.html."),
    ] = None,
    map_: Map = (),
    sizes: Sizes = "default",
    options: Annotated[EvaluateOptions, FLATTENED] = DEFAULTS,
    device: Device = "auto",
    backend: Backend = "auto",
) -> None:
    """Measure a model on labelled pictures, by object size."""
    from smalldet.evaluation.measuring import measure_model, measure_results

    if report is not None and report.is_dir():
        raise ValueError(f"{report}: is a folder; name a file in it")
    options = with_tables(options, map_, sizes)
    source = label_source(data, labels, data_classes)
    if results is not None:
        found = measure_results(results, source, options, split=split, out=out, page=report)
    else:
        tile_model = model_opener(model, class_names, network, device, backend)()
        with progress_bar() as advance:
            found = measure_model(
                tile_model,
                source,
                options,
                split=split,
                name=model,
                out=out,
                page=report,
                on_progress=lambda done, total: advance(done, total, "pictures"),
            )
    console.print(found)
    for written in (out, report):
        if written is not None:
            say(f"Written: {written}{'/' if written == out else ''}")
