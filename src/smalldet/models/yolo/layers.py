"""Layers of a graph as modules; each takes its sources in order and gives one tensor."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from smalldet.models.attention import build_attention
from smalldet.models.yolo.specs import (
    Activation,
    Attention,
    AveragePool,
    Convolution,
    Dropout,
    Layer,
    MaxPool,
    Pad,
    Product,
    Reorg,
    Route,
    Shortcut,
    Upsample,
)


def build_layer(layer: Layer, in_channels: int) -> nn.Module:
    """The module of a layer whose first source has `in_channels`."""
    match layer:
        case Convolution():
            return ConvolutionLayer(layer, in_channels)
        case MaxPool():
            return MaxPoolLayer(layer)
        case Pad():
            return nn.ZeroPad2d((layer.before_px, layer.after_px, layer.before_px, layer.after_px))
        case Route():
            return RouteLayer(layer)
        case Shortcut():
            return ShortcutLayer(layer)
        case Product():
            return ProductLayer(layer)
        case Upsample():
            return nn.Upsample(scale_factor=layer.stride, mode="nearest")
        case Reorg():
            return ReorgLayer(layer.stride)
        case Dropout():
            return nn.Dropout(layer.probability)
        case AveragePool():
            return nn.AdaptiveAvgPool2d(1)
        case Attention():
            return build_attention(layer.kind, in_channels)
        case _:
            return nn.Identity()


def build_activation(name: Activation) -> nn.Module:
    match name:
        case "leaky":
            return nn.LeakyReLU(0.1)
        case "mish":
            return nn.Mish()
        case "swish":
            return nn.SiLU()
        case "relu":
            return nn.ReLU()
        case "relu6":
            return nn.ReLU6()
        case "logistic":
            return nn.Sigmoid()
        case "linear":
            return nn.Identity()


class ConvolutionLayer(nn.Module):
    """Convolution, batch normalisation where the layer has it, activation."""

    def __init__(self, layer: Convolution, in_channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(
            in_channels,
            layer.filters,
            layer.size,
            layer.stride,
            layer.padding_px,
            layer.dilation,
            layer.groups,
            bias=not layer.normalised,
        )
        self.norm = (
            nn.BatchNorm2d(layer.filters, eps=layer.norm_epsilon, momentum=0.03)
            if layer.normalised
            else None
        )
        self.activation = build_activation(layer.activation)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(x)
        return self.activation(x if self.norm is None else self.norm(x))


class MaxPoolLayer(nn.Module):
    """Darknet's pooling: `padding_px` in all, its smaller half left and above; padding never wins.

    With the default padding of size - 1, stride 1 keeps the sides and stride 2 halves them upwards.
    """

    def __init__(self, layer: MaxPool) -> None:
        super().__init__()
        self.size, self.stride = layer.size, layer.stride
        before = layer.padding_px // 2
        after = layer.padding_px - before
        self.padding = (before, after, before, after)

    def forward(self, x: Tensor) -> Tensor:
        if any(self.padding):
            x = F.pad(x, self.padding, value=float("-inf"))
        return F.max_pool2d(x, self.size, self.stride)


class RouteLayer(nn.Module):
    def __init__(self, layer: Route) -> None:
        super().__init__()
        self.groups, self.group_id = layer.groups, layer.group_id

    def forward(self, *sources: Tensor) -> Tensor:
        parts = [x.chunk(self.groups, 1)[self.group_id] for x in sources]
        return parts[0] if len(parts) == 1 else torch.cat(parts, 1)


class ShortcutLayer(nn.Module):
    def __init__(self, layer: Shortcut) -> None:
        super().__init__()
        self.activation = build_activation(layer.activation)

    def forward(self, first: Tensor, *others: Tensor) -> Tensor:
        for other in others:
            first = first + other
        return self.activation(first)


class ProductLayer(nn.Module):
    def __init__(self, layer: Product) -> None:
        super().__init__()
        self.activation = build_activation(layer.activation)

    def forward(self, values: Tensor, factors: Tensor) -> Tensor:
        return self.activation(values * factors)


class ReorgLayer(nn.Module):
    """Space to channels as Darknet does it, (B, C, H, W) to (B, C s s, H / s, W / s).

    Darknet reads the tensor as if it were (C / s s, H s, W s), gathers every s-th pixel of that,
    and calls the result by the shape above. Pixels that stand together are so not the neighbours of
    the picture, but weights were trained with it.
    """

    def __init__(self, stride: int) -> None:
        super().__init__()
        self.stride = stride

    def forward(self, x: Tensor) -> Tensor:
        s = self.stride
        batch, channels, height, width = x.shape
        x = x.reshape(batch, channels // s**2, height, s, width, s)
        return x.permute(0, 3, 5, 1, 2, 4).reshape(batch, channels * s**2, height // s, width // s)
