"""Batch norms fused into the convolutions before them: the same detector in fewer steps."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from typing import Any

import torch
from timm.layers.norm_act import BatchNormAct2d
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_weights
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves
from torchvision.ops import FrozenBatchNorm2d

from smalldet.models.detector import Detector

# Exactly these: a subclass may do more than normalise.
NORMS = (nn.BatchNorm2d, BatchNormAct2d, FrozenBatchNorm2d)
_LEAST_WATCHED_PX = 128


def fuse_batchnorm(detector: Detector) -> Detector:
    """A copy of a detector, in eval mode, whose batch norms are parts of their convolutions.

    Which norm follows which convolution is not guessed from names but seen by watching a
    prediction: a norm is fused where, each time, it takes what one convolution gives and nothing
    else does. What a detector does with a picture stays the same but for rounding.

    Args:
        detector: any family. It is left as it is; one without norms is returned itself.
    """
    if not any(type(module) in NORMS for module in detector.modules()):
        return detector
    fused = copy.deepcopy(detector).eval().requires_grad_(False)
    replaced = {norm: _fuse(conv, norm) for conv, norm in conv_norm_pairs(fused)}
    for parent in list(fused.modules()):
        for name, child in parent.named_children():
            if child in replaced:
                setattr(parent, name, replaced[child])
    return fused


def conv_norm_pairs(detector: Detector) -> list[tuple[nn.Conv2d, nn.Module]]:
    """Convolutions and the norms that can be parts of them, seen in a prediction of noise.

    Args:
        detector: in eval mode.
    """
    device = next(detector.parameters()).device
    side = math.ceil(_LEAST_WATCHED_PX / detector.stride) * detector.stride
    generator = torch.Generator().manual_seed(0)
    noise = torch.rand(1, detector.in_channels, side, side, generator=generator)
    with torch.no_grad(), _Watch(detector) as watch:
        detector.predict(noise.to(device), conf=0.0)
    return watch.pairs()


class _Watch(TorchFunctionMode):
    """Sees which norms take what convolutions give, and whether anything else takes it."""

    def __init__(self, detector: nn.Module) -> None:
        super().__init__()
        self._detector = detector
        # Tensors are kept, so that no other one can have their id.
        self._given: dict[int, tuple[Tensor, nn.Conv2d]] = {}
        self._takers: dict[nn.Conv2d, set[nn.Module | None]] = {}
        self._sources: dict[nn.Module, set[nn.Conv2d | None]] = {}
        self._norm: nn.Module | None = None  # the one at work
        self._hooks: list[Any] = []

    def __enter__(self) -> _Watch:
        for module in self._detector.modules():
            if isinstance(module, nn.Conv2d):
                self._hooks.append(module.register_forward_hook(self._gives))
            elif type(module) in NORMS:
                self._hooks.append(module.register_forward_pre_hook(self._takes))
                self._hooks.append(module.register_forward_hook(self._ends))
        super().__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        super().__exit__(*error)
        for hook in self._hooks:
            hook.remove()

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        made = func(*args, **(kwargs or {}))
        # Looking at a shape or a type takes nothing.
        if self._norm is None and any(isinstance(leaf, Tensor) for leaf in tree_leaves(made)):
            for leaf in tree_leaves((args, kwargs)):
                if id(leaf) in self._given:
                    self._takers[self._given[id(leaf)][1]].add(None)
        return made

    def pairs(self) -> list[tuple[nn.Conv2d, nn.Module]]:
        """Convolutions and the norms that can be fused into them."""
        pairs: list[tuple[nn.Conv2d, nn.Module]] = []
        for conv, takers in self._takers.items():
            norm = next(iter(takers)) if len(takers) == 1 else None
            if norm is not None and self._sources[norm] == {conv}:
                pairs.append((conv, norm))
        return pairs

    def _gives(self, conv: nn.Conv2d, args: Any, output: Tensor) -> None:
        self._given[id(output)] = output, conv
        self._takers.setdefault(conv, set())

    def _takes(self, norm: nn.Module, args: tuple[Tensor]) -> None:
        self._norm = norm
        _, conv = self._given.get(id(args[0]), (None, None))
        self._sources.setdefault(norm, set()).add(conv)
        if conv is not None:
            self._takers[conv].add(norm)

    def _ends(self, norm: nn.Module, args: Any, output: Tensor) -> None:
        self._norm = None


def _fuse(conv: nn.Conv2d, norm: Any) -> nn.Module:
    """Take the norm into the convolution; returns what is left of it."""
    conv.weight, conv.bias = fuse_conv_bn_weights(
        conv.weight,
        conv.bias,
        norm.running_mean,
        norm.running_var,
        norm.eps,
        norm.weight,
        norm.bias,
    )
    # What timm's do besides stays.
    rest: list[Any] = [norm.drop, norm.act] if type(norm) is BatchNormAct2d else []
    return nn.Sequential(*rest)
