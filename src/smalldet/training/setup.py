"""From a recipe to what the loop needs: pictures, tiles, a detector with its first weights."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from smalldet.data.distances import drawn_sides
from smalldet.data.index import Index
from smalldet.data.tiled import TiledDataset
from smalldet.models import import_model, load_model, model_path
from smalldet.models.checkpoints.native import transfer_from
from smalldet.models.detector import Detector
from smalldet.models.speck.teacher import Teacher
from smalldet.models.trimming import trim
from smalldet.targets import Target
from smalldet.training.depthwise import fast_depthwise
from smalldet.training.frozen_norms import norms_inside
from smalldet.training.recipe import TrainRecipe
from smalldet.training.sources import read_splits
from smalldet.training.tile_side import MOST_PX, fitting_tile_px

TRIMMING_TILES = 24


def read_indexes(recipe: TrainRecipe) -> tuple[Index, Index | None]:
    """Training and validation pictures under the classes of the run."""
    index, val = read_splits(recipe.data, with_masks=recipe.model.needs_masks)
    if val is not None:
        val = val.spread(recipe.training.eval_pictures)
    return index, val


def build_dataset(index: Index, recipe: TrainRecipe) -> TiledDataset:
    """Training tiles of a fitted recipe.

    Pictures that have fewer tiles than a batch are drawn from oftener, until an epoch is a batch,
    unless the recipe says how many tiles an epoch has.
    """
    data, batch_size = recipe.data, recipe.training.batch_size
    assert data.tile_px is not None
    tiles = TiledDataset(
        index,
        tile_px=data.tile_px,
        train=True,
        sampling=data,
        augmentation=data,
        seed=recipe.training.seed,
        oriented=recipe.model.needs_rboxes,
    )
    if data.tiles_per_epoch is None and len(tiles) < batch_size:
        enough = data.model_copy(update={"tiles_per_epoch": batch_size})
        return build_dataset(index, recipe.model_copy(update={"data": enough}))
    return tiles


def start_detector(
    recipe: TrainRecipe, class_names: Sequence[str], tiles: TiledDataset | None = None
) -> Detector:
    """A detector of a fitted recipe, with the weights that `training.start` names.

    A start of the same network with more hidden channels is trimmed to what the recipe asks for, by
    what its layers do with `tiles`.
    """
    side = recipe.data.predict_tile_px or recipe.data.tile_px
    assert side is not None
    detector = recipe.model.build(class_names, side)
    start = recipe.training.start
    assert start is not None
    if start == "imagenet":
        detector.load_imagenet(recipe.training.imagenet_weights)
    elif start != "scratch":
        names, network = recipe.training.class_names, recipe.training.start_network
        given = import_model(start, class_names=names, network=network).detector
        num_hidden = [one.num_hidden for one in detector.bottlenecks()]
        fits = num_hidden == [one.num_hidden for one in given.bottlenecks()]
        wide = (
            detector if fits or tiles is None else recipe.model.untrimmed().build(class_names, side)
        )
        transfer_from(given, wide, str(model_path(start)))
        if tiles is not None and wide is not detector:
            trim(wide, num_hidden, _pictures_of(tiles, wide.in_channels))
            detector.load_state_dict(wide.state_dict())
    if recipe.training.only:
        learn_only(detector, recipe.training.only)
    return detector


def start_teacher(recipe: TrainRecipe, learner: Detector) -> Teacher | None:
    """The teacher that the recipe names, watching the learner, where that is."""
    name = recipe.training.teacher
    if name is None:
        return None
    device = next(learner.parameters()).device
    return Teacher(load_model(name), learner).to(device, memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]


def _pictures_of(tiles: TiledDataset, num_bands: int) -> Tensor:
    """(B, num_bands, H, W) uint8: the first tiles of an epoch."""
    pictures = [tiles[i][0] for i in range(min(TRIMMING_TILES, len(tiles)))]
    return torch.stack([one.expand(num_bands, -1, -1) for one in pictures])


def learn_only(detector: Detector, parts: Sequence[str]) -> None:
    """Keep all weights as they are but those of some parts.

    Args:
        detector: whose weights.
        parts: beginnings of the names of weights, whole words: `head`, `backbone.net`.

    Raises:
        ValueError: a part has no weights; names those that there are.
    """
    names = [name for name, _ in detector.named_parameters()]
    for part in parts:
        if not any(name.startswith(f"{part}.") for name in names):
            known = ", ".join(dict.fromkeys(name.partition(".")[0] for name in names))
            raise ValueError(f"training.only: the detector has no part {part}, but {known}")
    learning = tuple(f"{part}." for part in parts)
    for name, parameter in detector.named_parameters():
        if not name.startswith(learning):
            parameter.requires_grad_(False)


def fitted(recipe: TrainRecipe, index: Index) -> TrainRecipe:
    """The recipe with what it leaves to be chosen: first weights; and by the objects of `index`
    the side of tiles, and anchors.
    """
    data, model, training = recipe.data, recipe.model, recipe.training
    if training.start is None:
        own = "imagenet" if training.imagenet_weights is not None else model.usual_start
        training = training.model_copy(update={"start": own})
        recipe = recipe.model_copy(update={"training": training})
    sides = drawn_sides(index, data.match_gsd_m, model.needs_rboxes)
    if data.tile_px is None:
        tiles = {
            "tile_px": fitting_tile_px(sides, model.max_stride),
            "predict_tile_px": data.predict_tile_px or MOST_PX,
        }
        recipe = recipe.model_copy(update={"data": data.model_copy(update=tiles)})
    return recipe.model_copy(update={"model": model.fitted(torch.from_numpy(sides))})


def set_training_mode(detector: Detector, freeze_norms: bool) -> None:
    """Training mode; batch norms that do not learn, or all, keep their statistics."""
    detector.train()
    for module in detector.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            learns = all(weight.requires_grad for weight in module.parameters())
            if freeze_norms or not learns:
                module.eval()


class LossOf(nn.Module):
    """A detector whose forward is its loss: what gets wrapped for several processes.

    Args:
        detector: whose loss; in the mode that it learns in.
        precision: that its layers compute in, on whatever device the pictures are.
        teacher: adds terms of its own.
    """

    def __init__(
        self,
        detector: Detector,
        precision: torch.dtype = torch.float32,
        teacher: Teacher | None = None,
    ) -> None:
        super().__init__()
        self.detector = detector
        self.precision = precision
        self.teacher = teacher
        self.norms = norms_inside(detector)

    def forward(self, images: Tensor, targets: list[Target]) -> dict[str, Tensor]:
        device, low = images.device, self.precision != torch.float32
        with (
            torch.autocast(device.type, self.precision, low),
            fast_depthwise(device, self.precision),
            self.norms,
        ):
            outputs = self.detector.network(images)
            terms = self.detector.losses(outputs, images, targets)
            return terms if self.teacher is None else terms | self.teacher(outputs, images)
