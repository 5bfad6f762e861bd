"""What tiling and merging cost: AP of merged tiles against whole pictures.

    python benchmarks/tiles_against_whole.py [--tile 256] [--overlap 0.2] [--pictures N]

The same model sees each picture whole, and in tiles that are merged. A merge that doubles or loses
objects at seams shows as a fall of AP.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter, run
from rich.console import Console
from rich.table import Table
from sets import labelled_set, shared_folder

from smalldet.data.index import Index
from smalldet.evaluation.evaluate import evaluate
from smalldet.evaluation.report import Report
from smalldet.models import Detector, load_model

PASSES = [
    ("speck-n-thermal", "hituav", {}),
    ("speck-n-aerial", "aerial_cars", {"minibus": "bus"}),
    ("speck-n-aerial", "aerial_airport", {}),
]


def main(
    *,
    tile_px: Annotated[tuple[int, ...], Parameter(name="--tile", consume_multiple=True)] = (256,),
    overlap_frac: Annotated[
        tuple[float, ...], Parameter(name="--overlap", consume_multiple=True)
    ] = (0.2,),
    pictures: Annotated[int | None, Parameter(help="Of each set, evenly spread.")] = None,
    shared: Path | None = None,
    device: str = "auto",
) -> None:
    """Print AP of whole pictures, of merged tiles, and the difference in points."""
    root = shared_folder(shared)
    table = Table(title="AP of whole pictures and of merged tiles", title_justify="left")
    for header in ("set", "tile", "overlap", "AP", "AP50", "AR", "AP change"):
        table.add_column(header, justify="right")
    for model, name, mapping in PASSES:
        truth, detector = labelled_set(root, name, "val"), load_model(model)
        step = max(1, len(truth) // (pictures or len(truth)))
        truth = Index(truth.class_names, truth.records[::step])
        whole = _measured(detector, truth, mapping, device, whole=True)
        table.add_row(f"{name} ({len(truth)})", "whole", "", *_cells(whole), "")
        for side in tile_px:
            for overlap in overlap_frac:
                merged = _measured(
                    detector, truth, mapping, device, tile_px=side, overlap_frac=overlap
                )
                change = 100 * ((merged.metrics["AP"] or 0) - (whole.metrics["AP"] or 0))
                table.add_row(name, f"{side} px", f"{overlap:g}", *_cells(merged), f"{change:+.2f}")
    Console(width=110).print(table)


def _measured(
    detector: Detector, truth: Index, mapping: dict[str, str], device: str, **options: float | bool
) -> Report:
    return evaluate(detector, truth, mapping=mapping, device=device, **options)  # pyright: ignore[reportArgumentType]


def _cells(report: Report) -> list[str]:
    return [f"{100 * (report.metrics[key] or 0):.2f}" for key in ("AP", "AP50", "AR")]


if __name__ == "__main__":
    run(main)
