"""Mixup: two tiles seen through each other, with the truth of both."""

from __future__ import annotations

import numpy as np
import torch

from smalldet.columns import cat
from smalldet.data.options import Augmentation
from smalldet.data.sample import DrawTile, Sample

# Both parameters of the beta distribution: shares lie about the half, so that neither fades away.
BETA = 8.0


def mixup(
    draw: DrawTile, size: tuple[int, int], rng: np.random.Generator, augmentation: Augmentation
) -> Sample:
    """A tile, `blended` with another in a share of `mixup_prob`."""
    sample = draw(size)
    if rng.random() < augmentation.mixup_prob:
        return blended(sample, draw(size), rng)
    return sample


def blended(first: Sample, second: Sample, rng: np.random.Generator) -> Sample:
    """A weighted mean of two tiles and every object of both.

    What is muted in either is muted: behind the one tile's labelled ground the other's unlabelled
    object may shine through.

    Args:
        first: image (1 or 3, S, S) uint8 and labels.
        second: another of the same side.
        rng: source of the share of each.

    Source: Zhang et al. 2018, arXiv 1710.09412; for detection Zhang et al. 2019, arXiv 1902.04103.
    """
    share = float(rng.beta(BETA, BETA))
    image = torch.lerp(second[0].float(), first[0].float(), share)
    return image.add_(0.5).to(torch.uint8), cat([first[1], second[1]])
