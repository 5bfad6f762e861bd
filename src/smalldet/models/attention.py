"""Attention: gates on the channels or places of a level's features."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn

AttentionKind = Literal["se", "eca", "cbam", "coord"]
AttentionName = Literal["none"] | AttentionKind
AttentionPlace = Literal["backbone", "neck"]

# how much of the gate's effect a block begins with
START_STRENGTH = 0.1


def build_attention(name: AttentionName, channels: int) -> nn.Module:
    """A block that keeps the shape of its (B, channels, H, W) input.

    Args:
        name: `none`, `se` (squeeze and excitation), `eca` (efficient channel attention), `cbam`
            (channels, then places) or `coord` (coordinate attention).
        channels: of the features.

    Source: Hu et al. 2018, arXiv 1709.01507 (SE); Wang et al. 2020, arXiv 1910.03151 (ECA);
        Woo et al. 2018, arXiv 1807.06521 (CBAM); Hou et al. 2021, arXiv 2103.02907 (coordinate);
        the blocks are timm's.
    """
    return nn.Identity() if name == "none" else Attention(name, channels)


class Attention(nn.Module):
    """A gate that starts out changing its input by a tenth at most.

    A fresh gate is near a half everywhere, and two gates a quarter: features that a pretrained
    network knows at full strength would fade. So the input is blended with what is gated, by a
    strength for each channel that is learned.
    """

    def __init__(self, name: AttentionName, channels: int) -> None:
        super().__init__()
        self.gated = _block(name, channels)
        self.strength = nn.Parameter(torch.full((channels, 1, 1), START_STRENGTH))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.strength.to(x.dtype) * (self.gated(x) - x)


def _block(name: AttentionName, channels: int) -> nn.Module:
    # Schemas name attention and must be read soon: timm takes seconds to import.
    from timm.layers.cbam import CbamModule
    from timm.layers.coord_attn import CoordAttn
    from timm.layers.eca import EcaModule
    from timm.layers.squeeze_excite import SEModule

    blocks = {"se": SEModule, "eca": EcaModule, "cbam": CbamModule, "coord": CoordAttn}
    return blocks[name](channels)


class LevelAttention(nn.Module):
    """Attention of its own for every level.

    Args:
        name: see `build_attention`.
        channels: of each level.
    """

    def __init__(self, name: AttentionName, channels: Sequence[int]) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(build_attention(name, num) for num in channels)

    def forward(self, features: Sequence[Tensor]) -> list[Tensor]:
        return [block(x) for block, x in zip(self.blocks, features, strict=True)]
