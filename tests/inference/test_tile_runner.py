"""Batches suit the model, and detections come out in the scene's pixels."""

import math

import numpy as np
import torch

from smalldet.detections import Detections
from smalldet.imagery import open_scene
from smalldet.inference.tile_runner import TileRunner
from smalldet.inference.tiling import tile_scene


def test_batches_are_as_large_as_the_model_says_unless_told(finder):
    """A tiling is asked for by its largest tile: what fits for that fits for all."""
    asked = []
    finder.batch_size = lambda *sides: asked.append(sides) or 7
    tiling = tile_scene(2000, 1000, 128, 0.2, [1.0, 0.05])
    assert TileRunner(finder, 128).size_for(tiling) == 7
    assert asked == [(128, 128)]
    assert TileRunner(finder, 128, batch_size=3).size_for(tiling) == 3


def test_oriented_boxes_follow_their_tile_and_scale(finder):
    class Turned(type(finder)):
        """Reports one oriented box in the middle of each tile."""

        def detect(self, images, conf, max_detections):
            rbox = torch.tensor([[64.0, 64, 40, 10, math.pi / 6]])
            boxes = torch.tensor([[44.0, 49, 84, 79]])
            one = Detections(
                boxes, torch.ones(1), torch.zeros(1, dtype=torch.long), self.class_names, rbox
            )
            return [one] * len(images)

    runner = TileRunner(Turned(), 128)
    tiling = tile_scene(512, 256, 128, 0.0, [0.5])
    with open_scene(np.ones((256, 512), np.uint8)) as scene:
        ((detections, num_done),) = list(runner.steps(scene, tiling, conf=0.1))
    assert num_done == len(tiling) == 2
    assert detections.rboxes is not None
    turn = math.pi / 6
    wanted = torch.tensor([[128.0, 128, 80, 20, turn], [384.0, 128, 80, 20, turn]])
    assert torch.allclose(detections.rboxes, wanted)
    assert detections.boxes.tolist() == [[88, 98, 168, 158], [344, 98, 424, 158]]
    assert detections.tile.tolist() == [0, 1] and not detections.cut.any()
