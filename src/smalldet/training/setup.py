"""From a recipe to what the loop needs: pictures, tiles, a detector with its first weights."""

from __future__ import annotations

from collections.abc import Sequence

from smalldet.data.index import Index
from smalldet.data.tiled import TiledDataset
from smalldet.models import model_path
from smalldet.models.checkpoints.native import transfer
from smalldet.models.detector import Detector
from smalldet.training.recipe import DataConfig, TrainRecipe
from smalldet.training.sources import read_sources


def read_indexes(recipe: TrainRecipe) -> tuple[Index, Index | None]:
    """Training and validation pictures under the classes of the run."""
    index = read_sources(recipe.data.train, recipe.data.classes)
    if not recipe.data.val:
        return index, None
    val = read_sources(recipe.data.val, index.class_names)
    wanted = recipe.training.eval_pictures
    if wanted is not None and wanted < len(val):
        step = len(val) / wanted
        val = Index(val.class_names, tuple(val.records[int(i * step)] for i in range(wanted)))
    return index, val


def build_dataset(index: Index, data: DataConfig, seed: int) -> TiledDataset:
    """Training tiles of a recipe."""
    return TiledDataset(
        index,
        tile_px=data.tile_px,
        train=True,
        seed=seed,
        num_tiles=data.tiles_per_epoch,
        min_visible_frac=data.min_visible_frac,
        empty_frac=data.empty_frac,
        scale_jitter=data.scale_jitter,
        mosaic_prob=data.mosaic_prob,
    )


def start_detector(recipe: TrainRecipe, class_names: Sequence[str]) -> Detector:
    """A detector with the weights that `training.start` names."""
    side = recipe.data.predict_tile_px or recipe.data.tile_px
    detector = recipe.model.build(class_names, side)
    start = recipe.training.start
    if start == "imagenet":
        detector.load_imagenet(recipe.training.imagenet_weights)
    elif start != "scratch":
        transfer(model_path(start), detector)
    return detector
