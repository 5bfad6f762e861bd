"""Mirrorings and right-angle turns of a training tile."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from smalldet.data.options import Augmentation
from smalldet.data.sample import Sample
from smalldet.geometry.oriented import mirrored_rboxes
from smalldet.targets import Target


def flip_and_turn(
    image: Tensor, target: Target, rng: np.random.Generator, augmentation: Augmentation
) -> Sample:
    """One of the mirrorings and right-angle turns of a square tile, each as likely.

    Args:
        image: (C, S, S).
        target: its labels.
        rng: source of the choice.
        augmentation: `flips` and `rot90`, which of them are wanted.
    """
    transposed, mirror_x, mirror_y = (bool(coin) for coin in rng.random(3) < 0.5)
    transposed &= augmentation.rot90
    if not augmentation.flips:
        # A turn is a transposition and one mirroring, or none and both.
        mirror_x &= augmentation.rot90
        mirror_y = mirror_x != transposed
    if transposed:
        image = image.transpose(1, 2)
    mirrored = [dim for dim, wanted in ((2, mirror_x), (1, mirror_y)) if wanted]
    if mirrored:
        image = image.flip(mirrored)
    side = image.shape[-1]

    def moved(boxes: Tensor) -> Tensor:
        x1, y1, x2, y2 = (boxes[:, [1, 0, 3, 2]] if transposed else boxes).unbind(1)
        if mirror_x:
            x1, x2 = side - x2, side - x1
        if mirror_y:
            y1, y2 = side - y2, side - y1
        return torch.stack([x1, y1, x2, y2], dim=1)

    masks = target.masks
    if masks is not None:
        masks = (masks.transpose(1, 2) if transposed else masks).flip(mirrored)
    rboxes = target.rboxes
    if rboxes is not None:
        rboxes = mirrored_rboxes(
            rboxes,
            (side, side),
            transposed=transposed,
            mirror_x=mirror_x,
            mirror_y=mirror_y,
        )
    return image, replace(
        target,
        boxes=moved(target.boxes),
        mute_boxes=moved(target.mute_boxes),
        masks=masks,
        rboxes=rboxes,
    )
