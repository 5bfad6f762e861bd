"""AlexNet, cut into features whose maps lie exactly on their strides."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch.nn.functional as F
from timm.models import FeatureInfo
from torch import Tensor, nn
from torchvision.models import alexnet

STAGES: list[dict[str, Any]] = [
    {"num_chs": 64, "reduction": 4, "module": "features.1"},
    {"num_chs": 192, "reduction": 8, "module": "features.4"},
    {"num_chs": 256, "reduction": 16, "module": "features.11"},
    {"num_chs": 256, "reduction": 32, "module": "features.12"},
]
# 11 pixels around the middle of each 4: what torchvision pads, 2 on each side, gives maps that
# are a cell short, and a neck cannot add them to the next level
STEM_PADDING = (3, 4, 3, 4)


class AlexNetFeatures(nn.Module):
    """torchvision's AlexNet without its classifier, asked like a timm feature extractor.

    Strides are 4 behind the first convolution, then 8, 16 and 32 by the three poolings of stride 2.
    The stem pads by 7 in all and poolings round up, so that a side of n strides gives n cells;
    weights are torchvision's, and its maps are these less a border.

    Args:
        indices: of the features wanted, ascending: 0..3 for strides 4..32.

    Source: Krizhevsky 2014, arXiv 1404.5997.
    """

    def __init__(self, indices: Sequence[int]) -> None:
        super().__init__()
        self.feature_info = FeatureInfo(STAGES, tuple(indices))
        self.ends = [int(STAGES[i]["module"].split(".")[1]) for i in indices]
        self.model = nn.Module()
        features = list(alexnet().features.children())[: self.ends[-1] + 1]
        for module in features:
            if isinstance(module, nn.MaxPool2d):
                module.ceil_mode = True
        stem = features[0]
        assert isinstance(stem, nn.Conv2d)
        stem.padding = (0, 0)
        self.model.features = nn.Sequential(*features)

    def forward(self, images: Tensor) -> list[Tensor]:
        """(B, 3, H, W) to one (B, channels, H/stride, W/stride) for each index."""
        x = F.pad(images, STEM_PADDING)
        features = []
        for i, module in enumerate(self.model.features):  # pyright: ignore[reportArgumentType]
            x = module(x)
            if i in self.ends:
                features.append(x)
        return features
