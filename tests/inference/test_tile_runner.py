"""Batches suit the device, and findings come out in the scene's pixels."""

import math

import numpy as np
import torch

from smalldet.detections import Detections
from smalldet.imagery import open_scene
from smalldet.inference.tile_runner import TileRunner
from smalldet.inference.tiling import tile_scene


def test_batches_hold_a_million_pixels_on_a_cpu_unless_told(finder):
    suited = TileRunner(finder, 128)
    assert suited.size_for(tile_scene(2000, 2000, 128, 0.2)) == 61
    assert suited.size_for(tile_scene(9000, 9000, 5000, 0.2)) == 1
    told = TileRunner(finder, 128, batch_size=3)
    assert told.size_for(tile_scene(2000, 2000, 128, 0.2)) == 3


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

    detector = TileRunner(Turned(), 128)
    tiling = tile_scene(512, 256, 128, 0.0, [0.5])
    with open_scene(np.ones((256, 512), np.uint8)) as scene:
        ((found, num_done),) = list(detector.steps(scene, tiling, conf=0.1))
    assert num_done == len(tiling) == 2
    assert found.rboxes is not None
    turn = math.pi / 6
    wanted = torch.tensor([[128.0, 128, 80, 20, turn], [384.0, 128, 80, 20, turn]])
    assert torch.allclose(found.rboxes, wanted)
    assert found.boxes.tolist() == [[88, 98, 168, 158], [344, 98, 424, 158]]
    assert found.tile.tolist() == [0, 1] and not found.cut.any()
