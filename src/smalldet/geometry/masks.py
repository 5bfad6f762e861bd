"""Masks: the shape of each object on a grid that fills its box.

A grid of fixed size says as much about an object of 4 px as about one of 400, moves and scales with
its box, and goes through merging and filtering as one array.
"""

from __future__ import annotations

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor

from smalldet.geometry.boxes import xyxy_to_cxcywh


def regrid(masks: Tensor, boxes: Tensor, onto: Tensor, side: int | None = None) -> Tensor:
    """The same shapes on grids that fill other boxes, such as boxes that a tile's edge has cut.

    Args:
        masks: (N, M, M), any number type; what fills `boxes`.
        boxes: (N, 4) xyxy pixels.
        onto: (N, 4) xyxy pixels.
        side: cells of the new grids' sides; as many as before if None.

    Returns:
        (N, side, side) float32, between cells linearly; 0 outside `boxes`.
    """
    side = side or masks.shape[-1]
    if len(masks) == 0:
        return masks.new_zeros((0, side, side), dtype=torch.float32)
    centres = (torch.arange(side, dtype=torch.float32, device=masks.device) + 0.5) / side
    low = onto[:, None, :2]
    points = low + centres[None, :, None] * (onto[:, None, 2:] - low)  # (N, M, 2)
    middle, sides = xyxy_to_cxcywh(boxes)[:, None].split(2, dim=2)
    within = 2 * (points - middle) / sides  # -1..1 inside
    x, y = within.unbind(2)
    grid = torch.stack(
        (x[:, None, :].expand(-1, side, -1), y[:, :, None].expand(-1, -1, side)), dim=3
    )
    seen = F.grid_sample(masks[:, None].float(), grid, padding_mode="border", align_corners=False)
    return seen[:, 0].masked_fill((grid.abs() > 1).any(dim=3), 0.0)


def united_masks(masks: Tensor, boxes: Tensor, group: Tensor, onto: Tensor) -> Tensor:
    """One shape for each group of cut views: at every place the largest value of any of them.

    Args:
        masks: (N, M, M) of the views.
        boxes: (N, 4) xyxy of the views.
        group: (N,) int64, row of `onto` that each view belongs to.
        onto: (G, 4) xyxy.

    Returns:
        (G, M, M), of the type of `masks`.
    """
    seen = regrid(masks, boxes, onto[group])
    united = seen.new_zeros((len(onto), *masks.shape[1:]))
    united.scatter_reduce_(0, group[:, None, None].expand_as(seen), seen, "amax")
    return united.round().to(masks.dtype) if not masks.is_floating_point() else united


def pixels_of(mask: Tensor, box: Tensor) -> tuple[int, int, Tensor]:
    """One object in whole pixels.

    Args:
        mask: (M, M) uint8, 255 where the object is.
        box: (4,) xyxy pixels.

    Returns:
        Left and top pixel, and (h, w) bool over the pixels that the box touches.
    """
    x1, y1 = (int(v) for v in box[:2].floor().tolist())
    x2, y2 = (int(v) for v in box[2:].ceil().tolist())
    width, height = max(x2 - x1, 1), max(y2 - y1, 1)
    longer = max(width, height)
    square = torch.tensor([[x1, y1, x1 + longer, y1 + longer]], dtype=torch.float32)
    # a square of whole pixels, so that each cell of its grid is a pixel
    fine = regrid(mask[None].cpu(), box[None].float().cpu(), square, longer)[0]
    return x1, y1, fine[:height, :width] >= 127.5


def run_lengths(mask: Tensor, box: Tensor, width: int, height: int) -> list[int]:
    """One object as COCO's run-length code: down the picture's columns, zeros first.

    Args:
        mask: (M, M) uint8, 255 where the object is.
        box: (4,) xyxy pixels.
        width: of the picture.
        height: of the picture.
    """
    x0, y0, pixels = pixels_of(mask, box)
    x, y = pixels.T.nonzero(as_tuple=True)  # column by column
    x, y = x + x0, y + y0
    inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
    places = (x * height + y)[inside]
    if len(places) == 0:
        return [width * height]
    breaks = places.diff() > 1
    starts = places[torch.cat((breaks.new_ones(1), breaks))]
    ends = places[torch.cat((breaks, breaks.new_ones(1)))] + 1
    edges = torch.stack((starts, ends), dim=1).flatten().tolist()
    return [b - a for a, b in pairwise([0, *edges, width * height])]
