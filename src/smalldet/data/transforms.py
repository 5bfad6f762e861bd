"""Transforms: changes of a training tile that leave its truth true.

The parameters are drawn from the sample's own generator, so that nothing depends on the state of
a worker; the geometry is torchvision's.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor
from torchvision.transforms.v2 import functional as ops
from torchvision.tv_tensors import BoundingBoxes, BoundingBoxFormat

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


def flip_and_turn(
    image: Tensor, target: Target, rng: np.random.Generator, *, flips: bool, rot90: bool
) -> tuple[Tensor, Target]:
    """One of the mirrorings and right-angle turns of a square tile, each as likely.

    Args:
        image: (C, S, S).
        target: its labels.
        rng: source of the choice.
        flips: mirror left-right and top-bottom.
        rot90: turn by 90 degrees.
    """
    num = len(target.boxes)
    size = (image.shape[-2], image.shape[-1])
    boxes = BoundingBoxes(  # pyright: ignore[reportCallIssue]
        torch.cat([target.boxes, target.mute_boxes]),
        format=BoundingBoxFormat.XYXY,
        canvas_size=size,
    )
    if flips and rng.random() < 0.5:
        image, boxes = ops.horizontal_flip(image), ops.horizontal_flip(boxes)
    if flips and rng.random() < 0.5:
        image, boxes = ops.vertical_flip(image), ops.vertical_flip(boxes)
    # Both mirrorings are a turn by 180 degrees, so that a quarter turn reaches all eight.
    num_turns = int(rng.integers(2 if flips else 4)) if rot90 else 0
    if num_turns:
        angle = 90.0 * num_turns
        image, boxes = ops.rotate(image, angle), ops.rotate(boxes, angle)
    plain = boxes.as_subclass(Tensor)
    return image, Target(plain[:num], target.labels, plain[num:], target.mute_classes)


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
    offset = brightness * (1 - contrast) * mean + 0.5
    flat = image.flatten(1).float()
    if len(image) == 1:
        flat = flat.mul_(brightness * contrast).add_(offset)
    else:
        matrix = brightness * contrast * colour_matrix(saturation, hue)
        flat = (matrix @ flat).add_(offset)
    if noisy:
        noise = rng.standard_normal(tuple(flat.shape), dtype=np.float32)
        flat.add_(torch.from_numpy(noise), alpha=rng.uniform(*NOISE_SIGMA))
    return flat.clamp_(0, 255).to(torch.uint8).view_as(image)


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
    return mixed @ (torch.linalg.inv(TO_YIQ) @ turn @ TO_YIQ)
