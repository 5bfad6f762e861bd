"""Transforms: all eight turns happen, and colours change without breaking greys."""

import numpy as np
import pytest
import torch

from smalldet.data.transforms import change_colours, colour_matrix, flip_and_turn
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
    ways = set()
    rng = np.random.default_rng(0)
    for _ in range(100):
        turned, moved = flip_and_turn(image, target, rng, flips=flips, rot90=rot90)
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
            torch.zeros(3, 8, 8, dtype=torch.uint8), empty, rng, flips=True, rot90=True
        )
        assert target.boxes.shape == (0, 4) and target.mute_boxes.shape == (0, 4)
        assert image.shape == (3, 8, 8)


@pytest.mark.parametrize("bands", [1, 3])
def test_colours_change_and_stay_in_range(bands: int):
    image = torch.randint(0, 256, (bands, 32, 32), dtype=torch.uint8)
    before = image.clone()
    rng = np.random.default_rng(0)
    changed = [change_colours(image, rng) for _ in range(40)]
    assert torch.equal(image, before), "the source was written to"
    assert all(c.shape == image.shape and c.dtype == torch.uint8 for c in changed)
    assert not any(torch.equal(c, image) for c in changed)
    # Brightness on average neither rises nor falls much: nothing wraps around at 0 or 255.
    means = [float(c.float().mean()) for c in changed]
    assert abs(np.mean(means) - float(image.float().mean())) < 20
    assert np.std(means) > 5


def test_colour_matrix_leaves_greys_and_turns_hue():
    grey = torch.full((3,), 77.0)
    torch.testing.assert_close(colour_matrix(1.4, 0.02) @ grey, grey, atol=0.1, rtol=0)
    torch.testing.assert_close(colour_matrix(1.0, 0.0), torch.eye(3), atol=1e-3, rtol=0)
    faded = colour_matrix(0.0, 0.3) @ torch.tensor([200.0, 30.0, 60.0])
    assert float(faded.max() - faded.min()) < 0.1
    turned = colour_matrix(1.0, 0.5) @ torch.tensor([200.0, 100.0, 100.0])
    assert turned[0] < turned[1] and turned[0] < turned[2]
