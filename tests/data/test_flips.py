"""Flips and turns: all eight ways happen, and boxes go with their pixels."""

import numpy as np
import pytest
import torch

from smalldet.data.flips import flip_and_turn
from smalldet.data.options import Augmentation
from smalldet.targets import Target


@pytest.mark.parametrize(
    ("flips", "rot90", "num_ways"), [(True, True, 8), (True, False, 4), (False, True, 4),
                                     (False, False, 1)]
)  # fmt: skip
def test_each_turn_keeps_boxes_on_pixels(flips: bool, rot90: bool, num_ways: int):
    """An L of pixels tells the eight ways apart; box and mute box go with it exactly."""
    image = torch.zeros(1, 20, 20, dtype=torch.uint8)
    image[0, 2:5, 3:9] = 1
    image[0, 12:14, 15:16] = 2
    target = Target(
        torch.tensor([[3.0, 2, 9, 5]]),
        torch.tensor([1]),
        torch.tensor([[15.0, 12, 16, 14]]),
        torch.tensor([[True, False]]),
    )
    wanted = Augmentation(flips=flips, rot90=rot90)
    ways = set()
    rng = np.random.default_rng(0)
    for _ in range(100):
        turned, moved = flip_and_turn(image, target, rng, wanted)
        ways.add(turned.numpy().tobytes())
        for value, boxes in ((1, moved.boxes), (2, moved.mute_boxes)):
            rows, columns = np.nonzero(turned[0].numpy() == value)
            extent = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
            np.testing.assert_allclose(boxes[0], extent, atol=1e-4)
        assert type(moved.boxes) is torch.Tensor
        assert torch.equal(moved.labels, target.labels)
    assert len(ways) == num_ways


def test_a_tile_without_boxes_turns():
    empty = Target.of(torch.zeros(0, 4), torch.zeros(0, dtype=torch.long), 3)
    rng = np.random.default_rng(0)
    for _ in range(10):
        image, target = flip_and_turn(
            torch.zeros(3, 8, 8, dtype=torch.uint8), empty, rng, Augmentation()
        )
        assert target.boxes.shape == (0, 4) and target.mute_boxes.shape == (0, 4)
        assert image.shape == (3, 8, 8)
