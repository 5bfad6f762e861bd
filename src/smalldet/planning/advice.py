"""What follows from the figures of a plan, a sentence each."""

from __future__ import annotations

import json
from collections.abc import Iterator

from smalldet.evaluation.options import EvaluateOptions
from smalldet.planning.plan import Plan, TriedPositives
from smalldet.training.duration import duration

# magnified tiles cost four times as much: they are advised where so many more can be met
LEAST_HELP = 0.1


def sentences(plan: Plan) -> Iterator[str]:
    """What follows, a line each."""
    data, training, cost = plan.recipe.data, plan.recipe.training, plan.cost
    yield (
        f"Train on tiles of {data.tile_px} px, batches of {training.batch_size}; predict on "
        f"{plan.chosen.tile_px} px with an overlap of {plan.chosen.overlap_frac:g}: at most "
        f"{plan.chosen.recall:.1%} of the objects can be found."
    )
    yield (
        f"An epoch is {cost.tiles_per_epoch:,} tiles, {duration(60 * cost.epoch_minutes)} on this "
        f"machine ({cost.device}, {1 / cost.tile_s:.1f} tiles a second, "
        f"{percent(cost.read_s / (cost.tile_s or 1))} of it reading); {training.epochs} epochs, "
        f"{duration(60 * cost.epoch_minutes * training.epochs)}, without evaluation."
    )
    batch_gb = (cost.fixed_bytes + training.batch_size * cost.tile_bytes) / 1e9
    yield f"A batch takes about {batch_gb:.1f} GB."
    yield from _warnings(plan)


def _warnings(plan: Plan) -> Iterator[str]:
    met = {scale: float(shares.mean()) for scale, shares in plan.met}
    once, twice = met[1.0], met[2.0]
    if twice > once + LEAST_HELP:
        yield (
            f"With edges right to half a pixel {once:.0%} of the objects are met at IoU 0.5, "
            f"{twice:.0%} in tiles at twice the size: try data.scale_jitter=[1,4] and predict with "
            "--scales 2, at four times the cost."
        )
    first, *others = plan.positives
    without = share_without(first)
    better = [row for row in others if share_without(row) < without - 0.01]
    finer = [row for row in better if row.strides != first.strides]
    if finer:
        yield (
            f"{without:.1%} of the objects have no place that learns them, with other "
            f"levels {share_without(finer[0]):.1%}: try "
            f"model.strides={json.dumps(finer[0].strides)}."
        )
    better = [row for row in better if row.strides == first.strides]
    if better:
        yield (
            f"{without:.1%} of the objects have no place that learns them, "
            f"{share_without(better[0]):.1%} at scale {better[0].scale:g}: train with "
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


def share_without(row: TriedPositives) -> float:
    counts = row.positives.counts
    return float((counts == 0).float().mean()) if len(counts) else 0.0


def percent(share: float) -> str:
    return f"{share:.0%}"
