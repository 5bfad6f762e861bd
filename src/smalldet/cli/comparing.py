"""The verb that compares."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from smalldet.cli.evaluating import DEFAULTS
from smalldet.cli.parameters import (
    FLATTENED,
    NO_OPTIONS,
    Backend,
    DataClasses,
    Device,
    Labels,
    Map,
    Options,
    Sizes,
    label_source,
    with_tables,
)
from smalldet.cli.printing import console, note, progress_bar, say
from smalldet.evaluation.options import EvaluateOptions


def compare(
    *entries: Annotated[
        str,
        Parameter(
            help="Two or more: folders that `evaluate --out` or `train` wrote; with --data also "
            "models and .json files of results. The first is what the others are compared with."
        ),
    ],
    data: Labels | None = None,
    split: Annotated[
        str, Parameter(help="Of labels in several parts: train, val or test.")
    ] = "val",
    labels: Options = NO_OPTIONS,
    data_classes: DataClasses = None,
    out: Annotated[Path | None, Parameter(help="A json of all figures and intervals.")] = None,
    report: Annotated[
        Path | None, Parameter(help="A page with charts, such as comparison.html.")
    ] = None,
    map_: Map = (),
    sizes: Sizes = "default",
    options: Annotated[EvaluateOptions, FLATTENED] = DEFAULTS,
    device: Device = "auto",
    backend: Backend = "auto",
) -> None:
    """Put models or results side by side, and say whether their difference is real."""
    import json

    from smalldet.atomic_write import write_text
    from smalldet.evaluation.measuring import compare_entries
    from smalldet.evaluation.page.comparison_page import comparison_page
    from smalldet.tile_models import open_tile_model

    for file in (out, report):
        if file is not None and file.is_dir():
            raise ValueError(f"{file}: is a folder; name a file in it")
    options = with_tables(options, map_, sizes)
    with progress_bar() as advance:
        compared = compare_entries(
            entries,
            None if data is None else label_source(data, labels, data_classes),
            options,
            split=split,
            open_model=lambda one: open_tile_model(one, device=device, backend=backend, say=note),
            on_progress=lambda one, done, total: advance(done, total, one),
        )
    console.print(compared)
    if out is not None:
        text = json.dumps(compared.as_dict(), indent=1, allow_nan=False, ensure_ascii=False)
        write_text(out, text + "\n")
    if report is not None:
        write_text(report, comparison_page(compared))
    for written in (out, report):
        if written is not None:
            say(f"Written: {written}")
