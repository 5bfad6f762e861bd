"""Ideas for Speck that are tried before they become a part of it, or do not.

Each is a change of the program that holds while it is entered: `benchmarks.accuracy.changes` takes
their names as rows beside the changes of a recipe. One that all seeds agree on moves into the
program and leaves this file; what the others did is in docs/studies.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any
from unittest.mock import patch

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from smalldet.models.detector import Outputs
from smalldet.models.losses import inside_boxes, mute_masks
from smalldet.models.speck.box_forms import UprightBoxes
from smalldet.models.speck.detector import Speck
from smalldet.models.speck.neck import PathAggregation, conv_norm
from smalldet.models.speck.options import LossOptions
from smalldet.targets import Target

MAP_WEIGHT = 0.5


@contextmanager
def larger_boxes_weigh_more() -> Iterator[None]:
    """The box loss of an object counts by the root of its side, 1 on average."""
    plain = UprightBoxes.loss

    def loss(form: UprightBoxes, predicted: Tensor, truth: Tensor, learning: LossOptions) -> Tensor:
        sides = (truth[:, 2:] - truth[:, :2]).clamp(min=1).prod(1).sqrt()
        weights = sides.sqrt()
        return plain(form, predicted, truth, learning) * weights / weights.mean()

    with patch.object(UprightBoxes, "loss", loss):
        yield


@contextmanager
def direct_path() -> Iterator[None]:
    """The finest features reach the head's finest level beside the neck too, at first unheard."""
    build, run = PathAggregation.__init__, PathAggregation.forward

    def init(neck: PathAggregation, channels: list[int], width: int, *rest: Any) -> None:
        build(neck, channels, width, *rest)
        neck.direct = conv_norm(channels[0], width, 3)
        nn.init.zeros_(neck.direct[1].weight)  # pyright: ignore[reportArgumentType]
        _may_lack(neck.direct)

    def forward(neck: PathAggregation, features: list[Tensor]) -> list[Tensor]:
        finest, *others = run(neck, features)
        return [finest + neck.direct(features[0]), *others]

    with (
        patch.object(PathAggregation, "__init__", init),
        patch.object(PathAggregation, "forward", forward),
    ):
        yield


@contextmanager
def background_map() -> Iterator[None]:
    """The finest features learn besides where there is any object at all; nothing reads that."""
    build, network, losses = Speck.__init__, Speck.network, Speck.losses
    run = PathAggregation.forward

    def init(speck: Speck, *given: Any, **named: Any) -> None:
        build(speck, *given, **named)
        width = speck.head.class_outputs[0].in_channels
        speck.objects = nn.Conv2d(width, 1, 1)  # pyright: ignore[reportArgumentType]
        _may_lack(speck.objects)

    def fuse(neck: PathAggregation, features: list[Tensor]) -> list[Tensor]:
        levels = neck.__dict__["seen"] = run(neck, features)
        return levels

    def forward(speck: Speck, images: Tensor) -> Outputs:
        outputs = network(speck, images)
        finest = speck.neck.__dict__.pop("seen")[0]
        return (*outputs, speck.objects(finest)) if speck.training else outputs

    def terms(
        speck: Speck, outputs: Outputs, images: Tensor, targets: list[Target]
    ) -> dict[str, Tensor]:
        *own, logits = outputs
        found = losses(speck, tuple(own), images, targets)
        centres = speck.locations(images.shape[-2:], images.device).centres[: logits[0].numel()]
        wanted = torch.stack(
            [inside_boxes(centres, target.boxes).any(1) for target in targets]
        ).float()
        errors = F.binary_cross_entropy_with_logits(
            logits.flatten(1).float(), wanted, reduction="none"
        )
        muted = mute_masks(centres, targets)
        if muted is not None:
            errors = errors.masked_fill(muted.any(2) & (wanted == 0), 0.0)
        # as many for the objects as for the ground between them
        shares = [
            errors[wanted == side].sum() / (wanted == side).sum().clamp(min=1) for side in (0, 1)
        ]
        return found | {"map": MAP_WEIGHT * (shares[0] + shares[1])}

    with (
        patch.object(PathAggregation, "forward", fuse),
        patch.object(Speck, "__init__", init),
        patch.object(Speck, "network", forward),
        patch.object(Speck, "losses", terms),
    ):
        yield


def _may_lack(part: nn.Module) -> None:
    """Let weights of a detector without this part be loaded; the part stays as it starts."""

    def fill(module: nn.Module, weights: dict[str, Tensor], prefix: str, *_: Any) -> None:
        for name, weight in module.state_dict().items():
            weights.setdefault(prefix + name, weight)

    part.register_load_state_dict_pre_hook(fill)


IDEAS: dict[str, Callable[[], AbstractContextManager[None]]] = {
    "larger boxes weigh more": larger_boxes_weigh_more,
    "direct path to the finest level": direct_path,
    "background map": background_map,
}
