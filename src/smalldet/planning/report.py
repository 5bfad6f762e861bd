"""A plan as text: figures first, then what follows from them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from rich.console import Console, ConsoleOptions, RenderResult
from rich.table import Table

from smalldet.evaluation.size_ranges import SIZE_RANGES_PX, span_text
from smalldet.planning.advice import percent, sentences
from smalldet.planning.ceiling import within
from smalldet.planning.jitter import EDGE_ERROR_PX
from smalldet.planning.plan import Plan, TriedPositives


class PlanReport:
    """Prints a plan.

    Args:
        plan: that is told.
    """

    def __init__(self, plan: Plan) -> None:
        self.plan = plan

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        num = len(self.plan.measured)
        yield "Objects of the training pictures, sides in px"
        yield sizes_table(self.plan)
        yield f"\nCeiling of recall of a perfect detector on {num} pictures, IoU 0.5 (* is chosen)"
        yield tilings_table(self.plan)
        yield f"\nMet at IoU 0.5 where each edge is off by {EDGE_ERROR_PX:g} px (sigma) in the tile"
        yield jitter_table(self.plan)
        yield "\n% of objects that no place of the network learns, and mean places, by its levels"
        yield positives_table(self.plan.positives)
        yield ""
        yield from sentences(self.plan)


def sizes_table(plan: Plan) -> Table:
    """How large the objects of the training pictures are, by class."""
    table = _table("class", "objects")
    for name in ("5 %", "median", "95 %", *_range_names()):
        table.add_column(name, justify="right")
    records = plan.train.records
    labels = np.concatenate([record.labels[~record.ignore] for record in records])
    sides = np.sqrt(plan.train.object_sides().prod(1))
    names = plan.train.class_names
    rows = [("all", sides), *((name, sides[labels == i]) for i, name in enumerate(names))]
    for name, own in rows:
        if not len(own):
            table.add_row(name, "0")
            continue
        quantiles = (f"{value:.0f}" for value in np.quantile(own, (0.05, 0.5, 0.95)))
        shares = (percent(within(own, span).mean()) for span in SIZE_RANGES_PX.values())
        table.add_row(name, f"{len(own):,}", *quantiles, *shares)
    return table


def tilings_table(plan: Plan) -> Table:
    """The ceiling of recall by side and overlap of the tiles."""
    table = _table("tile px", "overlap", "tiles", "whole", "recall")
    for name in _range_names():
        table.add_column(name, justify="right")
    for tiling in plan.tilings:
        own, mark = tiling.ceiling, " *" if tiling is plan.chosen else ""
        parts = (_mean(own.found[within(own.sides, span)]) for span in SIZE_RANGES_PX.values())
        table.add_row(
            f"{tiling.tile_px}{mark}",
            f"{tiling.overlap_frac:g}",
            f"{own.num_tiles:,}",
            _mean(own.whole),
            _mean(own.found),
            *parts,
        )
    return table


def jitter_table(plan: Plan) -> Table:
    """What an error of a pixel leaves, by size in the picture."""
    table = _table("scale", "all")
    for name in _range_names():
        table.add_column(name, justify="right")
    sides = np.sqrt(plan.train.object_sides().prod(1))
    for scale, met in plan.met:
        parts = (_mean(met[within(sides, span)]) for span in SIZE_RANGES_PX.values())
        table.add_row(f"{scale:g}", _mean(met), *parts)
    return table


def positives_table(rows: Sequence[TriedPositives]) -> Table:
    """Objects that no place of the network learns, by size in the tile."""
    table = _table("levels", "scale", "objects", "all")
    for name in _range_names():
        table.add_column(name, justify="right")
    for strides, scale, (sides, counts) in rows:
        own, num = sides.numpy(), counts.numpy()
        parts = (_starved(num[within(own, span)]) for span in SIZE_RANGES_PX.values())
        levels = "-" if strides is None else " ".join(map(str, strides))
        table.add_row(levels, f"{scale:g}", f"{len(own):,}", _starved(num), *parts)
    return table


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False)
    for i, name in enumerate(columns):
        table.add_column(name, justify="left" if i == 0 else "right")
    return table


def _range_names() -> list[str]:
    return [span_text(*span) for span in SIZE_RANGES_PX.values()]


def _mean(values: Any) -> str:
    return f"{values.mean():.3f}" if len(values) else "-"


def _starved(counts: Any) -> str:
    return f"{100 * (counts == 0).mean():.1f}, {counts.mean():.1f}" if len(counts) else "-"
