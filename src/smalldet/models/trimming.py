"""Trimming: hidden channels leave trained bottlenecks with as little change as can be."""

from __future__ import annotations

import copy
from collections.abc import Sequence

import torch
from torch import Tensor

from smalldet.models.bottlenecks import Bottleneck
from smalldet.models.detector import Detector

POSITIONS_PER_PICTURE = 2000
# of the mean variance of hidden channels: keeps the inverse of their covariance in bounds
DAMPING = 1e-4


@torch.no_grad()
def trim(detector: Detector, num_hidden: Sequence[int], images: Tensor) -> None:
    """Trim a detector's bottlenecks, one after the other, in place.

    Of each the channels go whose loss changes the outcome least, and the projection is fitted anew
    to give the outcome that the block had before, from the inputs that the trimmed blocks before
    it give now.

    Args:
        detector: trained; has `bottlenecks()`, in the order in which they run.
        num_hidden: channels that each is to have.
        images: (B, 3, H, W) uint8, such as it is to see.

    Source: the choice is Optimal Brain Surgeon's (Hassibi and Stork 1992) on the least squares of
        channel pruning (He, Zhang and Sun 2017, arXiv 1707.06168).
    """
    before = copy.deepcopy(detector).eval()
    was_training = detector.training
    detector.eval()
    pairs = zip(detector.bottlenecks(), before.bottlenecks(), num_hidden, strict=True)
    for own, former, num in pairs:
        if num >= own.num_hidden:
            continue
        hidden, given, outcome = _watched(detector, own, images)
        _, _, wanted = _watched(before, former, images)
        _fit(own, hidden, wanted - (outcome - given), num)
    detector.train(was_training)


def _fit(bottleneck: Bottleneck, hidden: Tensor, wanted: Tensor, num: int) -> None:
    """Keep `num` channels of (N, H) hidden values such that (N, C) wanted ones follow best."""
    hidden_mean, wanted_mean = hidden.mean(0), wanted.mean(0)
    x, y = hidden - hidden_mean, wanted - wanted_mean
    covariance = x.T @ x / len(x)
    damping = DAMPING * covariance.diagonal().mean() * torch.eye(len(covariance)).to(x)
    inverse = torch.linalg.inv(covariance + damping)
    weight = inverse @ (x.T @ y / len(x))
    left = torch.arange(len(covariance))
    while len(left) > num:
        worst = int((weight.square().sum(1) / inverse.diagonal()).argmin())
        column = inverse[:, worst] / inverse[worst, worst]
        weight = weight - column[:, None] * weight[worst]
        inverse = inverse - column[:, None] * inverse[worst]
        rest = torch.arange(len(left)) != worst
        left, weight, inverse = left[rest], weight[rest], inverse[rest][:, rest]
    bottleneck.keep(left)
    norm, raw = bottleneck.norm, hidden[:, left] @ weight
    mean, variance = raw.mean(0), raw.var(0)
    bottleneck.project.weight.copy_(weight.T[:, :, None, None])
    # the norm gives the fitted values, and its statistics are those of what it gets
    assert norm.running_mean is not None
    assert norm.running_var is not None
    norm.running_mean.copy_(mean)
    norm.running_var.copy_(variance)
    norm.weight.copy_((variance + norm.eps).sqrt())
    norm.bias.copy_(wanted_mean + mean - hidden_mean[left] @ weight)


class _SeenError(Exception):
    """The block has run: nothing behind it matters."""


def _watched(
    detector: Detector, bottleneck: Bottleneck, images: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Hidden values, what the projection's norm gives, and the outcome, (N, channels) each."""
    found: dict[str, list[Tensor]] = {"hidden": [], "given": [], "outcome": []}

    def note(name: str, values: Tensor) -> None:
        columns = values.flatten(2)
        generator = torch.Generator().manual_seed(0)
        places = torch.randperm(columns.shape[2], generator=generator)[:POSITIONS_PER_PICTURE]
        found[name].append(columns[:, :, places].transpose(1, 2).flatten(0, 1).double())

    def taken(_module: object, inputs: tuple[Tensor, ...]) -> None:
        note("hidden", inputs[0])

    def projected(_module: object, _inputs: object, values: Tensor) -> None:
        note("given", values)

    def outcome(_module: object, _inputs: object, values: Tensor) -> None:
        note("outcome", values)
        raise _SeenError

    hooks = [
        bottleneck.project.register_forward_pre_hook(taken),
        bottleneck.norm.register_forward_hook(projected),
        bottleneck.block.register_forward_hook(outcome),
    ]
    for picture in images:
        try:
            detector.network(picture[None])
        except _SeenError:
            continue
    for hook in hooks:
        hook.remove()
    hidden, given, outcomes = (torch.cat(parts) for parts in found.values())
    return hidden, given, outcomes
