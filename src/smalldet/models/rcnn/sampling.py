"""What of a picture learns."""

from __future__ import annotations

import torch
from torch import Tensor

BACKGROUND = 0
IGNORED = -1
MIN_SIDE_PX = 1e-2  # as torchvision has it: thinner boxes are none


def centres_of(boxes: Tensor) -> Tensor:
    """(N, 2) of boxes (N, 4) xyxy."""
    return (boxes[:, :2] + boxes[:, 2:]) / 2


def picture_generators(images: Tensor) -> list[torch.Generator]:
    """A generator for each picture, seeded by its pixels.

    What learns is drawn from them: a function of the pictures alone, so that a run that was stopped
    goes on as if it had not been, and several processes draw as one does.
    """
    sums = images.flatten(1).sum(1, dtype=torch.float64)
    return [torch.Generator().manual_seed(int(s * 256) % 2**31) for s in sums.tolist()]


def sampled(
    labels: Tensor, num_wanted: int, positive_frac: float, generator: torch.Generator
) -> Tensor:
    """Rows drawn from those with an object (label > 0) and those without (0); -1 is never drawn.

    Args:
        labels: (A,) int64.
        num_wanted: rows, fewer where there are not as many.
        positive_frac: most of them with an object.
        generator: on the CPU.
    """
    positive, negative = ((labels > 0).nonzero()[:, 0], (labels == 0).nonzero()[:, 0])
    num_positive = min(len(positive), int(num_wanted * positive_frac))
    num_negative = min(len(negative), num_wanted - num_positive)
    chosen = [
        rows[torch.randperm(len(rows), generator=generator)[:num].to(rows.device)]
        for rows, num in ((positive, num_positive), (negative, num_negative))
    ]
    return torch.cat(chosen)
