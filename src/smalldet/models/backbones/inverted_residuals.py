"""Inverted residuals of timm's networks as bottlenecks."""

from __future__ import annotations

from typing import Any

from timm.models._efficientnet_blocks import DepthwiseSeparableConv, InvertedResidual
from torch import nn

from smalldet.models.bottlenecks import Bottleneck


def inverted_residuals(net: nn.Module) -> list[Bottleneck]:
    """Those of a network of EfficientNet's kind, in the order in which they run.

    Its first block, which does not widen, has the stem's channels as its hidden ones.

    Source: Sandler et al. 2018, arXiv 1801.04381.
    """
    found: list[Bottleneck] = []
    stem: Any = net
    for block in net.modules():
        if type(block) is InvertedResidual:
            inner: Any = block
            hidden = (inner.conv_pw, inner.bn1, inner.conv_dw, inner.bn2)
            found.append(Bottleneck(block, hidden, inner.conv_pwl, inner.bn3))
        elif type(block) is DepthwiseSeparableConv and not found:
            inner = block
            hidden = (stem.conv_stem, stem.bn1, inner.conv_dw, inner.bn1)
            found.append(Bottleneck(block, hidden, inner.conv_pw, inner.bn2))
    return found
