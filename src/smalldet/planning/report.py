"""A plan as text: figures first, then what follows from them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from rich.console import Console, ConsoleOptions, RenderResult
from rich.table import Table

from smalldet.evaluation.options import EvaluateOptions
from smalldet.evaluation.size_ranges import SIZE_RANGES_PX
from smalldet.planning.jitter import EDGE_ERROR_PX, share_met
from smalldet.planning.plan import Plan, ScaledPositives, TiledTruth
from smalldet.training.recipe import anchored

MET_SCALES = (0.5, 1.0, 2.0)
# magnified tiles cost four times as much: they are advised where so many more can be met
LEAST_HELP = 0.1


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
        yield "\nObjects that no place of the network learns, and mean places of an object"
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
        shares = (_percent(_within(own, span).mean()) for span in SIZE_RANGES_PX.values())
        table.add_row(name, f"{len(own):,}", *quantiles, *shares)
    return table


def tilings_table(plan: Plan) -> Table:
    """The ceiling of recall by side and overlap of the tiles."""
    table = _table("tile px", "overlap", "tiles", "whole", "recall")
    for name in _range_names():
        table.add_column(name, justify="right")
    for tiling in plan.tilings:
        own, mark = tiling.ceiling, " *" if tiling is plan.chosen else ""
        parts = (_mean(own.found[_within(own.sides, span)]) for span in SIZE_RANGES_PX.values())
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
    pairs = plan.train.object_sides()
    sides = np.sqrt(pairs.prod(1))
    for scale in MET_SCALES:
        met = share_met(pairs, scale)
        parts = (_mean(met[_within(sides, span)]) for span in SIZE_RANGES_PX.values())
        table.add_row(f"{scale:g}", _mean(met), *parts)
    return table


def positives_table(rows: Sequence[ScaledPositives]) -> Table:
    """Objects that no place of the network learns, by size in the tile."""
    table = _table("scale", "objects", "all")
    for name in _range_names():
        table.add_column(name, justify="right")
    for scale, (sides, counts) in rows:
        own, num = sides.numpy(), counts.numpy()
        parts = (_starved(num[_within(own, span)]) for span in SIZE_RANGES_PX.values())
        table.add_row(f"{scale:g}", f"{len(own):,}", _starved(num), *parts)
    return table


def sentences(plan: Plan) -> Iterator[str]:
    """What follows, a line each."""
    data, training, cost = plan.recipe.data, plan.recipe.training, plan.cost
    yield (
        f"Train on tiles of {data.tile_px} px, batches of {training.batch_size}; predict on "
        f"{plan.chosen.tile_px} px with an overlap of {plan.chosen.overlap_frac:g}: at most "
        f"{plan.chosen.recall:.1%} of the objects can be found."
    )
    yield (
        f"An epoch is {cost.tiles_per_epoch:,} tiles, {_minutes(cost.epoch_minutes)} on this "
        f"machine ({cost.device}, {1 / cost.tile_s:.1f} tiles a second, "
        f"{_percent(cost.read_s / (cost.tile_s or 1))} of it reading); {training.epochs} epochs, "
        f"{_minutes(cost.epoch_minutes * training.epochs)}, without evaluation."
    )
    batch_gb = (cost.fixed_bytes + training.batch_size * cost.tile_bytes) / 1e9
    yield f"A batch takes about {batch_gb:.1f} GB."
    yield from _warnings(plan)


def _warnings(plan: Plan) -> Iterator[str]:
    pairs = plan.train.object_sides()
    once, twice = (float(share_met(pairs, scale).mean()) for scale in (1.0, 2.0))
    if twice > once + LEAST_HELP:
        yield (
            f"With edges right to half a pixel {once:.0%} of the objects are met at IoU 0.5, "
            f"{twice:.0%} in tiles at twice the size: try data.scale_jitter=[1,4] and predict with "
            "--scales 2, at four times the cost."
        )
    first, *others = plan.positives
    without = _share_without(first)
    better = [row for row in others if _share_without(row) < without - 0.01]
    if better:
        yield (
            f"{without:.1%} of the objects have no place that learns them, "
            f"{_share_without(better[0]):.1%} at scale {better[0].scale:g}: train with "
            f"data.scale_jitter=[{better[0].scale / 2:g},{2 * better[0].scale:g}] and predict with "
            f"--scales {better[0].scale:g}."
        )
    counted = EvaluateOptions().max_detections
    if plan.most_objects > counted:
        yield (
            f"A picture holds {plan.most_objects:,} objects, and evaluation counts {counted:,} "
            f"detections a picture unless told: --max-detections {2 * plan.most_objects}."
        )
    elif plan.most_objects > 100:
        yield (
            f"A picture holds {plan.most_objects:,} objects: figures over COCO's 100 detections "
            "leave some out."
        )
    if plan.anchor_likeness is not None:
        own, new = plan.anchor_likeness
        taken = "anchors are fitted to the objects" if new > own else "the anchors stay"
        yield f"Shapes of objects and anchors overlap by {own:.2f}, fitted {new:.2f}: {taken}."


def recipe_text(plan: Plan) -> str:
    """The recipe as YAML, with the figures that it stands on as comments.

    A recipe's paths count from its own folder, and these from where they were typed: so they are
    written whole.
    """
    said = anchored(plan.recipe.model_dump(mode="json", exclude_defaults=True), Path.cwd())
    comments = "".join(f"# {line}\n" for line in sentences(plan))
    return comments + yaml.safe_dump(said, sort_keys=False, allow_unicode=True)


def as_dict(plan: Plan) -> dict[str, Any]:
    """All figures of a plan, for other programs."""
    cost = plan.cost
    return {
        "train_tile_px": plan.recipe.data.tile_px,
        "predict_tile_px": plan.chosen.tile_px,
        "overlap_frac": plan.chosen.overlap_frac,
        "batch_size": plan.recipe.training.batch_size,
        "recall_ceiling": plan.chosen.recall,
        "tilings": [_tiling_dict(tiling) for tiling in plan.tilings],
        "positives": [
            {"scale": row.scale, "share_without": _share_without(row)} for row in plan.positives
        ],
        "met_with_edges_off": {
            f"{scale:g}": float(share_met(plan.train.object_sides(), scale).mean())
            for scale in MET_SCALES
        },
        "most_objects": plan.most_objects,
        "tiles_per_epoch": cost.tiles_per_epoch,
        "tile_s": cost.tile_s,
        "epoch_minutes": cost.epoch_minutes,
        "tile_bytes": cost.tile_bytes,
        "fixed_bytes": cost.fixed_bytes,
        "device": cost.device,
    }


def _tiling_dict(tiling: TiledTruth) -> dict[str, Any]:
    own = tiling.ceiling
    by_size = {
        name: float(own.found[_within(own.sides, span)].mean())
        for name, span in SIZE_RANGES_PX.items()
        if _within(own.sides, span).any()
    }
    return {
        "tile_px": tiling.tile_px,
        "overlap_frac": tiling.overlap_frac,
        "num_tiles": own.num_tiles,
        "recall": tiling.recall,
        "recall_by_size": by_size,
    }


def _share_without(row: ScaledPositives) -> float:
    counts = row.positives.counts
    return float((counts == 0).float().mean()) if len(counts) else 0.0


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False)
    for i, name in enumerate(columns):
        table.add_column(name, justify="left" if i == 0 else "right")
    return table


def _range_names() -> list[str]:
    return [
        f"{low:g}-{high:g}" if math.isfinite(high) else f"{low:g}+"
        for low, high in SIZE_RANGES_PX.values()
    ]


def _within(sides: Any, span: tuple[float, float]) -> Any:
    return (sides >= span[0]) & (sides < span[1])


def _mean(values: Any) -> str:
    return f"{values.mean():.3f}" if len(values) else "-"


def _starved(counts: Any) -> str:
    return f"{(counts == 0).mean():.1%}, {counts.mean():.1f}" if len(counts) else "-"


def _percent(share: float) -> str:
    return f"{share:.0%}"


def _minutes(minutes: float) -> str:
    if minutes < 1:
        return f"{60 * minutes:.0f} s"
    return f"{minutes:.0f} min" if minutes < 120 else f"{minutes / 60:.1f} h"
