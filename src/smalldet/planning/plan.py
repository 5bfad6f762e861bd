"""A plan: what the objects of a set ask of tiles, model and machine, as a ready recipe."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from smalldet.data.index import Index
from smalldet.hardware import keep_freed_memory
from smalldet.inference.options import TilingOptions
from smalldet.models.detector_config import DetectorConfig
from smalldet.planning.ceiling import Ceiling, recall_ceilings
from smalldet.planning.cost import Cost, measure_cost
from smalldet.planning.jitter import share_met
from smalldet.planning.positives import Positives, drawn_positives
from smalldet.training.recipe import TrainRecipe
from smalldet.training.setup import fitted, read_indexes
from smalldet.training.tile_side import LEAST_PX, MOST_PX, step_px

MOST_PICTURES = 300
NUM_TILES = 16
SIDES_PX = (MOST_PX, 1024)
OVERLAPS = (0.1, 0.2, 0.3, 0.4)
SCALES = (1.0, 2.0)
MET_SCALES = (0.5, 1.0, 2.0)
# a choice is changed where another finds this much more
LEAST_GAIN = 0.002
# new anchors are taken where they are this much more like the objects
LEAST_LIKENESS = 0.05
DEFAULT_NMS_IOU = 0.5
# Where time is short, tiles of half the side reach more: they hold more objects, from more
# pictures, on the same number of pixels.
LONG_EPOCH_MINUTES = 3.0
FINEST_STRIDE = 2

OnProgress = Callable[[float, str], None]


class TiledTruth(NamedTuple):
    """The ceiling of recall under one way to tile."""

    tile_px: int
    overlap_frac: float
    ceiling: Ceiling

    @property
    def recall(self) -> float:
        return float(self.ceiling.found.mean()) if len(self.ceiling.found) else 1.0


class Met(NamedTuple):
    """How often each training object is met at IoU 0.5 though its edges are a little off.

    Args:
        scale: pixels of the tile for one of the picture.
        shares: (N,) in 0..1.
    """

    scale: float
    shares: NDArray[np.float64]


class TriedPositives(NamedTuple):
    """Positives of training tiles at one scale, of the model or of one with other levels.

    Args:
        strides: of the levels, pixels; None where the model does not say them.
        scale: pixels of the tile for one of the picture.
        positives: of drawn tiles.
    """

    strides: tuple[int, ...] | None
    scale: float
    positives: Positives


@dataclass(frozen=True, eq=False)
class Plan:
    """What was measured of a set, and what follows for a run.

    Args:
        recipe: ready to train with.
        train: its pictures.
        measured: the pictures whose truth went through the tiles.
        tilings: the ways to tile that were tried.
        chosen: the one to predict with.
        met: at each of `MET_SCALES`.
        positives: of training tiles: of the model by scale, then of other levels at scale 1.
        most_objects: in a picture of the set.
        anchor_likeness: mean shape IoU of objects and anchors, before and after fitting; None
            without anchors to fit.
        cost: of training here.
    """

    recipe: TrainRecipe
    train: Index
    measured: Index
    tilings: tuple[TiledTruth, ...]
    chosen: TiledTruth
    met: tuple[Met, ...]
    positives: tuple[TriedPositives, ...]
    most_objects: int
    anchor_likeness: tuple[float, float] | None
    cost: Cost


def make_plan(
    recipe: TrainRecipe,
    *,
    memory_gb: float | None = None,
    device: str = "auto",
    on_progress: OnProgress = lambda share, text: None,
) -> Plan:
    """Measure a set and fit a recipe to it.

    Args:
        recipe: what is given is kept; what is left out is chosen.
        memory_gb: that a run may take; None: the batch stays as it is.
        device: that the run is to use.
        on_progress: told the share done and what comes next.

    Raises:
        FileNotFoundError, ValueError: the labels cannot be read; no objects to plan for; not even
            a batch of one tile fits the memory.
    """
    keep_freed_memory()
    on_progress(0.0, "labels")
    train, val = read_indexes(recipe)
    if not len(train.object_sides()):
        raise ValueError("no objects in the training pictures: there is nothing to plan for")
    side_is_said = recipe.data.tile_px is not None
    recipe, likeness = _with_anchors(recipe, train)
    recipe = fitted(recipe, train)
    measured = (val or train).spread(MOST_PICTURES)
    on_progress(0.1, "what tiles show whole")
    ways = _ways(recipe)
    ceilings = recall_ceilings(measured, ways, _nms_iou(recipe.model))
    tilings = [TiledTruth(*way, ceiling) for way, ceiling in zip(ways, ceilings, strict=True)]
    chosen = _choice(tilings, recipe)
    data = recipe.data.model_copy(update={"predict_tile_px": chosen.tile_px})
    recipe = recipe.model_copy(update={"data": data})
    torch.manual_seed(recipe.training.seed)
    detector = recipe.model.build(train.class_names, chosen.tile_px)
    positives: list[TriedPositives] = []
    own = getattr(recipe.model, "strides", None)
    tried = [(detector, own, scale) for scale in SCALES]
    for model in _with_other_levels(recipe.model, recipe.data.tile_px or 0):
        other = model.build(train.class_names, chosen.tile_px)
        tried.append((other, getattr(model, "strides", None), 1.0))
    for network, strides, scale in tried:
        on_progress(0.4 + 0.1 * len(positives), "which objects can be learned")
        drawn = drawn_positives(
            network.eval(), train, recipe.data, scale, NUM_TILES, recipe.model.needs_rboxes
        )
        positives.append(TriedPositives(strides, scale, drawn))
    on_progress(0.8, "a few steps of training")
    cost = measure_cost(recipe, train, detector, device)
    smaller = None if side_is_said else _with_half_the_side(recipe)
    if smaller is not None and cost.epoch_minutes > LONG_EPOCH_MINUTES:
        on_progress(0.9, "a few steps on smaller tiles")
        recipe = smaller
        cost = measure_cost(recipe, train, detector.cpu(), device)
    if memory_gb is not None:
        recipe = _within(recipe, cost, memory_gb)
    sides = train.object_sides()
    met = tuple(Met(scale, share_met(sides, scale)) for scale in MET_SCALES)
    most = max(int((~record.ignore).sum()) for record in train.records)
    return Plan(
        recipe=recipe,
        train=train,
        measured=measured,
        tilings=tuple(tilings),
        chosen=chosen,
        met=met,
        positives=tuple(positives),
        most_objects=most,
        anchor_likeness=likeness,
        cost=cost,
    )


def _with_anchors(
    recipe: TrainRecipe, train: Index
) -> tuple[TrainRecipe, tuple[float, float] | None]:
    """Anchors are fitted where they would be much more like the objects than the network's own."""
    sides = torch.from_numpy(train.object_sides())
    asked = recipe.model.asking_for_anchors()
    if asked is None:
        return recipe, None
    try:
        own, new = recipe.model.anchor_likeness(sides), asked.fitted(sides).anchor_likeness(sides)
    except ValueError:
        return recipe, None  # too few objects
    if new < own + LEAST_LIKENESS:
        return recipe, (own, own)
    return recipe.model_copy(update={"model": asked}), (own, new)


