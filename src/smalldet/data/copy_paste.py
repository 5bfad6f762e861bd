"""Copy-paste: small objects of a tile set down again on its free ground."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from smalldet.columns import cat
from smalldet.data.options import Augmentation
from smalldet.data.sample import Sample
from smalldet.geometry.oriented import mirrored_rboxes
from smalldet.targets import Target

SMALL_PX = 32
MARGIN_PX = 3
MAX_SOURCES = 4
COPIES_EACH = 2
NUM_TRIES = 10


def copy_paste(
    image: Tensor, target: Target, rng: np.random.Generator, augmentation: Augmentation
) -> Sample:
    """The tile, `pasted` in a share of `copy_paste_prob`."""
    if rng.random() < augmentation.copy_paste_prob:
        return pasted(image, target, rng)
    return image, target


def pasted(image: Tensor, target: Target, rng: np.random.Generator) -> Sample:
    """The tile with copies of up to four of its small objects, each set down twice.

    A copy is the object with a margin of its ground, mirrored at random and faded in over the
    margin. It lies on no labelled object. Only objects that stand apart are copied, and what was
    muted where the copy was taken is muted where it lies.

    Args:
        image: (1 or 3, S, S) uint8; not changed.
        target: its labels.
        rng: source of every choice.

    Source: Kisantal et al. 2019, arXiv 1902.07296.
    """
    patches = _with_margin(target.boxes)
    rows = _apart_and_small(target, patches, image.shape[-1])
    if not len(rows):
        return image, target
    image = image.clone()
    taken, added = patches.clone(), []
    for row in rng.choice(rows, min(MAX_SOURCES, len(rows)), replace=False).tolist():
        for _ in range(COPIES_EACH):
            place = _free_place(patches[row], taken, image.shape[-1], rng)
            if place is None:
                break
            flips = [dim for dim in (1, 2) if rng.random() < 0.5]
            _set_down(image, patches[row], place, flips)
            taken = torch.cat([taken, place[None]])
            added.append(_truth(target, row, patches[row], place, flips))
    return image, cat([target, *added])


def _with_margin(boxes: Tensor) -> Tensor:
    """(N, 4) whole pixels around each box."""
    margin = torch.tensor([-MARGIN_PX, -MARGIN_PX, MARGIN_PX, MARGIN_PX])
    return torch.cat([boxes[:, :2].floor(), boxes[:, 2:].ceil()], dim=1).long() + margin


def _apart_and_small(target: Target, patches: Tensor, side: int) -> np.ndarray:
    """Rows of the objects up to 32 px that lie inside the tile and touch no other."""
    small = ((target.boxes[:, 2:] - target.boxes[:, :2]) <= SMALL_PX).all(1)
    inside = ((patches[:, :2] >= 0) & (patches[:, 2:] <= side)).all(1)
    meeting = _meet(patches[:, None].float(), target.boxes[None])
    return (small & inside & (meeting.sum(1) == 1)).nonzero()[:, 0].numpy()


def _free_place(patch: Tensor, taken: Tensor, side: int, rng: np.random.Generator) -> Tensor | None:
    """Where the patch meets nothing that is taken; None after a few tries."""
    width, height = (patch[2:] - patch[:2]).tolist()
    for _ in range(NUM_TRIES):
        x, y = int(rng.integers(side - width + 1)), int(rng.integers(side - height + 1))
        place = torch.tensor([x, y, x + width, y + height])
        if not bool(_meet(place, taken).any()):
            return place
    return None


def _set_down(image: Tensor, patch: Tensor, place: Tensor, flips: list[int]) -> None:
    x1, y1, x2, y2 = patch.tolist()
    u1, v1, u2, v2 = place.tolist()
    copy = image[:, y1:y2, x1:x2].float().flip(flips)
    weight = torch.minimum(_ramp(y2 - y1)[:, None], _ramp(x2 - x1)[None])
    ground = image[:, v1:v2, u1:u2].float()
    image[:, v1:v2, u1:u2] = torch.lerp(ground, copy, weight).add_(0.5).to(torch.uint8)


def _ramp(length: int) -> Tensor:
    """Rises over the margin to 1, and falls at the end."""
    steps = torch.arange(length, dtype=torch.float32)
    return ((torch.minimum(steps, length - 1 - steps) + 1) / (MARGIN_PX + 1)).clamp(max=1)


def _truth(target: Target, row: int, patch: Tensor, place: Tensor, flips: list[int]) -> Target:
    """The copy's own label, and its source's mute regions over all of its patch."""
    x1, y1, x2, y2 = (target.boxes[row] - patch[:2].repeat(2)).tolist()
    width, height = (patch[2:] - patch[:2]).tolist()
    if 2 in flips:
        x1, x2 = width - x2, width - x1
    if 1 in flips:
        y1, y2 = height - y2, height - y1
    muted = _meet(patch.float(), target.mute_boxes)
    masks = None if target.masks is None else target.masks[row : row + 1].flip(flips)
    return Target(
        torch.tensor([[x1, y1, x2, y2]]) + place[:2].repeat(2),
        target.labels[row : row + 1],
        place.float().expand(int(muted.sum()), 4),
        target.mute_classes[muted],
        masks,
        None if target.rboxes is None else _moved(target.rboxes[row], patch, place, flips)[None],
    )


def _moved(rbox: Tensor, patch: Tensor, place: Tensor, flips: list[int]) -> Tensor:
    """An oriented box (5,) of a patch, where its mirrored copy lies."""
    width, height = (patch[2:] - patch[:2]).tolist()
    local = torch.cat([rbox[:2] - patch[:2], rbox[2:]])
    local = mirrored_rboxes(local, (width, height), mirror_x=2 in flips, mirror_y=1 in flips)
    return torch.cat([local[:2] + place[:2], local[2:]])


def _meet(first: Tensor, second: Tensor) -> Tensor:
    """Whether boxes share ground; shapes broadcast."""
    low = torch.maximum(first[..., :2], second[..., :2])
    high = torch.minimum(first[..., 2:], second[..., 2:])
    return (high > low).all(-1)
