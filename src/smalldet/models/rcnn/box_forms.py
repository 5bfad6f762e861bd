"""What a box is to the parts of R-CNN: upright, or oriented."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from torch import Tensor
from torchvision.ops import box_iou

from smalldet.geometry.boxes import clip_boxes
from smalldet.geometry.oriented import enclosing_boxes
from smalldet.geometry.rotated import rotated_iou_table
from smalldet.models.rcnn.sampling import centres_of
from smalldet.targets import Target


class BoxForm(NamedTuple):
    """Boxes of one form, (N, size).

    Args:
        size: numbers of a box.
        truth: boxes of a target.
        centres: (N, 2) of boxes.
        enclosing: (N, 4) xyxy round boxes.
        within: boxes as they are reported of a picture of this width and height.
        overlaps: (N, M) IoU of boxes (N, size) and (M, size).
    """

    size: int
    truth: Callable[[Target], Tensor]
    centres: Callable[[Tensor], Tensor]
    enclosing: Callable[[Tensor], Tensor]
    within: Callable[[Tensor, float, float], Tensor]
    overlaps: Callable[[Tensor, Tensor], Tensor]


UPRIGHT = BoxForm(
    size=4,
    truth=lambda target: target.boxes,
    centres=centres_of,
    enclosing=lambda boxes: boxes,
    within=clip_boxes,
    overlaps=box_iou,
)
# A piece of a cut object may reach out of its tile, so nothing is clipped.
ORIENTED = BoxForm(
    size=5,
    truth=Target.oriented,
    centres=lambda rboxes: rboxes[:, :2],
    enclosing=enclosing_boxes,
    within=lambda rboxes, width, height: rboxes,
    overlaps=rotated_iou_table,
)
