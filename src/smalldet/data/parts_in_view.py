"""What a tile shows of labelled objects, upright or oriented, in pixels of the tile."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from smalldet.geometry.oriented import (
    canonical,
    enclosing_boxes,
    points_in_frames,
    rbox_areas,
    rboxes_to_quads,
    scaled_rboxes,
)
from smalldet.geometry.polygons import corners_in_windows


@dataclass(frozen=True)
class View:
    """A part of a picture that becomes a tile.

    Args:
        window: xyxy in pixels of the picture; of a turned view, before it is turned.
        out_size: width and height of the tile in pixels.
        turn: radians, clockwise on the screen, by which the window is turned about its middle.
    """

    window: tuple[int, int, int, int]
    out_size: tuple[int, int]
    turn: float = 0.0

    @property
    def middle(self) -> NDArray[np.float64]:
        """(2,) centre of the window."""
        x0, y0, x1, y1 = self.window
        return np.array([(x0 + x1) / 2, (y0 + y1) / 2])

    @property
    def scale(self) -> NDArray[np.float32]:
        """(4,) pixels of the tile for one of the picture, for x, y, x, y."""
        x0, y0, x1, y1 = self.window
        size = np.array([x1 - x0, y1 - y0] * 2, dtype=np.float32)
        return np.array(self.out_size * 2, dtype=np.float32) / size

    @property
    def canvas(self) -> tuple[int, int, int, int]:
        """The upright window of the picture that holds all of a turned one, with a pixel round."""
        x0, y0, x1, y1 = self.window
        box = torch.tensor([[*self.middle, x1 - x0, y1 - y0, self.turn]], dtype=torch.float64)
        left, top, right, bottom = enclosing_boxes(box)[0].tolist()
        return (
            math.floor(left) - 1,
            math.floor(top) - 1,
            math.ceil(right) + 1,
            math.ceil(bottom) + 1,
        )


class Parts(NamedTuple):
    """What is seen of N objects.

    Args:
        boxes: (N, 4) float32 xyxy pixels of the tile, held within it.
        shown: (N,) area that is seen, square pixels of the picture.
        whole: (N,) area of the whole object, square pixels of the picture.
        thinnest_px: (N,) the shorter side of what is seen, pixels of the tile.
        rboxes: (N, 5) float32 canonical oriented boxes in pixels of the tile, or None.
    """

    boxes: NDArray[np.float32]
    shown: NDArray[np.floating]
    whole: NDArray[np.floating]
    thinnest_px: NDArray[np.floating]
    rboxes: NDArray[np.float32] | None = None


def upright_parts(boxes: NDArray[np.float32], view: View) -> Parts:
    """Parts of boxes (N, 4), xyxy pixels of the picture.

    Of an object of which only the upright box is known, a turned view shows the box round the
    ellipse that fills it: corners of the box that nobody has looked at would make it too large.
    """
    if view.turn:
        boxes = _round_turned_ellipses(boxes, view)
    low = np.array(view.window[:2] * 2, dtype=np.float32)
    high = np.array(view.window[2:] * 2, dtype=np.float32)
    clipped = np.clip(boxes, low, high)
    sides = clipped[:, 2:] - clipped[:, :2]
    return Parts(
        _in_tile(clipped, view),
        np.prod(sides, axis=1) * (sides > 0).all(axis=1),
        np.prod(boxes[:, 2:] - boxes[:, :2], axis=1),
        (sides * view.scale[:2]).min(axis=1, initial=np.inf),
    )


def oriented_parts(rboxes: NDArray[np.float32], view: View) -> Parts:
    """Parts of oriented boxes (N, 5), pixels of the picture.

    Of an object that the tile cuts, the oriented box is the smallest one in the object's own
    direction round what is seen, so that a direction is learned that does not depend on the cut.
    It may reach out of the tile by a corner; its upright box is that of the seen part.
    """
    exact = torch.from_numpy(rboxes.astype(np.float64))
    if view.turn:
        exact = canonical(_turned(exact, view))
    window = torch.tensor(view.window, dtype=torch.float64)
    whole, around = rbox_areas(exact), enclosing_boxes(exact)
    scale = torch.from_numpy(view.scale[:2].astype(np.float64))
    placed = exact - torch.cat((window[:2], window.new_zeros(3)))
    scaled = scaled_rboxes(placed, scale)
    boxes = enclosing_boxes(scaled)
    shown = whole.clone()
    inside = ((around[:, :2] >= window[:2]) & (around[:, 2:] <= window[2:])).all(dim=1)
    outside = ((around[:, 2:] <= window[:2]) | (around[:, :2] >= window[2:])).any(dim=1)
    shown[outside] = 0
    cut = (~inside & ~outside).nonzero()[:, 0]
    if len(cut):
        corners, is_corner, shown[cut] = corners_in_windows(rboxes_to_quads(exact[cut]), window)
        corners = (corners - window[:2]) * scale
        boxes[cut] = _round_points(corners, is_corner)
        scaled[cut] = _in_own_direction(scaled[cut], corners, is_corner)
    thinnest = scaled[:, 2:4].amin(dim=1)
    thinnest[shown <= 0] = 0
    boxes[shown <= 0] = 0
    limits = torch.tensor(view.out_size * 2, dtype=torch.float64)
    return Parts(
        torch.minimum(boxes.clamp(min=0), limits).float().numpy(),
        shown.numpy(),
        whole.numpy(),
        thinnest.numpy(),
        canonical(scaled).float().numpy(),
    )


def extent_in_view(width: int, height: int, view: View) -> NDArray[np.float32]:
    """(4,) xyxy pixels of the tile: the part of it that a picture of a size fills, or a little
    more where the view is turned."""
    extent = np.array([[0, 0, width, height]], dtype=np.float32)
    if view.turn:
        turned = _turned(torch.from_numpy(_as_rboxes(extent)), view)
        extent = enclosing_boxes(turned).float().numpy()
    return _in_tile(np.clip(extent, view.window[:2] * 2, view.window[2:] * 2), view)[0]


def _in_tile(clipped: NDArray[np.floating], view: View) -> NDArray[np.float32]:
    low = np.array(view.window[:2] * 2, dtype=np.float32)
    # The product can round to just beyond the tile.
    limits = np.array(view.out_size * 2, dtype=np.float32)
    return np.clip((clipped - low) * view.scale, 0, limits).astype(np.float32)


def _as_rboxes(boxes: NDArray[np.floating]) -> NDArray[np.float64]:
    """Upright boxes (N, 4) as oriented ones (N, 5) of the angle 0."""
    sides = boxes[:, 2:].astype(np.float64) - boxes[:, :2]
    return np.concatenate([boxes[:, :2] + sides / 2, sides, np.zeros((len(boxes), 1))], axis=1)


def _turned(rboxes: torch.Tensor, view: View) -> torch.Tensor:
    """Oriented boxes in the frame in which a turned view is upright, its middle kept."""
    turned = rboxes.clone()
    middle = torch.from_numpy(view.middle)
    frame = torch.tensor([*view.middle, 0, 0, view.turn], dtype=torch.float64)
    turned[:, :2] = points_in_frames(rboxes[None, :, :2], frame[None])[0] + middle
    turned[:, 4] -= view.turn
    return turned


def _round_turned_ellipses(boxes: NDArray[np.float32], view: View) -> NDArray[np.float32]:
    turned = _turned(torch.from_numpy(_as_rboxes(boxes)), view).numpy()
    half, angle = turned[:, 2:4] / 2, turned[:, 4:]
    axes = np.concatenate([np.cos(angle), np.sin(angle)], axis=1)
    reach = np.hypot(half[:, :1] * axes, half[:, 1:] * axes[:, ::-1])
    return np.concatenate([turned[:, :2] - reach, turned[:, :2] + reach], axis=1).astype(np.float32)


def _round_points(points: torch.Tensor, counts: torch.Tensor) -> torch.Tensor:
    """(N, 4) xyxy round those of the points (N, K, 2) that count (N, K)."""
    counts = counts[..., None]
    low = points.where(counts, torch.inf).amin(dim=1)
    high = points.where(counts, -torch.inf).amax(dim=1)
    return torch.cat((low, high), dim=1)


def _in_own_direction(
    rboxes: torch.Tensor, points: torch.Tensor, counts: torch.Tensor
) -> torch.Tensor:
    """The smallest boxes in the directions of `rboxes` (N, 5) round points that count."""
    local = _round_points(points_in_frames(points, rboxes), counts)
    middle, sides = (local[:, :2] + local[:, 2:]) / 2, local[:, 2:] - local[:, :2]
    cos, sin = rboxes[:, 4].cos(), rboxes[:, 4].sin()
    x = rboxes[:, 0] + middle[:, 0] * cos - middle[:, 1] * sin
    y = rboxes[:, 1] + middle[:, 0] * sin + middle[:, 1] * cos
    return torch.cat((torch.stack((x, y), dim=1), sides, rboxes[:, 4:]), dim=1)
