"""Polygons: parts in a window, areas, moments. A polygon is its corners in order, either way."""

from __future__ import annotations

import torch
from torch import Tensor

_TINIEST = 1e-300  # keeps 0 / 0 at 1


def area_in_windows(polygons: Tensor, windows: Tensor) -> Tensor:
    """Area of the part of each simple polygon that lies in an upright window.

    The integral of x dy round the part: of each edge only the rise within the window counts, and x
    is held within its sides. Every term is continuous in the corners and nothing is decided by the
    side on which a point lies, so that edges along the window's need no care. Computed in float64,
    relative to the window.

    Args:
        polygons: (..., K, 2), corners in order.
        windows: (..., 4) xyxy; leading dimensions broadcast.

    Returns:
        (...), in the type of `polygons`.
    """
    placed, sides = _in_windows(polygons, windows)
    start = placed.movedim(-2, 0).movedim(-1, 0).contiguous()
    step = start.roll(-1, dims=1) - start
    width, height = sides.unbind(-1)
    (x, y), (run, rise) = start, step
    low, high = _held(y, height), _held(y + rise, height)
    steep = torch.where(rise == 0, 1, rise)
    x_low = (low - y).div_(steep).clamp_(0, 1).mul_(run).add_(x)
    x_high = (high - y).div_(steep).clamp_(0, 1).mul_(run).add_(x)
    held_low, held_high = _held(x_low, width), _held(x_high, width)
    over = (x_high - width).clamp_(min=0).sub_((x_low - width).clamp_(min=0)).abs_()
    # Within the sides x is its own mean; the share of the edge that lies beyond is at the side.
    inside = (held_high - held_low).abs_().add_(_TINIEST).mul_(held_low.add_(held_high)).div_(2)
    mean = inside.add_(over.mul_(width)).div_(x_high.sub_(x_low).abs_().add_(_TINIEST))
    return mean.mul_(high.sub_(low)).sum(dim=0).abs().to(polygons)


def parts_in_windows(polygons: Tensor, windows: Tensor) -> Tensor:
    """The part of each polygon that lies in an upright window, as a closed line.

    What lies outside is drawn onto the window's border, and may run there back and forth. That
    has no area, so that areas, moments and shared areas of the line are those of the part.

    Args:
        polygons: (..., K, 2), corners in order.
        windows: (..., 4) xyxy; leading dimensions broadcast.

    Returns:
        (..., 5 K, 2) float64, in the coordinates of the polygons.
    """
    placed, sides = _in_windows(polygons, windows)
    step = placed.roll(-1, dims=-2) - placed
    safe = torch.where(step == 0, 1, step)
    limits = sides[..., None, :]
    crossings = torch.cat((-placed / safe, (limits - placed) / safe), dim=-1).clamp(0, 1)
    along = torch.cat((torch.zeros_like(crossings[..., :1]), crossings.sort(dim=-1).values), dim=-1)
    line = placed[..., None, :] + along[..., None] * step[..., None, :]
    held = torch.minimum(line.clamp(min=0), limits[..., None, :]).flatten(-3, -2)
    return held + in_float64(windows)[..., None, :2]


def corners_in_windows(quads: Tensor, window: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Corners of the part of each rectangle that lies in an upright window.

    They are the quad's own corners within the window, the window's within the quad, and the points
    where their edges cross; of a convex part no more and no less.

    Args:
        quads: (N, 4, 2) corners of rectangles, in order.
        window: (4,) xyxy.

    Returns:
        (N, 24, 2) points in float64, (N, 24) bool which of them are corners of the part, and (N,)
        the part's area.
    """
    corners, window = in_float64(quads), in_float64(window)
    low, high = window[:2], window[2:]
    step = corners.roll(-1, dims=-2) - corners
    safe = torch.where(step == 0, 1, step)
    # Of each edge the four places where its line crosses those of the window's sides.
    shares = torch.stack(
        ((low - corners) / safe, (high - corners) / safe), dim=-1
    )  # N, edge, xy, 2
    crossing = corners[:, :, None, None] + shares[..., None] * step[:, :, None, None]
    other = torch.stack((crossing[:, :, 0, :, 1], crossing[:, :, 1, :, 0]), dim=2)
    limits_low, limits_high = low.flip(0)[:, None], high.flip(0)[:, None]
    crosses = (shares >= 0) & (shares <= 1) & (step != 0)[..., None]
    crosses &= (other >= limits_low) & (other <= limits_high)
    inside = ((corners >= low) & (corners <= high)).all(dim=-1)
    left, top, right, bottom = window.unbind()
    ends = torch.stack((left, top, right, top, right, bottom, left, bottom)).view(4, 2)
    ends = ends.expand(len(quads), 4, 2)
    # Left of all edges or right of all: within the quad, whichever way round it goes.
    apart = ends[:, :, None] - corners[:, None]
    turns = step[:, None, :, 0] * apart[..., 1] - step[:, None, :, 1] * apart[..., 0]
    within = (turns >= 0).all(dim=-1) | (turns <= 0).all(dim=-1)
    points = torch.cat((corners, ends, crossing.flatten(1, 3)), dim=1)
    area = area_in_windows(corners, window.expand(len(quads), 4))
    return points, torch.cat((inside, within, crosses.flatten(1)), dim=1), area


def polygon_moments(polygons: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Area (...), centroid (..., 2) and covariance (..., 2, 2) of evenly filled polygons.

    All in float64. A polygon without area has its first corner as centroid and no covariance.

    Args:
        polygons: (..., K, 2), corners in order.
    """
    corners = in_float64(polygons)
    origin = corners[..., 0, :]
    corners = corners - origin[..., None, :]
    following = corners.roll(-1, dims=-2)
    (x, y), (next_x, next_y) = corners.unbind(-1), following.unbind(-1)
    cross = x * next_y - y * next_x
    twice = cross.sum(dim=-1)
    weight = cross / torch.where(twice == 0, 1, twice)[..., None]
    centroid = (weight[..., None] * (corners + following)).sum(dim=-2) / 3
    # Of the triangle from the origin to an edge (p, q): (p p^T + q q^T + (p + q)(p + q)^T) / 12
    halves = torch.stack((corners, following, corners + following), dim=-2)
    squares = (halves[..., :, None] * halves[..., None, :]).sum(dim=-3)
    second = (weight[..., None, None] * squares).sum(dim=-3) / 12
    spread = second - centroid[..., :, None] * centroid[..., None, :]
    return twice.abs() / 2, origin + centroid, spread


def in_float64(tensor: Tensor) -> Tensor:
    """The same numbers in float64, on the CPU where the device (MPS) has none."""
    device = torch.device("cpu") if tensor.device.type == "mps" else tensor.device
    return tensor.to(device, torch.float64)


def _in_windows(polygons: Tensor, windows: Tensor) -> tuple[Tensor, Tensor]:
    """Corners (..., K, 2) from the window's top left corner, and its sides (..., 2)."""
    corners, windows = in_float64(polygons), in_float64(windows)
    sides = (windows[..., 2:] - windows[..., :2]).clamp(min=0)
    placed = corners - windows[..., None, :2]
    return placed, sides.expand(*placed.shape[:-2], 2)


def _held(values: Tensor, limit: Tensor) -> Tensor:
    return torch.minimum(values, limit).clamp_(min=0)
