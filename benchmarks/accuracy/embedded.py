"""What the embedded models do on real labelled pictures: AP by size, and false alarms.

    python -m benchmarks.accuracy.embedded [--models NAME] [--out runs/embedded]

Prints the report of each model on each set that bears on it, a table of false alarms a megapixel of
every class on every set, and one of the smallest objects that are found. Needs the labelled sets
(SMALLDET_SHARED or --shared).
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter, run
from rich.console import Console
from rich.table import Table

from benchmarks.sets import labelled_set, shared_folder
from smalldet.evaluation.evaluate import evaluate
from smalldet.evaluation.options import EvaluateOptions
from smalldet.evaluation.report import Report
from smalldet.tile_models import open_tile_model

# model, set, {class of the data: class of the model}
PASSES = [
    ("speck-n-aerial", "aerial_airport", {}),
    ("speck-n-aerial", "aerial_cars", {"minibus": "bus"}),
    ("speck-n-aerial", "large_aerial_car_photo", {"minibus": "bus"}),
    ("speck-t-aerial", "aerial_airport", {}),
    ("speck-t-aerial", "aerial_cars", {"minibus": "bus"}),
    ("speck-t-aerial", "large_aerial_car_photo", {"minibus": "bus"}),
    ("speck-n-thermal", "hituav", {}),
]


def main(
    *,
    models: Annotated[tuple[str, ...], Parameter(consume_multiple=True)] = (),
    shared: Annotated[Path | None, Parameter(help="Folder of the labelled sets.")] = None,
    out: Path = Path("runs/embedded"),
    device: str = "auto",
) -> None:
    """Print accuracy by size and false alarms of the embedded models."""
    console = Console(width=110)
    root = shared_folder(shared)
    reports: list[tuple[str, str, Report]] = []
    for model, name, mapping in PASSES:
        if models and model not in models:
            continue
        truth = labelled_set(root, name, "val")
        folder = out / f"{model}-{name}"
        tile_model = open_tile_model(model, device=device, backend="torch")
        report = evaluate(tile_model, truth, EvaluateOptions(map=mapping), out=folder)
        console.print(f"\n[bold]{model}[/bold] on {name} val", report)
        reports.append((model, name, report))
    console.print(_alarms(reports), _smallest(reports))


def _alarms(reports: list[tuple[str, str, Report]]) -> Table:
    table = Table(
        title="False alarms a megapixel (at the conf of each model, IoU 0.5)", title_justify="left"
    )
    for header in ("model", "set", "class", "a megapixel", "objects"):
        table.add_column(header)
    for model, name, report in reports:
        for label, row in report.per_class.items():
            alarms = f"{row['false_alarms_per_megapixel']:.2f}"
            table.add_row(model, name, label, alarms, str(row["counts"]["all"]))
        for label, found in report.unjudged.items():
            table.add_row(model, name, label, f"at most {found:.2f}", "not labelled")
    return table


def _smallest(reports: list[tuple[str, str, Report]]) -> Table:
    table = Table(
        title="Side in px from which half of the objects are found (at the conf of each model, IoU "
        "0.5), with its 95 % interval",
        title_justify="left",
    )
    for header in ("model", "set", "class", "side", "from", "to", "objects"):
        table.add_column(header)
    for model, name, report in reports:
        for label, row in report.per_class.items():
            sides = [row[f"resolvable_px{end}"] for end in ("", "_low", "_high")]
            cells = ["-" if side is None else f"{side:.3g}" for side in sides]
            table.add_row(model, name, label, *cells, str(row["counts"]["all"]))
    return table


if __name__ == "__main__":
    run(main)
