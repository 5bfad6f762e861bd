"""Backbones: asked for by strides, never by index."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import timm
import torch
from timm.data.constants import IMAGENET_DEFAULT_MEAN, IMAGENET_DEFAULT_STD
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.modules.batchnorm import _BatchNorm

from smalldet.models.backbones.alexnet import AlexNetFeatures
from smalldet.models.backbones.imagenet import imagenet_state
from smalldet.models.backbones.inverted_residuals import inverted_residuals
from smalldet.models.bottlenecks import Bottleneck, narrow

ALEXNET = "alexnet"
# a picture that every stride up to 64 divides
_ROOMY_PX = (5 * 64, 7 * 64)


class Backbone(nn.Module):
    """A feature extractor that is cut behind the coarsest stride asked for.

    Args:
        name: a timm model that gives features of several strides, such as `vgg16_bn`, `resnet50`,
            `res2net50_26w_4s`, `convnextv2_atto`, `pvt_v2_b0`; or `alexnet`.
        strides: pixel strides of the features wanted, fine to coarse.
        num_frozen_stages: stages from the stem on that do not learn; their norms stay in
            inference mode.
        freeze_norms: batch norms keep the statistics and scales that they start with, as is usual
            with ImageNet weights and few tiles a batch.
        hidden_share: of the hidden channels of inverted residuals that are kept; 1 keeps all, and
            networks of other blocks know nothing else.

    Raises:
        ValueError: the network does not exist, has no features at a stride, does not take
            pictures of any size, or is to be narrowed and has no inverted residuals.

    Attributes:
        strides: as asked for.
        channels: channels at each stride.
        mean, std: of the pictures, 0..1, that its ImageNet weights were trained on.
    """

    def __init__(
        self,
        name: str,
        strides: Sequence[int],
        num_frozen_stages: int = 0,
        freeze_norms: bool = False,
        hidden_share: float = 1.0,
    ) -> None:
        super().__init__()
        if name != ALEXNET and not timm.is_model(name):
            close = timm.list_models(f"*{name.split('_')[0]}*")[:8]
            raise ValueError(f"timm has no backbone {name!r}; names close to it: {close}")
        self.net: Any = _extractor(name, _indices_at(name, strides))
        _check_grid(name, self.net, strides)
        self.hidden_share = hidden_share
        if hidden_share < 1:
            if not self.bottlenecks():
                raise ValueError(f"backbone {name!r} has no inverted residuals to narrow")
            narrow(self.bottlenecks(), hidden_share)
        self.name = name
        self.strides = tuple(strides)
        self.channels: tuple[int, ...] = tuple(self.net.feature_info.channels())
        pretrained = timm.get_pretrained_cfg(name) if name != ALEXNET else None
        self.mean: tuple[float, ...] = pretrained.mean if pretrained else IMAGENET_DEFAULT_MEAN
        self.std: tuple[float, ...] = pretrained.std if pretrained else IMAGENET_DEFAULT_STD
        self.num_frozen_stages = num_frozen_stages
        self.freeze_norms = freeze_norms
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
        net = self.net.model
        if self.hidden_share < 1:  # the channels that weigh most of the whole network
            net = _extractor(self.name, _indices_at(self.name, self.strides)).model
        own = net.state_dict()
        missing = [key for key in own if key not in state]
        if missing:
            raise ValueError(f"{self.name}: the ImageNet weights lack {missing[:3]}")
        wrong = [key for key in own if state[key].shape != own[key].shape]
        if wrong:
            raise ValueError(f"{self.name}: the ImageNet weights have other shapes at {wrong[:3]}")
        net.load_state_dict({key: state[key] for key in own})
        if net is not self.net.model:
            narrow(inverted_residuals(net), self.hidden_share)
            self.net.model.load_state_dict(net.state_dict())

    def bottlenecks(self) -> list[Bottleneck]:
        """Its inverted residuals, in the order in which they run."""
        return inverted_residuals(self.net.model)

    def _frozen(self) -> list[nn.Module]:
        """The modules up to the last frozen stage, and the norms if they are frozen."""
        frozen: list[nn.Module] = []
        if self.num_frozen_stages > 0:
            ends = [info["module"] for info in self.net.feature_info.info]
            last = ends[min(self.num_frozen_stages, len(ends)) - 1]
            frozen = _up_to(self.net.model, last)
        if self.freeze_norms:
            frozen += [m for m in self.net.modules() if isinstance(m, _BatchNorm)]
        return frozen


def _up_to(model: nn.Module, last: str) -> list[nn.Module]:
    """The modules of a network in the order in which they run, up to the one named `last`."""
    modules: list[nn.Module] = []
    for name, child in model.named_children():
        if last.startswith(f"{name}."):
            return modules + _up_to(child, last.removeprefix(f"{name}."))
        modules.append(child)
        if name == last:
            break
    return modules


def _extractor(name: str, indices: Sequence[int] | None = None) -> Any:
    """The network that gives the features at `indices`, or all of them."""
    if name == ALEXNET:
        return AlexNetFeatures(range(4) if indices is None else indices)
    options: dict[str, Any] = {} if indices is None else {"out_indices": list(indices)}
    if name.startswith("vgg"):
        # its classifier is cut away: do not first draw 100 million weights for it
        options["mlp_ratio"] = 1 / 4096
    return timm.create_model(name, features_only=True, feature_cls="getter", **options)


def _indices_at(name: str, strides: Sequence[int]) -> list[int]:
    """Positions of the last feature at each stride; measured, since some state other strides."""
    with torch.device("meta"):
        net = _extractor(name)
    sizes = _sizes(name, net, _ROOMY_PX)
    places = {
        stride: [i for i, size in enumerate(sizes) if size == _cells(_ROOMY_PX, stride)]
        for stride in strides
    }
    if missing := [stride for stride in strides if not places[stride]]:
        strides = sorted({_ROOMY_PX[0] // height for height, _ in sizes})
        raise ValueError(f"backbone {name!r} has strides {strides}, not {missing}")
    return [places[stride][-1] for stride in strides]


def _check_grid(name: str, net: nn.Module, strides: Sequence[int]) -> None:
    """Refuse a network that rounds its maps up to windows: its levels would not lie in line."""
    picture = (5 * max(strides), 7 * max(strides))
    for stride, size in zip(strides, _sizes(name, net, picture), strict=True):
        if size != _cells(picture, stride):
            raise ValueError(
                f"backbone {name!r} makes {size} cells of {picture} px at stride {stride}: "
                "its maps do not lie on its strides"
            )


def _sizes(name: str, net: nn.Module, picture: tuple[int, int]) -> list[tuple[int, int]]:
    """(height, width) of every feature of a picture, run without storage."""
    tensors = {**dict(net.named_parameters()), **dict(net.named_buffers())}
    weightless = {key: tensor.detach().to("meta") for key, tensor in tensors.items()}
    image = torch.zeros(1, 3, *picture, device="meta")
    was_training = net.training
    try:
        features = functional_call(net.eval(), weightless, (image,))
    except Exception as error:  # each network says in its own way that its input is fixed
        raise ValueError(
            f"backbone {name!r} does not take pictures of {picture} px: {error}"
        ) from error
    net.train(was_training)
    return [(feature.shape[-2], feature.shape[-1]) for feature in features]


def _cells(picture: tuple[int, int], stride: int) -> tuple[float, float]:
    return picture[0] / stride, picture[1] / stride
