"""Drawing: frames of objects and hatching of mute regions are where they belong."""

from dataclasses import replace

import numpy as np
import torch

from smalldet.data.drawing import draw_batch
from smalldet.imagery.drawing import class_colours
from smalldet.targets import Target


def test_a_sheet_shows_objects_and_mute_regions():
    target = Target(
        torch.tensor([[10.0, 20, 30, 40]]),
        torch.tensor([0]),
        torch.tensor([[40.0, 40, 60, 60], [63.6, 63.7, 64, 64]]),
        torch.tensor([[True, True], [False, True]]),
    )
    images = torch.full((3, 3, 64, 64), 100, dtype=torch.uint8)
    empty = Target.of(torch.zeros(0, 4), torch.zeros(0, dtype=torch.long), 2)
    sheet = np.asarray(draw_batch(images, [target, empty, empty], ["a", "b"], num_columns=2))
    assert sheet.shape == (68 * 2 + 16, 68 * 2, 3)
    colour = class_colours(2)[0]
    assert (sheet[20:40, 10] == colour).all() and (sheet[20, 10:30] == colour).all()
    assert (sheet[25:35, 15:25] == 100).all(), "an object is not painted over"
    hatched = (sheet[41:59, 41:59] == 255).all(axis=2).mean()
    assert 0.05 < hatched < 0.5
    assert (sheet[68 : 68 + 64, :64] == 100).all(), "the third tile has nothing drawn"


def test_a_sheet_shows_oriented_boxes_as_they_lie():
    rboxes = torch.tensor([[32.0, 32, 40, 8, np.pi / 4]])
    target = Target.of(torch.tensor([[15.0, 15, 49, 49]]), torch.tensor([0]), 1)
    images = torch.full((1, 3, 64, 64), 100, dtype=torch.uint8)
    sheet = np.asarray(draw_batch(images, [replace(target, rboxes=rboxes)], ["a"]))[:64, :64]
    drawn = (sheet == class_colours(1)[0]).all(axis=2)
    assert drawn.sum() > 50 and not drawn[15, 30:].any(), "no upright frame"
    y, x = np.mgrid[:64, :64] + 0.5 - 32
    assert np.abs(np.abs(y - x)[drawn] / np.sqrt(2)).max() < 6, "it lies along the diagonal"
