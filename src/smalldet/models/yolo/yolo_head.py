"""What the raw values of a `Yolo` layer mean: boxes, objectness, class probabilities.

Sources: Redmon and Farhadi 2018 (YOLOv3), arXiv 1804.02767, section 2.1; the factor that lets
centres reach past their cell is from Bochkovskiy et al. 2020 (YOLOv4), arXiv 2004.10934, section
3.4; squared sides are those of YOLOv5 and of Darknet's `new_coords` (Scaled-YOLOv4, arXiv
2011.08036).
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from smalldet.models.yolo.specs import Yolo


class Grid(NamedTuple):
    """Where the A * H * W places of one output stand; row = (anchor * H + y) * W + x.

    Args:
        cells: (L, 2) x, y of each place's cell, in cells.
        anchors: (L, 2) width, height in pixels.
        cell_px: (2,) width and height of a cell in pixels.
    """

    cells: Tensor
    anchors: Tensor
    cell_px: Tensor


class Places(NamedTuple):
    """One output, per place.

    Args:
        offsets: (B, L, 4) raw: x and y in the cell, then the sides.
        boxes: (B, L, 4) xyxy in pixels.
        objectness: (B, L) logits.
        classes: (B, L, C) logits.
    """

    offsets: Tensor
    boxes: Tensor
    objectness: Tensor
    classes: Tensor


def grid_of(layer: Yolo, raw: Tensor, width_px: int, height_px: int) -> Grid:
    """Places of an output (B, A * (5 + C), H, W) of a picture of `width_px` x `height_px`."""
    height, width = raw.shape[-2:]
    y, x = torch.meshgrid(
        torch.arange(height, device=raw.device, dtype=torch.float32),
        torch.arange(width, device=raw.device, dtype=torch.float32),
        indexing="ij",
    )
    num_anchors = len(layer.mask)
    cells = torch.stack((x, y), -1).reshape(-1, 2).repeat(num_anchors, 1)
    anchors = cells.new_tensor(layer.own_anchors).repeat_interleave(height * width, 0)
    return Grid(cells, anchors, cells.new_tensor((width_px / width, height_px / height)))


def decode_places(layer: Yolo, raw: Tensor, grid: Grid) -> Places:
    """Raw values (B, A * (5 + C), H, W) to boxes and logits, in float32."""
    batch, _, height, width = raw.shape
    values = raw.float().reshape(batch, len(layer.mask), 5 + layer.num_classes, height * width)
    return _decoded(layer, values.transpose(2, 3).flatten(1, 2), grid)


def likely_places(layer: Yolo, raw: Tensor, grid: Grid, conf: float) -> Places:
    """Places of a picture whose objectness is over `conf`, in their order.

    Of the others only the objectness is computed.

    Args:
        layer: the output.
        raw: (A * (5 + C), H, W) of one picture.
        grid: of the output.
        conf: least probability of an object.

    Returns:
        rows (K, ...) instead of (B, L, ...).
    """
    num_places = raw[0].numel()
    values = raw.float().reshape(len(layer.mask), 5 + layer.num_classes, num_places)
    likely = _objectness(layer, values[:, 4]).sigmoid().flatten() > conf
    rows = likely.nonzero()[:, 0]
    picked = values[rows // num_places, :, rows % num_places]
    return _decoded(layer, picked, Grid(grid.cells[rows], grid.anchors[rows], grid.cell_px))


def _objectness(layer: Yolo, values: Tensor) -> Tensor:
    return values.logit(eps=1e-6) if layer.activated else values


def _decoded(layer: Yolo, values: Tensor, grid: Grid) -> Places:
    """Raw values (..., L, 5 + C) in float32 of L places to boxes and logits."""
    offsets, objectness, classes = values[..., :4], values[..., 4], values[..., 5:]
    xy, wh = offsets[..., :2], offsets[..., 2:]
    if layer.activated:
        classes = classes.logit(eps=1e-6)
    else:
        xy = xy.sigmoid()
    if layer.squared_sides:
        sides = 4 * (wh if layer.activated else wh.sigmoid()).square() * grid.anchors
    else:
        # e^10 anchors are wider than any picture; beyond, early training would overflow
        sides = wh.clamp(max=10.0).exp() * grid.anchors
    centres = (xy * layer.scale_xy - (layer.scale_xy - 1) / 2 + grid.cells) * grid.cell_px
    boxes = torch.cat((centres - sides / 2, centres + sides / 2), -1)
    return Places(offsets, boxes, _objectness(layer, objectness), classes)
