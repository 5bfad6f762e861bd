"""The summary of a run: where it stands, what to try next, where its files are."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from smalldet.data.distances import drawn_sides
from smalldet.data.index import Index
from smalldet.evaluation.report import Report, judged_by
from smalldet.evaluation.sizes import SIZE_RANGES_PX
from smalldet.training.recipe import TrainRecipe
from smalldet.training.tile_side import fitting_tile_px

TINY_PX = 8
MANY_TINY_FRAC = 0.25
FEW_OBJECTS = 50
LONG_WAIT_FRAC = 0.2
RISE_AP = 0.005
MIN_COUNT = 10


def summary(
    log: Sequence[dict[str, Any]],
    train: Index,
    report: Report | None,
    recipe: TrainRecipe,
    out: Path,
) -> list[str]:
    """Lines of text, the advice in order of what usually pays.

    Args:
        log: lines of `log.jsonl`.
        train: training pictures.
        report: of the last evaluation, if there was one.
        recipe: of the run.
        out: run folder.
    """
    steps = [line for line in log if line["group"] == "train"]
    evaluations = [line for line in log if line["group"] == "val"]
    lines = _measured(evaluations, report)
    lines += _early_end(log)
    lines += _length(evaluations, steps)
    lines += _sizes(train, report, recipe)
    lines += _classes(train)
    lines += _waiting(steps, recipe)
    return [*lines, *_files(out, report, recipe.training.logger)]


def _measured(evaluations: Sequence[dict[str, Any]], report: Report | None) -> list[str]:
    if report is None or not evaluations:
        return ["Nothing was measured: say on what with --val, or in data.val."]
    name = judged_by(evaluations[0])
    best = max(evaluations, key=lambda line: line[name] or 0.0)
    ap, ap50 = best[name] or 0.0, best[f"{name}50"] or 0.0
    lines = [
        f"Best {name} {ap:.3f} ({name}50 {ap50:.3f}) after {best['step']} steps; "
        f"best F1 {best['best_F1'] or 0:.3f} at conf {best['best_conf'] or 0:.2f}, "
        "which is the model's own from now on."
    ]
    seconds = sum(line.get("seconds", 0.0) for line in evaluations)
    lines.append(f"Evaluations took {seconds / 60:.1f} min, which no budget of minutes counts.")
    return lines


def _early_end(log: Sequence[dict[str, Any]]) -> list[str]:
    if not log or log[-1]["group"] != "stop":
        return []
    return [
        f"Ended early, after {log[-1]['step']} steps: {log[-1]['num_stale']} evaluations without a "
        "better AP (training.patience)."
    ]


def _length(evaluations: Sequence[dict[str, Any]], steps: Sequence[dict[str, Any]]) -> list[str]:
    """Whether the run was too short or too long."""
    aps = [line[judged_by(line)] or 0.0 for line in evaluations]
    if len(aps) >= 2 and aps[-1] - max(aps[:-1]) > RISE_AP:
        return [
            f"AP still rose by {aps[-1] - max(aps[:-1]):.3f} to the last evaluation: train longer "
            "(training.epochs, training.minutes)."
        ]
    if len(aps) >= 2 and max(aps) - aps[-1] > RISE_AP:
        return [
            f"AP fell by {max(aps) - aps[-1]:.3f} from its best to the end: it learns the training "
            "pictures by heart; more pictures help, or fewer epochs. best.safetensors has the best."
        ]
    if not aps and len(steps) >= 4:
        losses = [line["loss"] for line in steps]
        quarter = len(losses) // 4
        before, after = np.mean(losses[-2 * quarter : -quarter]), np.mean(losses[-quarter:])
        if after < 0.95 * before:
            return [f"The loss still fell, from {before:.3f} to {after:.3f}: train longer."]
    return []


def _sizes(train: Index, report: Report | None, recipe: TrainRecipe) -> list[str]:
    lines = []
    tiny = float((np.sqrt(train.object_sides().prod(1)) < TINY_PX).mean())
    if tiny > MANY_TINY_FRAC:
        lines.append(
            f"{tiny:.0%} of the training objects are under {TINY_PX} px: finer pictures help most; "
            "or enlarge (data.scale_jitter with both ends raised, and predict at the same scale)"
            + _finer(recipe)
        )
    lines += _tiles(train, recipe)
    if report is not None:
        measured = {
            size: report.metrics[f"AR_{size}"]
            for size in SIZE_RANGES_PX
            if report.counts[size] >= MIN_COUNT and report.metrics[f"AR_{size}"] is not None
        }
        if len(measured) > 1:
            worst = min(measured, key=lambda size: measured[size] or 0.0)
            low, high = SIZE_RANGES_PX[worst]
            span = f"from {low:g} px" if math.isinf(high) else f"of {low:g} to {high:g} px"
            lines.append(
                f"Missed most: objects {span}, average recall {measured[worst]:.3f} of "
                f"{report.counts[worst]}. The worst pictures are drawn in val/."
            )
    return lines


def _tiles(train: Index, recipe: TrainRecipe) -> list[str]:
    """Whether tiles of half the side or less would show more objects in the same time."""
    sides = drawn_sides(train, recipe.data.match_gsd_m, recipe.model.needs_rboxes)
    data, side = recipe.data, fitting_tile_px(sides, recipe.model.max_stride)
    if data.tile_px is None or 2 * side > data.tile_px:
        return []
    return [
        f"Tiles of {side} px hold 95 % of the training objects with room to spare, and show more "
        f"of them in the same time: leave out data.tile_px={data.tile_px}."
    ]


def _finer(recipe: TrainRecipe) -> str:
    strides = getattr(recipe.model, "strides", None)
    if not strides or min(strides) <= 2:
        return "."
    return f", or add a level: model.strides [{min(strides) // 2}, ...]."


def _classes(train: Index) -> list[str]:
    counts = train.counts()
    rare = {name: count for name, count in counts.items() if count < FEW_OBJECTS}
    if not rare:
        return []
    told = ", ".join(f"{name} {count}" for name, count in sorted(rare.items(), key=lambda i: i[1]))
    return [
        f"Few training objects: {told}. Label more of them; data.repeat_threshold draws rare "
        "classes oftener."
    ]


def _waiting(steps: Sequence[dict[str, Any]], recipe: TrainRecipe) -> list[str]:
    waited = steps[-1].get("wait_frac", 0.0) if steps else 0.0
    if waited <= LONG_WAIT_FRAC:
        return []
    return [
        f"{waited:.0%} of the time went by waiting for tiles: raise training.num_workers "
        f"({recipe.training.num_workers} now) where processors are idle, or data.cache_mb where "
        "there is memory."
    ]


def _files(out: Path, report: Report | None, logger: str) -> list[str]:
    best = "best" if report is not None else "last"
    page = [f"Report: {out / 'report.html'}"] if report is not None else []
    curves = [f"Curves: tensorboard --logdir {out}"] if logger == "tensorboard" else []
    return [
        f"Model: {out / f'{best}.safetensors'}",
        *page,
        *curves,
        f"Training tiles as the model saw them: {out / 'batch0.jpg'}",
    ]
