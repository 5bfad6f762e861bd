"""Shapes of oriented boxes as points of a flat space, in which nothing jumps.

The shape of a box is the symmetric matrix whose eigenvectors are its axes and whose eigenvalues are
its sides. Here stands the logarithm of that matrix, by its three numbers (a, b, t) for
[[a, t], [t, b]]. However a box is written, its shape is one point, and every point is a shape: half
a turn comes back to where it began, and a square is one point for all of its directions. So means
and differences of shapes need no care for angles. Of an upright box a is the log of its width and
b that of its height, and t is 0.

Source: the log-Euclidean space of Arsigny et al. 2006, doi 10.1002/mrm.20965.
"""

from __future__ import annotations

import torch
from torch import Tensor

# A box whose sides differ by less than this part of them has no direction, nor a slope to one.
_SQUARE = 1e-5


def log_shapes(rboxes: Tensor) -> Tensor:
    """(..., 5) oriented boxes with positive sides, in any form, to (..., 3): a, b, t."""
    logs, twice = rboxes[..., 2:4].log(), 2 * rboxes[..., 4]
    mean, stretch = (logs[..., 0] + logs[..., 1]) / 2, (logs[..., 0] - logs[..., 1]) / 2
    along, turned = stretch * twice.cos(), stretch * twice.sin()
    return torch.stack((mean + along, mean - along, turned), dim=-1)


def axes_of_log_shapes(shapes: Tensor) -> Tensor:
    """(..., 3) log shapes a, b, t to (..., 3): log w, log h and angle, with w >= h.

    The angle lies in [-pi/2, pi/2]; of a square it is 0. Slopes are finite everywhere.
    """
    a, b, turned = shapes.unbind(-1)
    mean, along = (a + b) / 2, (a - b) / 2
    square = torch.maximum(along.abs(), turned.abs()) < _SQUARE / 2
    along = torch.where(square, _SQUARE / 2, along)
    stretch, angle = torch.hypot(along, turned), torch.atan2(turned, along) / 2
    stretch = torch.where(square, 0.0, stretch)
    return torch.stack((mean + stretch, mean - stretch, angle), dim=-1)