def _ways(recipe: TrainRecipe) -> list[tuple[int, float]]:
    """Tile sides at the usual overlap, then overlaps at the usual side."""
    data, usual = recipe.data, TilingOptions().overlap_frac
    assert data.tile_px is not None
    side = data.predict_tile_px or data.tile_px
    sides = sorted({data.tile_px, side, *SIDES_PX})
    return [(px, usual) for px in sides] + [(side, it) for it in OVERLAPS if it != usual]


def _choice(tilings: list[TiledTruth], recipe: TrainRecipe) -> TiledTruth:
    """The usual way, unless another finds more; of those as good the one with the fewest tiles."""
    usual = recipe.data.predict_tile_px or recipe.data.tile_px
    best = max(tiling.recall for tiling in tilings)
    good = [tiling for tiling in tilings if tiling.recall >= best - LEAST_GAIN]
    overlap = TilingOptions().overlap_frac
    for tiling in good:
        if (tiling.tile_px, tiling.overlap_frac) == (usual, overlap):
            return tiling
    return min(good, key=lambda it: (it.tile_px != usual, it.ceiling.num_tiles))


def _with_other_levels(model: DetectorConfig, tile_px: int) -> Iterator[DetectorConfig]:
    """The model without its finest level, and with one that is finer, where it has levels."""
    strides: tuple[int, ...] | None = getattr(model, "strides", None)
    if strides is None or getattr(model, "network", None) is not None:
        return
    for levels in (strides[1:], (strides[0] // 2, *strides)):
        if len(levels) < 2 or levels[0] < FINEST_STRIDE or tile_px % max(levels):
            continue
        try:
            yield type(model).model_validate(
                {**model.model_dump(exclude_unset=True), "strides": levels}
            )
        except ValueError:
            continue  # what else is said goes with these levels only


def _with_half_the_side(recipe: TrainRecipe) -> TrainRecipe | None:
    """The recipe with smaller training tiles; None where they are small."""
    assert recipe.data.tile_px is not None
    step = step_px(recipe.model.max_stride)
    side = -(-max(LEAST_PX, recipe.data.tile_px // 2) // step) * step
    if side >= recipe.data.tile_px:
        return None
    return recipe.model_copy(update={"data": recipe.data.model_copy(update={"tile_px": side})})


def _nms_iou(model: DetectorConfig) -> float:
    return float(getattr(model, "nms_iou", DEFAULT_NMS_IOU))


def _within(recipe: TrainRecipe, cost: Cost, memory_gb: float) -> TrainRecipe:
    most = cost.largest_batch(memory_gb * 1e9)
    if most < 1:
        least = (cost.fixed_bytes + cost.tile_bytes) / 1e9
        raise ValueError(
            f"--memory {memory_gb:g}: a batch of one tile of {recipe.data.tile_px} px takes "
            f"{least:.1f} GB; take a smaller model or data.tile_px"
        )
    batch = min(most, recipe.training.batch_size)
    training = recipe.training.model_copy(update={"batch_size": batch})
    return recipe.model_copy(update={"training": training})
