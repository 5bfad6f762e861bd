"""What the numbers of an oriented box mean: beside upright anchors, and in an oriented proposal.

The first four are those of an upright box, of which `more` are the others.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from smalldet.geometry.boxes import xyxy_to_cxcywh
from smalldet.geometry.log_shapes import axes_of_log_shapes, log_shapes
from smalldet.geometry.oriented import canonical, points_in_frames

MOST_LOG_SIDES = math.log(1000 / 16)  # as torchvision has it: no box is 62 times its anchor
LEAST_SIDE_PX = 1e-2  # thinner truth counts as this thick
QUARTER = math.pi / 2
# Angles that rounding has left this little short of upright are upright.
UPRIGHT_WITHIN = 1e-3


class ShapeCoder:
    """Codes (dx, dy, dw, dh, turn) beside upright anchors, without a jump anywhere.

    The last three are the difference of two log shapes (`geometry.log_shapes`), the box's less the
    anchor's. Where the turn is 0 they are torchvision's codes of an upright box. A square's angle
    they do not tell, nor could they learn it: as a Gaussian it has none.
    """

    more = (0.0,)

    def encode_single(self, reference_boxes: Tensor, proposals: Tensor) -> Tensor:
        """Codes (N, 5) that lead from anchors (N, 4) xyxy to oriented boxes (N, 5)."""
        centres, sides = _centres_and_sides(proposals)
        shift = (reference_boxes[:, :2] - centres) / sides
        rest = reference_boxes[:, 2:4].clamp(min=LEAST_SIDE_PX), reference_boxes[:, 4:]
        shapes = log_shapes(torch.cat((reference_boxes[:, :2], *rest), 1))
        return torch.cat((shift, shapes - F.pad(sides.log(), (0, 1))), 1)

    def decode_single(self, rel_codes: Tensor, boxes: Tensor) -> Tensor:
        """Oriented boxes (N, 5), canonical, from codes (N, 5) and anchors (N, 4) xyxy."""
        centres, sides = _centres_and_sides(boxes)
        shapes = rel_codes[:, 2:].clamp(-MOST_LOG_SIDES, MOST_LOG_SIDES)
        axes = axes_of_log_shapes(shapes + F.pad(sides.log(), (0, 1)))
        return torch.cat((centres + rel_codes[:, :2] * sides, axes[:, :2].exp(), axes[:, 2:]), 1)


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

    more = (-1.0, -1.0)

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

    more = (0.0,)

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
    cxcywh = xyxy_to_cxcywh(boxes)
    return cxcywh[:, :2], cxcywh[:, 2:]
