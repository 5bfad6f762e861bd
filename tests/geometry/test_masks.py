"""Masks on grids that fill boxes keep their place when boxes change, are cut, or are joined."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from pycocotools import mask as peer

from smalldet.detections import TileDetections
from smalldet.geometry.masks import pixels_of, regrid, run_lengths, united_masks
from smalldet.geometry.merge import merge_tiles

SIDE = 28


def disc(side: int = SIDE) -> torch.Tensor:
    """A disc that touches the edges of its grid: 255 inside."""
    at = (torch.arange(side) + 0.5) / side - 0.5
    return ((at[:, None] ** 2 + at[None] ** 2).sqrt() <= 0.5).to(torch.uint8) * 255


def test_the_same_box_gives_the_same_grid() -> None:
    boxes = torch.tensor([[3.0, 4, 17, 30]])
    same = regrid(disc()[None], boxes, boxes)[0]
    torch.testing.assert_close(same, disc().float(), rtol=0, atol=0.1)


def test_a_cut_box_keeps_its_part_of_the_shape() -> None:
    whole, left = torch.tensor([[0.0, 0, 20, 20]]), torch.tensor([[0.0, 0, 10, 20]])
    half = regrid(disc()[None], whole, left)[0]
    x, y, pixels = pixels_of(half.to(torch.uint8), left[0])
    _, _, all_pixels = pixels_of(disc(), whole[0])
    assert (x, y, tuple(pixels.shape)) == (0, 0, (20, 10))
    assert (pixels != all_pixels[:, :10]).float().mean() < 0.05


def test_halves_unite_to_the_whole() -> None:
    whole = torch.tensor([[0.0, 0, 40, 40]])
    parts = torch.tensor([[0.0, 0, 24, 40], [16, 0, 40, 40]])
    seen = regrid(disc().expand(2, -1, -1), whole.expand(2, -1), parts).to(torch.uint8)
    united = united_masks(seen, parts, torch.zeros(2, dtype=torch.long), whole)[0]
    assert ((united >= 128) != (disc() >= 128)).float().mean() < 0.03


def test_pixels_of_a_small_disc_have_its_area() -> None:
    x, y, pixels = pixels_of(disc(), torch.tensor([10.0, 5, 22, 17]))
    assert (x, y) == (10, 5)
    assert abs(int(pixels.sum()) - 3.1416 * 6**2) < 8


def test_masks_survive_the_merge_of_tiles() -> None:
    """An object cut by both tiles gets the union of what they saw; a whole one keeps its own."""
    cut_object = torch.tensor([90.0, 20, 130, 60])
    tiles = torch.tensor([[0, 0, 110, 100], [100, 0, 210, 100]])
    boxes = torch.tensor([[90.0, 20, 110, 60], [100, 20, 130, 60], [10, 10, 20, 20]])
    whole = torch.stack([cut_object, cut_object, boxes[2]])
    masks = regrid(disc().expand(3, -1, -1), whole, boxes).round().to(torch.uint8)
    cut = torch.zeros(3, 4, dtype=torch.bool)
    cut[0, 2] = cut[1, 0] = True
    found = merge_tiles(
        TileDetections(
            boxes,
            torch.tensor([0.9, 0.8, 0.7]),
            torch.zeros(3, dtype=torch.long),
            torch.tensor([0, 1, 0]),
            cut,
            tiles,
            ("thing",),
            masks=masks,
        )
    )
    assert found.boxes.tolist() == [cut_object.tolist(), boxes[2].tolist()]
    assert found.masks is not None
    assert ((found.masks[0] >= 128) != (disc() >= 128)).float().mean() < 0.05
    assert torch.equal(found.masks[1], disc())


@pytest.mark.filterwarnings("ignore:__array__ implementation")  # pycocotools' own
def test_run_lengths_are_read_by_pycocotools() -> None:
    """An object that reaches out of the picture is cut at its edge."""
    box = torch.tensor([30.0, 5, 60, 25])
    code = run_lengths(disc(), box, 50, 40)
    assert sum(code) == 50 * 40
    whole: Any = {"size": [40, 50], "counts": code}
    picture = peer.decode(peer.frPyObjects(whole, 40, 50))
    x, y, pixels = pixels_of(disc(), box)
    wanted = torch.zeros(40, 80, dtype=torch.bool)
    wanted[y : y + pixels.shape[0], x : x + pixels.shape[1]] = pixels
    assert torch.equal(torch.from_numpy(picture).bool(), wanted[:, :50])
