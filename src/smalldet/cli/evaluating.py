"""The verb that measures."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

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

if TYPE_CHECKING:
    from smalldet.data.index import Index
    from smalldet.evaluation.report import Report

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
    from smalldet.data.formats.read_labels import read_labels

    if report is not None and report.is_dir():
        raise ValueError(f"{report}: is a folder; name a file in it")
    options = with_tables(options, map_, sizes)
    source = label_source(data, labels, data_classes)
    if results is not None:
        from smalldet.evaluation.result_shapes import holds_masks

        truth = read_labels(source, split=split, with_masks=holds_masks(results))
        found = _of_results(results, data, split, truth, options, out, report)
    else:
        from smalldet.evaluation.evaluate import evaluate as run_evaluation
        from smalldet.evaluation.kept import About

        tile_model = model_opener(model, class_names, network, device, backend)()
        truth = read_labels(source, split=split, with_masks=tile_model.finds_masks)
        with progress_bar() as advance:
            found = run_evaluation(
                tile_model,
                truth,
                options,
                out=out,
                page=report,
                about=About(model, str(data)),
                on_progress=lambda done, total: advance(done, total, "pictures"),
            )
    console.print(found)
    for written in (out, report):
        if written is not None:
            say(f"Written: {written}{'/' if written == out else ''}")


def _of_results(
    file: Path,
    data: Path,
    split: str,
    truth: Index,
    options: EvaluateOptions,
    out: Path | None,
    page: Path | None,
) -> Report:
    from smalldet.data.formats.read_labels import category_ids
    from smalldet.evaluation.evaluate import evaluate_results
    from smalldet.evaluation.kept import About
    from smalldet.evaluation.result_files import read_results

    results = read_results(file, truth, category_ids(data, split))
    about = About(str(file), str(data))
    return evaluate_results(results, truth, options, out=out, page=page, about=about)
