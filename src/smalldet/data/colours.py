"""Colours of a training tile: brightness, contrast, saturation, hue, blur and noise."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor
from torchvision.transforms.v2 import functional as ops

from smalldet.data.options import Augmentation
from smalldet.data.sample import Sample
from smalldet.targets import Target

BRIGHTNESS = (0.65, 1.35)
CONTRAST = (0.65, 1.35)
SATURATION = (0.5, 1.5)
HUE_TURN = 0.02
GREY_PROB = 0.05
BLUR_PROB = 0.07
BLUR_SIGMA_PX = (0.3, 1.0)
NOISE_PROB = 0.1
NOISE_SIGMA = (2.0, 10.0)

LUMA = torch.tensor([0.299, 0.587, 0.114])
TO_YIQ = torch.tensor(
    [[0.299, 0.587, 0.114], [0.5959, -0.2746, -0.3213], [0.2115, -0.5227, 0.3112]]
)
FROM_YIQ = torch.tensor([[1.0, 0.956, 0.619], [1.0, -0.272, -0.647], [1.0, -1.106, 1.703]])

# Pixels whose float copies stay in the processor's cache.
PIXELS_AT_ONCE = 32_768


def vary_colours(
    image: Tensor, target: Target, rng: np.random.Generator, augmentation: Augmentation
) -> Sample:
    """The tile with `change_colours`, where `photometric` wants it; labels stay as they are."""
    return (change_colours(image, rng) if augmentation.photometric else image), target


def change_colours(image: Tensor, rng: np.random.Generator) -> Tensor:
    """Brightness, contrast, saturation, hue, and now and then greyscale, blur or noise.

    The four colour changes are one matrix, so that a tile is passed over once: in torchvision's
    own steps hue alone takes longer than cutting the tile.

    Args:
        image: (1 or 3, H, W) uint8.
        rng: source of every parameter.

    Returns:
        The same shape, uint8.
    """
    brightness, contrast = rng.uniform(*BRIGHTNESS), rng.uniform(*CONTRAST)
    saturation = 0.0 if rng.random() < GREY_PROB else rng.uniform(*SATURATION)
    hue = rng.uniform(-HUE_TURN, HUE_TURN)
    blurred, noisy = rng.random() < BLUR_PROB, rng.random() < NOISE_PROB
    if blurred:
        image = ops.gaussian_blur(image, [5, 5], [rng.uniform(*BLUR_SIGMA_PX)])
    # Rounded by the half; contrast turns about the mean, of which every eighth pixel tells enough.
    mean = float(image[:, ::8, ::8].float().mean())
    offset = torch.tensor(brightness * (1 - contrast) * mean + 0.5)
    noise_sigma = rng.uniform(*NOISE_SIGMA) if noisy else 0.0
    flat = image.flatten(1)
    changed = torch.empty(flat.shape, dtype=torch.uint8)
    matrix = colour_matrix(saturation, hue) if len(image) == 3 else torch.ones(1, 1)
    matrix = brightness * contrast * matrix
    parts = zip(
        flat.split(PIXELS_AT_ONCE, dim=1), changed.split(PIXELS_AT_ONCE, dim=1), strict=True
    )
    for old, new in parts:
        values = torch.addmm(offset, matrix, old.float())
        if noisy:
            noise = rng.standard_normal(tuple(values.shape), dtype=np.float32)
            values.add_(torch.from_numpy(noise), alpha=noise_sigma)
        new.copy_(values.clamp_(0, 255))
    return changed.view_as(image)


def colour_matrix(saturation: float, hue: float) -> Tensor:
    """(3, 3) matrix on RGB that leaves every grey as it is.

    Args:
        saturation: 0 gives greys, 1 changes nothing.
        hue: turn of the colour circle, in parts of the full circle.
    """
    cos, sin = math.cos(2 * math.pi * hue), math.sin(2 * math.pi * hue)
    turn = torch.tensor([[1.0, 0.0, 0.0], [0.0, cos, -sin], [0.0, sin, cos]])
    to_grey = LUMA.expand(3, 3)
    mixed = saturation * torch.eye(3) + (1 - saturation) * to_grey
    return mixed @ (FROM_YIQ @ turn @ TO_YIQ)
