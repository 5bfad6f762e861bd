"""What learns is drawn from the picture alone; what is no box is no detection."""

from __future__ import annotations

import torch

from smalldet.models.rcnn.sampling import picture_generators, sampled


def test_drawing_is_a_function_of_the_picture() -> None:
    """Else a run that was stopped and resumed would not be the unbroken one."""
    labels = torch.randint(-1, 2, (500,), generator=torch.Generator().manual_seed(0))
    pictures = torch.randint(0, 256, (2, 3, 8, 8), dtype=torch.uint8)
    drawn = [sampled(labels, 64, 0.5, g) for g in picture_generators(pictures)]
    torch.manual_seed(1)
    again = [sampled(labels, 64, 0.5, g) for g in picture_generators(pictures)]
    assert torch.equal(drawn[0], again[0]) and torch.equal(drawn[1], again[1])
    assert not torch.equal(drawn[0], drawn[1])


def test_drawing_keeps_its_shares_and_never_takes_the_ignored() -> None:
    labels = torch.tensor([1] * 3 + [0] * 50 + [-1] * 50)
    drawn = sampled(labels, 16, 0.25, torch.Generator().manual_seed(0))
    assert len(drawn) == len(drawn.unique()) == 16
    assert sorted(labels[drawn].tolist()) == [0] * 13 + [1] * 3
