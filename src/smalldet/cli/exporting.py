"""The verb that writes models for other runtimes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from smalldet.cli.parameters import (
    FLATTENED,
    NO_OPTIONS,
    ClassNames,
    DataClasses,
    Model,
    Network,
    Options,
    label_source,
)
from smalldet.cli.printing import console, say
from smalldet.exporting.options import ExportOptions

if TYPE_CHECKING:
    from smalldet.exporting.int8 import Gate

DEFAULTS = ExportOptions()


def export(
    model: Model,
    *,
    to: Annotated[Path, Parameter(help="An .onnx file, or a folder for OpenVINO.")],
    options: Annotated[ExportOptions, FLATTENED] = DEFAULTS,
    data: Annotated[
        Path | None, Parameter(help="Labelled pictures for --int8, as `evaluate` takes them.")
    ] = None,
    labels: Options = NO_OPTIONS,
    data_classes: DataClasses = None,
    picture: Annotated[
        Path | None, Parameter(help="Picture to compare on; default: a drawn scene.")
    ] = None,
    class_names: ClassNames = None,
    network: Network = None,
) -> None:
    """Write a model for ONNX Runtime or OpenVINO, and compare it with torch."""
    from smalldet.api.converting import export as run_export

    exported = run_export(
        model,
        to,
        data=None if data is None else label_source(data, labels, data_classes),
        picture=picture,
        class_names=class_names,
        network=network,
        **options.model_dump(),
    )
    if exported.gate is not None:
        _print_gate(exported.gate)
    say(f"Compared with torch: {exported.comparison}")
    for path in exported.files:
        say(f"Written: {path}")


def _print_gate(gate: Gate) -> None:
    from rich.table import Table

    from smalldet.exporting.int8 import SIZES

    table = Table(title=f"AP on {gate.num_pictures} pictures that calibration did not see")
    table.add_column("computed in")
    for name in ("all", *SIZES):
        table.add_column(name, justify="right")
    for name, values in gate.rows:
        table.add_row(name, *("-" if value is None else f"{100 * value:.2f}" for value in values))
    console.print(table)
    if gate.opened:
        console.print(
            f"Back to higher precision, {len(gate.opened)} of {gate.num_layers} places, before "
            "the layers:",
            highlight=False,
        )
        for layer in gate.opened:
            say(f"  {layer}")
