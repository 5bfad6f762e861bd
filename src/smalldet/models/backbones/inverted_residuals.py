"""Inverted residuals of timm's networks as bottlenecks."""

from __future__ import annotations

from typing import Any

from timm.models._efficientnet_blocks import DepthwiseSeparableConv, InvertedResidual
from torch import nn

from smalldet.models.bottlenecks import Bottleneck

BLOCKS = (InvertedResidual, DepthwiseSeparableConv)


def inverted_residuals(net: nn.Module) -> list[Bottleneck]:
    """Those of a network of EfficientNet's kind, in the order in which they run.

    Its first block, which does not widen, has the stem's channels as its hidden ones. Blocks whose
    hidden channels squeeze and excitation reads too are left out.

    Source: Sandler et al. 2018, arXiv 1801.04381.
    """
    found: list[Bottleneck] = []
    stem: Any = net
    for block in net.modules():
        inner: Any = block
        if type(block) not in BLOCKS or not isinstance(inner.se, nn.Identity):
            continue
        if type(block) is InvertedResidual:
            hidden = (inner.conv_pw, inner.bn1, inner.conv_dw, inner.bn2)
            found.append(Bottleneck(block, hidden, inner.conv_pwl, inner.bn3))
        elif not (found or inner.has_skip):
            hidden = (stem.conv_stem, stem.bn1, inner.conv_dw, inner.bn1)
            found.append(Bottleneck(block, hidden, inner.conv_pw, inner.bn2))
    return found
