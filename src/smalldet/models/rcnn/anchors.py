"""Anchors: where they stand, how large they are, and what their numbers mean."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Literal, Protocol

import torch
from pydantic import Field, field_validator
from torch import Tensor, nn
from torchvision.models.detection._utils import BoxCoder as CentreCoder

from smalldet.config.base import Frozen
from smalldet.models.assigners.anchors import iou_assign, nwd_rka_assign, rfla_assign
from smalldet.targets import Target

SMOOTH_L1_BETA = 1 / 9  # of box codes, as torchvision has it

AssignerName = Literal["iou", "nwd_rka", "rfla"]
Assign = Callable[[Tensor, Tensor], Tensor]
"""Anchors (A, 4), truth (N, 4) to (A,): a row of the truth, -1 for background, -2 for ignored."""


class AnchorConfig(Frozen):
    """Anchors of a family on torchvision's modules.

    The last two keys tell how others place them; checkpoints of others need that, new ones do not.
    """

    sizes: tuple[tuple[float, ...], ...] | None = Field(
        default=None, description="sides in pixels for each level, fine to coarse"
    )
    aspect_ratios: tuple[float, ...] = Field(
        default=(0.5, 1.0, 2.0), min_length=1, description="height / width"
    )
    rounded: bool = Field(default=False, description="corners on whole pixels, as torchvision's")
    offset: float = Field(
        default=0.5, ge=0, lt=1, description="of the first centre from the edge, in strides"
    )

    def build(self, sizes: Sequence[Sequence[float]], strides: Sequence[int]) -> Anchors:
        """Anchors of these sizes (those of the config, or what stands for them) at these levels."""
        return Anchors(sizes, self.aspect_ratios, strides, self.rounded, self.offset)

    @field_validator("sizes")
    @classmethod
    def _sound(
        cls, sizes: tuple[tuple[float, ...], ...] | None
    ) -> tuple[tuple[float, ...], ...] | None:
        if sizes is not None and (
            len({len(level) for level in sizes}) != 1 or min(min(level) for level in sizes) <= 0
        ):
            raise ValueError("every level needs as many sizes, all above 0 px")
        return sizes


class Anchors(nn.Module):
    """Boxes of stated sizes and aspect ratios around every place of every level.

    Unlike torchvision's generator it is told the strides: that one derives them from the
    picture's side, and is off (61 instead of 64 px) where a level's size was rounded up.

    Args:
        sizes: for each level, sides of squares of the anchors' area, in pixels.
        aspect_ratios: heights / widths.
        strides: of the levels.
        rounded: corners on whole pixels.
        offset: of the first centre from the picture's edge, in strides.

    Raises:
        ValueError: levels of `sizes` and `strides` differ in number.
    """

    def __init__(
        self,
        sizes: Sequence[Sequence[float]],
        aspect_ratios: Sequence[float],
        strides: Sequence[int],
        rounded: bool = False,
        offset: float = 0.5,
    ) -> None:
        super().__init__()
        if len(sizes) != len(strides):
            raise ValueError(
                f"anchors have sizes for {len(sizes)} levels; there are {len(strides)} levels, "
                f"of strides {tuple(strides)}"
            )
        self.strides = tuple(strides)
        self.offset = offset
        self.num_each = len(sizes[0]) * len(aspect_ratios)
        self.register_buffer("cells", _cells(sizes, aspect_ratios, rounded), persistent=False)

    cells: Tensor

    def forward(self, level_sizes: Sequence[torch.Size]) -> list[Tensor]:
        """(H * W * A, 4) xyxy of each level, for levels of (H, W) places."""
        return [
            (_shifts(size, stride, self.offset, self.cells)[:, None] + cells).reshape(-1, 4)
            for size, stride, cells in zip(level_sizes, self.strides, self.cells, strict=True)
        ]

    def for_picture(self, size: tuple[int, int]) -> Tensor:
        """(N, 4) xyxy of all levels, for a picture of (height, width) pixels."""
        levels = [torch.Size(-(-side // s) for side in size) for s in self.strides]
        return torch.cat(self(levels))


def _cells(sizes: Sequence[Sequence[float]], ratios: Sequence[float], rounded: bool) -> Tensor:
    """(L, A, 4) xyxy around (0, 0), ratio by ratio."""
    heights = torch.tensor(ratios, dtype=torch.float32).sqrt()[None, :, None]
    sides = torch.tensor(sizes, dtype=torch.float32)[:, None, :]
    h, w = (heights * sides).flatten(1), (1 / heights * sides).flatten(1)
    cells = torch.stack([-w, -h, w, h], dim=2) / 2
    return cells.round() if rounded else cells


def _shifts(size: torch.Size, stride: int, offset: float, like: Tensor) -> Tensor:
    """(H * W, 4) centres, twice, row by row."""
    y, x = ((torch.arange(n, dtype=like.dtype, device=like.device) + offset) * stride for n in size)
    y, x = torch.meshgrid(y, x, indexing="ij")
    return torch.stack([x, y, x, y], dim=-1).view(-1, 4)


class BoxCoder(Protocol):
    """What the numbers of a box mean; torchvision's coder by centre is one.

    Boxes, anchors and codes are (N, 4) where boxes are upright; `oriented_coders.py` has others.
    """

    def encode_single(self, reference_boxes: Tensor, proposals: Tensor) -> Tensor:
        """Codes that lead from anchors (or proposals) to boxes."""
        ...

    def decode_single(self, rel_codes: Tensor, boxes: Tensor) -> Tensor:
        """Boxes from codes and anchors (or proposals)."""
        ...


def box_coder(weights: tuple[float, float, float, float] = (1.0, 1.0, 1.0, 1.0)) -> BoxCoder:
    """torchvision's: shifts of the centre in sides, logarithms of the sides, times `weights`."""
    return CentreCoder(weights)


class CornerCoder:
    """Box codes as corners: (dx1, dy1, dx2, dy2) in sides of the anchor, times `weight`.

    The coding of keras-retinanet (`bbox_transform`), whose standard deviation of 0.2 is a weight
    of 5.
    """

    def __init__(self, weight: float = 5.0) -> None:
        self.weight = weight

    def encode_single(self, reference_boxes: Tensor, proposals: Tensor) -> Tensor:
        return self.weight * (reference_boxes - proposals) / _sides_twice(proposals)

    def decode_single(self, rel_codes: Tensor, boxes: Tensor) -> Tensor:
        return boxes + rel_codes / self.weight * _sides_twice(boxes)


def _sides_twice(boxes: Tensor) -> Tensor:
    return (boxes[:, 2:] - boxes[:, :2]).repeat(1, 2)


def num_held(assign: Assign, anchors: Tensor, targets: Sequence[Target]) -> list[Tensor]:
    """(N,) anchors that learn each object, for each picture."""
    counts = []
    for target in targets:
        matched = assign(anchors, target.boxes)
        counts.append(torch.bincount(matched[matched >= 0], minlength=len(target.boxes)))
    return counts


def build_assign(name: AssignerName, positive_iou: float, negative_iou: float) -> Assign:
    """The assigner of that name; the thresholds are those of `iou`."""
    if name == "iou":
        return partial(iou_assign, positive_from=positive_iou, negative_below=negative_iou)
    return {"nwd_rka": nwd_rka_assign, "rfla": rfla_assign}[name]
