"""What the numbers of an oriented box mean: beside upright anchors, and in an oriented proposal."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from smalldet.geometry.boxes import xyxy_to_cxcywh
from smalldet.geometry.oriented import canonical, points_in_frames

MOST_LOG_SIDES = math.log(1000 / 16)  # as torchvision has it: no box is 62 times its anchor
LEAST_SIDE_PX = 1e-2  # thinner truth counts as this thick
# A shape closer to a square than this, in logarithms of its sides, is moved aside by as much: at a
# perfect square the angle has no gradient.
NO_SHAPE = 1e-4
QUARTER = math.pi / 2
# Angles that rounding has left this little short of upright are upright.
UPRIGHT_WITHIN = 1e-3


class ShapeCoder:
    """Codes (dx, dy, size, straight, diagonal) beside upright anchors, without a jump anywhere.

    The last three are the difference of two matrix logarithms: that of the truth's symmetric matrix
    with its axes and the logarithms of its sides, less that of the anchor. With s, l the logarithms
    of the sides, size = (l + s) / 2, straight = (l - s) / 2 cos 2a, diagonal = (l - s) / 2 sin 2a.
    They change smoothly as a box turns through the full circle and as its sides trade places. A
    square's angle they do not tell, and need not: as a Gaussian it has none.
    """

    num_codes = 5

    def encode_single(self, reference_boxes: Tensor, proposals: Tensor) -> Tensor:
        """Codes (N, 5) that lead from anchors (N, 4) xyxy to oriented boxes (N, 5)."""
        centres, sides = _centres_and_sides(proposals)
        shift = (reference_boxes[:, :2] - centres) / sides
        logs = reference_boxes[:, 2:4].clamp(min=LEAST_SIDE_PX).log()
        angle = 2 * reference_boxes[:, 4]
        size, elongation = logs.mean(1), (logs[:, 0] - logs[:, 1]) / 2
        shape = torch.stack((size, elongation * angle.cos(), elongation * angle.sin()), 1)
        return torch.cat((shift, shape - _shape_of(sides)), 1)

    def decode_single(self, rel_codes: Tensor, boxes: Tensor) -> Tensor:
        """Oriented boxes (N, 5) from codes (N, 5) and anchors (N, 4) xyxy."""
        centres, sides = _centres_and_sides(boxes)
        shape = rel_codes[:, 2:].clamp(-MOST_LOG_SIDES, MOST_LOG_SIDES) + _shape_of(sides)
        size, straight, diagonal = shape.unbind(1)
        square = straight.abs() + diagonal.abs() < NO_SHAPE
        straight = straight + 2 * NO_SHAPE * square
        elongation, angle = torch.hypot(straight, diagonal), torch.atan2(diagonal, straight) / 2
        rest = torch.stack(((size + elongation).exp(), (size - elongation).exp(), angle), 1)
        return torch.cat((centres + rel_codes[:, :2] * sides, rest), 1)


class MidpointCoder:
    """Codes (dx, dy, dw, dh, da, db) of oriented boxes beside upright anchors.

    The first four are of the box round the oriented one, as for upright boxes. da says how far its
    top corner lies from the middle of the upper side, in widths; db how far its right corner lies
    from the middle of the right side, in heights. What is decoded is a parallelogram, whose shorter
    diagonal is drawn out to make it a rectangle. A box that turns through upright jumps from one
    end of da and db to the other: there the box of either end is nearly the same.

    Args:
        weights: of the centre, the sides, and the midpoints.

    Source: Xie et al. 2021 (Oriented R-CNN), arXiv 2108.05699, section 3.1; weights are those of
        the authors' code.
    """

    num_codes = 6

    def __init__(self, weights: Sequence[float] = (1.0, 1.0, 2.0)) -> None:
        self.weights = weights

    def encode_single(self, reference_boxes: Tensor, proposals: Tensor) -> Tensor:
        """Codes (N, 6) that lead from anchors (N, 4) xyxy to oriented boxes (N, 5)."""
        centres, sides = _centres_and_sides(proposals)
        w, h, angle = reference_boxes[:, 2:].unbind(1)
        # The same rectangle with an angle in [0, pi/2): then its top corner is its top left one.
        turns = torch.floor((angle + UPRIGHT_WITHIN) / QUARTER)
        angle = (angle - turns * QUARTER).clamp(min=0)
        swapped = turns % 2 == 1
        w, h = torch.where(swapped, h, w), torch.where(swapped, w, h)
        cos, sin = angle.cos(), angle.sin()
        extent = torch.stack((w * cos + h * sin, w * sin + h * cos), 1).clamp(min=LEAST_SIDE_PX)
        midpoints = torch.stack((h * sin - w * cos, w * sin - h * cos), 1) / 2 / extent
        shift, grown = (reference_boxes[:, :2] - centres) / sides, (extent / sides).log()
        parts = zip((shift, grown, midpoints), self.weights, strict=True)
        return torch.cat([part * weight for part, weight in parts], 1)

    def decode_single(self, rel_codes: Tensor, boxes: Tensor) -> Tensor:
        """Oriented boxes (N, 5), canonical, from codes (N, 6) and anchors (N, 4) xyxy."""
        centres, sides = _centres_and_sides(boxes)
        shift, grown, midpoints = (
            part / weight
            for part, weight in zip(rel_codes.split(2, dim=1), self.weights, strict=True)
        )
        half = grown.clamp(max=MOST_LOG_SIDES).exp() * sides / 2
        offset = midpoints.clamp(-0.5, 0.5) * 2 * half
        top = torch.stack((offset[:, 0], -half[:, 1]), 1)
        right = torch.stack((half[:, 0], offset[:, 1]), 1)
        reach_top, reach_right = (torch.hypot(*corner.T) for corner in (top, right))
        reach = torch.maximum(reach_top, reach_right)
        top, right = top * (reach / reach_top)[:, None], right * (reach / reach_right)[:, None]
        along, across = right - top, right + top
        rest = (
            torch.hypot(*along.T),
            torch.hypot(*across.T),
            torch.atan2(along[:, 1], along[:, 0]),
        )
        return canonical(torch.cat((centres + shift * sides, torch.stack(rest, 1)), 1))


class FrameCoder:
    """Codes (dx, dy, dw, dh, da) of oriented boxes as oriented proposals see them.

    Shifts are along the proposal's own axes, in its sides. Of the ways to write a rectangle the one
    that is turned least from the proposal is taken: by an eighth of a turn at most.

    Args:
        weights: of the five numbers.

    Source: Ding et al. 2019 (RoI Transformer), arXiv 1812.00155, eq. 1, as in Oriented R-CNN.
    """

    num_codes = 5

    def __init__(self, weights: Sequence[float] = (10.0, 10.0, 5.0, 5.0, 10.0)) -> None:
        self.weights = tuple(weights)

    def encode_single(self, reference_boxes: Tensor, proposals: Tensor) -> Tensor:
        """Codes (N, 5) that lead from oriented proposals (N, 5) to oriented boxes (N, 5)."""
        seen_px = points_in_frames(reference_boxes[:, None, :2], proposals)[:, 0]
        sides = proposals[:, 2:4].clamp(min=LEAST_SIDE_PX)
        truth = reference_boxes[:, 2:4].clamp(min=LEAST_SIDE_PX)
        turn = reference_boxes[:, 4] - proposals[:, 4]
        quarters = torch.floor(turn / QUARTER + 0.5)
        truth = torch.where((quarters % 2 == 1)[:, None], truth.flip(1), truth)
        turn = (turn - quarters * QUARTER)[:, None]
        codes = torch.cat((seen_px / sides, (truth / sides).log(), turn), 1)
        return codes * codes.new_tensor(self.weights)

    def decode_single(self, rel_codes: Tensor, boxes: Tensor) -> Tensor:
        """Oriented boxes (N, 5), in any form, from codes (N, 5) and oriented proposals (N, 5)."""
        codes = rel_codes / rel_codes.new_tensor(self.weights)
        x, y = (codes[:, :2] * boxes[:, 2:4]).unbind(1)
        cos, sin = boxes[:, 4].cos(), boxes[:, 4].sin()
        centres = boxes[:, :2] + torch.stack((x * cos - y * sin, x * sin + y * cos), 1)
        sides = codes[:, 2:4].clamp(max=MOST_LOG_SIDES).exp() * boxes[:, 2:4]
        return torch.cat((centres, sides, boxes[:, 4:] + codes[:, 4:]), 1)


def _centres_and_sides(boxes: Tensor) -> tuple[Tensor, Tensor]:
    """(N, 2) each, of boxes (N, 4) xyxy."""
    return xyxy_to_cxcywh(boxes).split(2, dim=1)


def _shape_of(sides: Tensor) -> Tensor:
    """(N, 3) size, straight and diagonal of upright boxes with sides (N, 2)."""
    logs = sides.log()
    straight = (logs[:, 0] - logs[:, 1]) / 2
    return torch.stack((logs.mean(1), straight, torch.zeros_like(straight)), 1)
