"""Anchors fitted to the sides of the objects that are to be found."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from smalldet.models.yolo.specs import Yolo

NUM_ROUNDS = 30
MAX_OBJECTS = 20_000


def fit_anchors(sides: Tensor, outputs: Sequence[Yolo]) -> tuple[tuple[float, float], ...]:
    """Anchors for a network's outputs, small ones where its present ones are small.

    k-means on shapes: objects and anchors are compared by the IoU of their boxes laid corner on
    corner, an anchor moves to the median of its objects. An anchor that no output has stays.

    Args:
        sides: (N, 2) width and height in pixels, at the scale of training.
        outputs: of the network, which all list the same anchors.

    Raises:
        ValueError: fewer than two objects an anchor.

    Source: Redmon and Farhadi 2017 (YOLO9000), arXiv 1612.08242, section 2.
    """
    used = present_anchors(outputs)
    present = [outputs[0].anchors[i] for i in used]
    if len(sides) < 2 * len(present):
        raise ValueError(
            f"{len(sides)} objects are too few to fit {len(present)} anchors; use anchors: default"
        )
    generator = torch.Generator().manual_seed(0)
    sides = sides[torch.randperm(len(sides), generator=generator)[:MAX_OBJECTS]].double()
    sides = sides.clamp(min=1.0)
    # spread over the sizes that occur, so that no anchor begins without objects
    by_area = sides[sides.prod(1).argsort()]
    places = (torch.arange(len(present)) + 0.5) / len(present) * len(by_area)
    anchors = by_area[places.long()]
    for _ in range(NUM_ROUNDS):
        nearest = shape_iou(sides, anchors).argmax(1)
        moved = [
            sides[nearest == k].median(0).values if (nearest == k).any() else anchors[k]
            for k in range(len(present))
        ]
        anchors = torch.stack(moved)
    fitted = iter(_in_order_of(present, anchors))
    return tuple(next(fitted) if i in used else own for i, own in enumerate(outputs[0].anchors))


def present_anchors(outputs: Sequence[Yolo]) -> list[int]:
    """Which of a network's anchors some output has, rising."""
    return sorted({i for output in outputs for i in output.mask})


def _in_order_of(
    present: Sequence[tuple[float, float]], anchors: Tensor
) -> tuple[tuple[float, float], ...]:
    """The smallest anchor stands where the smallest stood, and so on."""
    ranks = torch.tensor(present).prod(1).argsort()
    placed = torch.empty_like(anchors)
    placed[ranks] = anchors[anchors.prod(1).argsort()]
    return tuple((round(w, 1), round(h, 1)) for w, h in placed.tolist())


def shape_iou(a: Tensor, b: Tensor) -> Tensor:
    """IoU of sides (N, 2) and (M, 2) laid corner on corner, (N, M)."""
    inter = torch.minimum(a[:, None], b).prod(-1)
    return inter / (a.prod(1)[:, None] + b.prod(1) - inter)
