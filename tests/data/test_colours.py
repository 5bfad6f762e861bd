"""Colours change and stay in range, without breaking greys."""

import numpy as np
import pytest
import torch

from smalldet.data.colours import change_colours, colour_matrix


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
