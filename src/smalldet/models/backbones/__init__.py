"""Backbones: asked for by strides, never by index."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import timm
import torch
from timm.data.constants import IMAGENET_DEFAULT_MEAN, IMAGENET_DEFAULT_STD
from torch import Tensor, nn

from smalldet.models.backbones.imagenet import imagenet_state


class Backbone(nn.Module):
    """A timm feature extractor that is cut behind the coarsest stride asked for.

    Args:
        name: timm model name.
        strides: pixel strides of the features wanted, fine to coarse.
        num_frozen_stages: stages from the stem on that do not learn; their norms stay in
            inference mode.

    Raises:
        ValueError: the network does not exist or has no features at a stride.

    Attributes:
        strides: as asked for.
        channels: channels at each stride.
        mean, std: of the pictures, 0..1, that its ImageNet weights were trained on.
    """

    def __init__(self, name: str, strides: Sequence[int], num_frozen_stages: int = 0) -> None:
        super().__init__()
        if not timm.is_model(name):
            close = timm.list_models(f"*{name.split('_')[0]}*")[:8]
            raise ValueError(f"timm has no backbone {name!r}; names close to it: {close}")
        indices = _indices_at(name, strides)
        self.net: Any = timm.create_model(
            name, features_only=True, feature_cls="getter", out_indices=indices
        )
        self.name = name
        self.strides = tuple(strides)
        self.channels: tuple[int, ...] = tuple(self.net.feature_info.channels())
        pretrained = timm.get_pretrained_cfg(name)
        self.mean: tuple[float, ...] = pretrained.mean if pretrained else IMAGENET_DEFAULT_MEAN
        self.std: tuple[float, ...] = pretrained.std if pretrained else IMAGENET_DEFAULT_STD
        self.num_frozen_stages = num_frozen_stages
        for module in self._frozen():
            module.requires_grad_(False)

    def forward(self, images: Tensor) -> list[Tensor]:
        """(B, C, H, W) to one (B, channels, H/stride, W/stride) for each stride."""
        return self.net(images)

    def train(self, mode: bool = True) -> Backbone:
        super().train(mode)
        for module in self._frozen():
            module.eval()
        return self

    def load_imagenet(self, weights: Path | None = None) -> None:
        """ImageNet weights from a file, an installed weight package, or timm's hub."""
        state = imagenet_state(self.name, weights)
        own = self.net.model.state_dict()
        missing = [key for key in own if key not in state]
        if missing:
            raise ValueError(f"{self.name}: the ImageNet weights lack {missing[:3]}")
        wrong = [key for key in own if state[key].shape != own[key].shape]
        if wrong:
            raise ValueError(f"{self.name}: the ImageNet weights have other shapes at {wrong[:3]}")
        self.net.model.load_state_dict({key: state[key] for key in own})

    def _frozen(self) -> list[nn.Module]:
        """The modules up to the last frozen stage, in the order in which they run."""
        if self.num_frozen_stages == 0:
            return []
        ends = [info["module"] for info in self.net.feature_info.info]
        last = ends[min(self.num_frozen_stages, len(ends)) - 1]
        frozen: list[nn.Module] = []
        for name, module in _leaf_stages(self.net.model):
            frozen.append(module)
            if name == last:
                break
        return frozen


def _leaf_stages(model: nn.Module) -> list[tuple[str, nn.Module]]:
    """Children of the network, its stage lists opened once: `conv_stem`, `blocks.0`, ..."""
    stages: list[tuple[str, nn.Module]] = []
    for name, child in model.named_children():
        if name in ("blocks", "stages", "features"):
            stages.extend((f"{name}.{inner}", module) for inner, module in child.named_children())
        else:
            stages.append((name, child))
    return stages


def _indices_at(name: str, strides: Sequence[int]) -> list[int]:
    """Positions of the last feature at each stride."""
    with torch.device("meta"):
        net: Any = timm.create_model(name, features_only=True, feature_cls="getter")
    reductions = list(net.feature_info.reduction())
    missing = [stride for stride in strides if stride not in reductions]
    if missing:
        raise ValueError(f"backbone {name!r} has strides {sorted(set(reductions))}, not {missing}")
    return [max(i for i, r in enumerate(reductions) if r == stride) for stride in strides]
