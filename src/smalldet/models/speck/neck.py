"""Necks: features of several strides in, features of the same strides and one width out."""

from __future__ import annotations

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn

from smalldet.models.bottlenecks import Bottleneck


def conv_norm(
    num_in: int, num_out: int, kernel: int, groups: int = 1, stride: int = 1
) -> nn.Sequential:
    """Convolution and batch norm, `same` padding."""
    return nn.Sequential(
        nn.Conv2d(num_in, num_out, kernel, stride, kernel // 2, groups=groups, bias=False),
        nn.BatchNorm2d(num_out),
    )


class Separable(nn.Module):
    """A large depthwise kernel and a widened pointwise pair around a residual.

    Cheap where positions are many (fine strides), wide in what it sees.
    """

    def __init__(self, width: int, kernel: int, expansion: int) -> None:
        super().__init__()
        self.spatial = conv_norm(width, width, kernel, groups=width)
        self.widen = conv_norm(width, width * expansion, 1)
        self.narrow = conv_norm(width * expansion, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.narrow(F.relu(self.widen(self.spatial(x))))

    def bottleneck(self) -> Bottleneck:
        project, norm = self.narrow
        assert isinstance(project, nn.Conv2d)
        assert isinstance(norm, nn.BatchNorm2d)
        return Bottleneck(self, tuple(self.widen), project, norm)


class PathAggregation(nn.Module):
    """Top-down then bottom-up fusion by addition, most depth at the coarsest level.

    Sums instead of concatenation keep the finest level, where nearly all positions are, thin.

    Args:
        channels: of the inputs, fine to coarse; each level is half the size of the one before.
        width: channels of every output.
        num_context: blocks at the coarsest level, which tell a small object from its likes by what
            surrounds it and cost almost nothing there.
        expansion: of the context's blocks; those of the paths have half of it.
        packed: the finest level is worked on at half of its resolution, four neighbouring
            positions packed into the channels of one, and comes out so.

    Source: the paths are those of PANet (Liu et al. 2018, arXiv 1803.01534).
    """

    def __init__(
        self,
        channels: Sequence[int],
        width: int,
        num_context: int = 7,
        expansion: int = 4,
        packed: bool = False,
    ) -> None:
        super().__init__()
        inner, fine = max(1, expansion // 2), 2 if packed else 1
        self.lateral = nn.ModuleList(conv_norm(c, width, 1) for c in channels)
        if packed:
            pack = nn.Conv2d(channels[0], width, 2, stride=2, bias=False)
            self.lateral[0] = nn.Sequential(pack, nn.BatchNorm2d(width))
        self.context = nn.Sequential(*(Separable(width, 7, expansion) for _ in range(num_context)))
        num_steps = len(channels) - 1
        self.down = nn.ModuleList(
            Separable(width, 5, fine if level == 0 else inner) for level in range(num_steps)
        )
        self.reduce = nn.ModuleList(
            conv_norm(width, width, 3, groups=width, stride=1 if packed and level == 0 else 2)
            for level in range(num_steps)
        )
        self.up = nn.ModuleList(Separable(width, 5, inner) for _ in range(num_steps))

    def forward(self, features: Sequence[Tensor]) -> list[Tensor]:
        levels = [lateral(x) for lateral, x in zip(self.lateral, features, strict=True)]
        levels[-1] = self.context(levels[-1])
        for i in reversed(range(len(levels) - 1)):
            coarse = levels[i + 1]
            if coarse.shape != levels[i].shape:
                coarse = F.interpolate(coarse, scale_factor=2.0, mode="nearest")
            levels[i] = self.down[i](levels[i] + coarse)
        for i in range(1, len(levels)):
            levels[i] = self.up[i - 1](levels[i] + self.reduce[i - 1](levels[i - 1]))
        return levels

    def bottlenecks(self) -> list[Bottleneck]:
        """Its blocks, in the order in which they run."""
        blocks = [*self.context, *reversed(self.down), *self.up]
        return [block.bottleneck() for block in blocks if isinstance(block, Separable)]
