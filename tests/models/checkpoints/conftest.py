"""What tests of real checkpoints share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from smalldet.geometry.overlaps import iou, pairwise


@pytest.fixture
def compare() -> Callable[..., None]:
    """Checks detections against rows of a `reference.json`."""
    return compared


@pytest.fixture
def stretch() -> Callable[..., Tensor]:
    """Stretches a picture as OpenCV does."""
    return stretched


def compared(
    boxes: Tensor,
    scores: Tensor,
    named: list[str],
    expected: list[dict[str, Any]],
    record: Callable[[str, float], None],
) -> None:
    truth = torch.tensor([row["box"] for row in expected])
    apart = (boxes[:, None] - truth).abs().amax(2)
    same = torch.tensor([[name == row["class"] for row in expected] for name in named])
    nearest = apart.masked_fill(~same, float("inf")).min(0)
    score_errors = (
        scores[nearest.indices] - torch.tensor([row["score"] for row in expected])
    ).abs()
    record("boxes, px", float(nearest.values.max()))
    record("scores", float(score_errors.max()))
    assert nearest.values.max() < 0.5
    assert nearest.indices.unique().numel() == len(expected)
    assert score_errors.max() < 1e-3
    # The reference keeps the best class of a place; Darknet and smalldet keep every class that is
    # sure enough: what is over must be a weaker second class of a box that the reference has.
    truth_scores = torch.tensor([row["score"] for row in expected])
    for extra in set(range(len(boxes))) - set(nearest.indices.tolist()):
        over = pairwise(iou, boxes[extra : extra + 1], truth)[0]
        assert over.max() > 0.8
        assert scores[extra] < truth_scores[over.argmax()]
        assert named[extra] != expected[int(over.argmax())]["class"]


def stretched(pixels: np.ndarray[Any, Any], width: int, height: int) -> Tensor:
    """(H, W, 3) uint8 stretched as OpenCV does it: bilinear, in fixed point of 11 bits."""
    values = pixels.astype(np.int64)
    first, second, low, high = taps(pixels.shape[1], width)
    rows = values[:, first] * low[:, None] + values[:, second] * high[:, None]
    first, second, low, high = taps(pixels.shape[0], height)
    above, below = (
        (rows[i] >> 4) * f[:, None, None] >> 16 for i, f in ((first, low), (second, high))
    )
    return torch.from_numpy(((above + below + 2) >> 2).clip(0, 255).astype(np.uint8))


def taps(side: int, new_side: int) -> tuple[np.ndarray[Any, Any], ...]:
    """Both source pixels of each new pixel and their weights of 2048."""
    at = (((np.arange(new_side) + 0.5) * side / new_side) - 0.5).clip(0, side - 1)
    first = np.floor(at).astype(np.int64)
    high = np.rint((at - first) * 2048).astype(np.int64)
    return first, np.minimum(first + 1, side - 1), 2048 - high, high
