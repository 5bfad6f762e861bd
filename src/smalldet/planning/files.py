"""A plan as files: the ready recipe, and all figures for other programs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from smalldet.evaluation.size_ranges import SIZE_RANGES_PX
from smalldet.planning.advice import sentences, share_without
from smalldet.planning.ceiling import within
from smalldet.planning.plan import Plan, TiledTruth
from smalldet.training.recipe import anchored


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
            {
                "strides": row.strides,
                "scale": row.scale,
                "share_without": share_without(row),
                "mean_places": float(row.positives.counts.float().mean()),
            }
            for row in plan.positives
        ],
        "met_with_edges_off": {f"{scale:g}": float(shares.mean()) for scale, shares in plan.met},
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
        name: float(own.found[within(own.sides, span)].mean())
        for name, span in SIZE_RANGES_PX.items()
        if within(own.sides, span).any()
    }
    return {
        "tile_px": tiling.tile_px,
        "overlap_frac": tiling.overlap_frac,
        "num_tiles": own.num_tiles,
        "recall": tiling.recall,
        "recall_by_size": by_size,
    }
