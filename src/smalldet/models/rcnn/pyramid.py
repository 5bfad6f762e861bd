"""Backbone and feature pyramid of the families on torchvision's modules.

Names of the modules, and so the keys of the weights, are torchvision's: `backbone.body` and
`backbone.fpn`.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from timm.data.constants import IMAGENET_DEFAULT_MEAN, IMAGENET_DEFAULT_STD
from torch import Tensor, nn
from torchvision.ops import FeaturePyramidNetwork, FrozenBatchNorm2d

from smalldet.models.attention import AttentionName, AttentionPlace, LevelAttention
from smalldet.models.backbones import Backbone
from smalldet.models.detector import as_float
from smalldet.models.rcnn.pyramid_config import PyramidConfig


class Pyramid(nn.Module):
    """Features of a body, joined from coarse to fine.

    Args:
        body: gives a list or dict of features, fine to coarse.
        fpn: torchvision's pyramid over them.
        strides: of the pyramid's levels, those that the pyramid adds included.
        mean: RGB of pictures 0..1.
        std: likewise.
        frozen: modules that do not learn and whose norms stay in inference mode.
        attention: blocks at `attention_at`, see `models/attention.py`.
        attention_at: `backbone`, on what the body gives; `neck`, on what the pyramid gives.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        body: nn.Module,
        fpn: FeaturePyramidNetwork,
        strides: Sequence[int],
        mean: Sequence[float],
        std: Sequence[float],
        frozen: Sequence[nn.Module] = (),
        attention: AttentionName = "none",
        attention_at: Sequence[AttentionPlace] = ("neck",),
    ) -> None:
        super().__init__()
        self.body = body
        self.fpn = fpn
        self.strides = tuple(strides)
        laterals: list[Any] = list(fpn.inner_blocks)
        self.body_attention = LevelAttention(
            attention if "backbone" in attention_at else "none",
            [lateral[0].in_channels for lateral in laterals],
        )
        self.neck_attention = LevelAttention(
            attention if "neck" in attention_at else "none",
            [laterals[0][0].out_channels] * len(self.strides),
        )
        self._frozen = list(frozen)  # a plain list: they are registered where they belong
        for module in self._frozen:
            module.requires_grad_(False)
        self.register_buffer("mean", torch.tensor(mean).view(3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(std).view(3, 1, 1), persistent=False)

    def forward(self, images: Tensor) -> list[Tensor]:
        """Pictures (B, 3, H, W), uint8 or 0..1, to one (B, width, H/stride, W/stride) a level."""
        features = self.body((as_float(images) - self.mean) / self.std)
        features = list(features.values()) if isinstance(features, dict) else features
        features = self.body_attention(features)
        joined = self.fpn(OrderedDict((str(i), level) for i, level in enumerate(features)))
        return self.neck_attention(list(joined.values()))

    def train(self, mode: bool = True) -> Pyramid:
        super().train(mode)
        for module in self._frozen:
            module.eval()
        return self

    def load_imagenet(self, weights: Path | None = None) -> None:
        """Start the body from ImageNet.

        Raises:
            FileNotFoundError: no weights could be had.
            ValueError: the file does not fit the body.
        """
        if isinstance(self.body, Backbone):
            self.body.load_imagenet(weights)
            return
        if weights is None:
            raise FileNotFoundError(
                "ImageNet weights of torchvision's networks come from a file: name it by "
                "training.imagenet_weights=resnet50.pth, start from a detector's checkpoint by "
                "training.start, or choose a `backbone` in place of a `network`"
            )
        state = torch.load(weights, map_location="cpu", weights_only=True)
        own = self.body.state_dict()
        # MobileNet's layers stand under `features.` in the file
        state = {key.removeprefix("features."): value for key, value in state.items()}
        wrong = [
            k
            for k in own
            if "num_batches" not in k and (k not in state or state[k].shape != own[k].shape)
        ]
        if wrong:
            raise ValueError(f"{weights}: no weights of this network's backbone: lacks {wrong[:3]}")
        self.body.load_state_dict({k: state.get(k, own[k]) for k in own})


def any_pyramid(config: PyramidConfig) -> Pyramid:
    """A pyramid over the backbone and strides that the config names."""
    body = Backbone(config.backbone, config.strides, config.num_frozen_stages, config.freeze_norms)
    fpn = FeaturePyramidNetwork(list(body.channels), config.width)
    return Pyramid(
        body,
        fpn,
        config.strides,
        config.conventions.pixel_mean or body.mean,
        config.conventions.pixel_std or body.std,
        attention=config.attention,
        attention_at=config.attention_at,
    )


def torchvision_pyramid(
    backbone: nn.Module, strides: Sequence[int], config: PyramidConfig
) -> Pyramid:
    """The pyramid of a network that torchvision built, under the config's conventions.

    Args:
        backbone: with `body` and `fpn`.
        strides: of its levels.
        config: conventions and how many stages are frozen.
    """
    body: Any = backbone.body
    fpn: Any = backbone.fpn
    if config.conventions.stride_in_1x1:
        _shrink_first(body)
    if config.conventions.tensorflow_padding:
        for layer in (body.maxpool, fpn.extra_blocks.p6, fpn.extra_blocks.p7):
            _pad_like_tensorflow(layer)
    if config.conventions.tensorflow_stem:
        _pad_like_tensorflow(body.conv1)
    if config.freeze_norms:
        _freeze_norms(body)
    for module in body.modules():
        if isinstance(module, (FrozenBatchNorm2d, nn.BatchNorm2d)):
            module.eps = config.conventions.norm_eps
    return Pyramid(
        body,
        fpn,
        strides,
        config.conventions.pixel_mean or IMAGENET_DEFAULT_MEAN,
        config.conventions.pixel_std or IMAGENET_DEFAULT_STD,
        _first_stages(body, config.num_frozen_stages),
        config.attention,
        config.attention_at,
    )


def _freeze_norms(module: nn.Module) -> None:
    """Batch norms become torchvision's frozen ones, which have the same keys."""
    for name, child in module.named_children():
        if isinstance(child, nn.BatchNorm2d):
            setattr(module, name, FrozenBatchNorm2d(child.num_features, child.eps))
        else:
            _freeze_norms(child)


def _first_stages(body: nn.Module, num_stages: int) -> list[nn.Module]:
    """A stage begins at the stem and wherever the network shrinks, as torchvision counts them."""
    stages: list[list[nn.Module]] = []
    for name, child in body.named_children():
        if not stages or name.startswith("layer") or getattr(child, "_is_cn", False):
            stages.append([])
        stages[-1].append(child)
    return [module for stage in stages[:num_stages] for module in stage]


def _shrink_first(body: nn.Module) -> None:
    """Strides of bottlenecks as in the first ResNets of Caffe, which Detectron2 goes on from."""
    for module in body.modules():
        conv1, conv2 = getattr(module, "conv1", None), getattr(module, "conv2", None)
        if isinstance(conv1, nn.Conv2d) and isinstance(conv2, nn.Conv2d):
            conv1.stride, conv2.stride = conv2.stride, conv1.stride


def _pad_like_tensorflow(layer: nn.Conv2d | nn.MaxPool2d) -> None:
    """Let a layer of stride 2 pad as TensorFlow's `same`: more at the end of a map of even size."""
    kernel: Any = layer.kernel_size
    kernel_px = kernel if isinstance(kernel, int) else kernel[0]
    if isinstance(layer, nn.MaxPool2d):
        layer.padding, value = 0, float("-inf")
    else:
        layer.padding, value = (0, 0), 0.0
    layer.register_forward_pre_hook(partial(_padded_as_same, kernel_px, value))


def _padded_as_same(
    kernel_px: int, value: float, _: nn.Module, inputs: tuple[Tensor]
) -> tuple[Tensor]:
    pads: list[int] = []
    for size in reversed(inputs[0].shape[-2:]):
        total = max((size - 1) // 2 * 2 + kernel_px - size, 0)
        pads += [total // 2, total - total // 2]
    return (F.pad(inputs[0], pads, value=value),)
