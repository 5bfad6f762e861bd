"""Mixup: the truth of both tiles, and silence wherever either is silent."""

import numpy as np
import torch

from smalldet.data.mixup import blended
from smalldet.targets import Target


def tile(value: int, bands: int, box: list[float], muted: list[list[float]]) -> tuple:
    return (
        torch.full((bands, 16, 16), value, dtype=torch.uint8),
        Target(
            torch.tensor([box]),
            torch.tensor([bands % 2]),
            torch.tensor(muted).reshape(-1, 4),
            torch.ones(len(muted), 2, dtype=torch.bool),
        ),
    )


def test_both_truths_stand_and_both_silences():
    first = tile(200, 3, [1.0, 1, 5, 5], [[0.0, 0, 8, 16]])
    second = tile(100, 1, [3.0, 3, 9, 9], [[8.0, 0, 16, 16], [0.0, 0, 1, 1]])
    image, target = blended(first, second, np.random.default_rng(0))
    assert image.shape == (3, 16, 16) and image.dtype == torch.uint8
    assert target.boxes.tolist() == [[1, 1, 5, 5], [3, 3, 9, 9]]
    assert target.labels.tolist() == [1, 1]
    assert torch.equal(target.mute_boxes, torch.cat([first[1].mute_boxes, second[1].mute_boxes]))
    assert target.mute_classes.shape == (3, 2)


def test_neither_tile_fades_away():
    """Shares lie about the half, and the mean brightness is kept: nothing overflows."""
    first, second = tile(250, 3, [1.0, 1, 5, 5], []), tile(50, 3, [1.0, 1, 5, 5], [])
    rng = np.random.default_rng(0)
    values = [int(blended(first, second, rng)[0][0, 0, 0]) for _ in range(300)]
    assert 140 < np.mean(values) < 160
    assert min(values) > 60 and max(values) < 240
    assert np.std(values) > 10
