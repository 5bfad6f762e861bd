"""Refiner: a second look at found boxes, in the pixels themselves."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torchvision.ops import roi_align

from smalldet.geometry.boxes import box_sides

# Up to the first side a box is moved wholly, from the second on not at all: a grid of few pixels
# says less of a large object than the features that found it.
WHOLLY_PX = 8.0
NOT_PX = 16.0
# A patch this flat, as a standard deviation of 0..1, is not stretched to full contrast: its noise
# would be all that is seen.
LEAST_CONTRAST = 0.025
# e^2: a look at a box cannot tell a side of more than seven times its own
MOST_LOG_SIDE = 2.0


class PixelRefiner(nn.Module):
    """Moves the edges of a tiny box by what the picture shows in it and round it.

    An object of 5 px is one cell at stride 4, and edges that are half a pixel off cost a third of
    its IoU. A grid over the box and half a side round it has about the picture's own resolution for
    such an object and shows the edges themselves. Boxes up to 8 px are moved wholly, those from
    16 px on not at all. Only what is found is looked at, so that the time hardly counts beside the
    detector's; what a box is, and how certain, stays as it was.

    Args:
        patch_px: side of the grid.
        margin: side of what is looked at, in sides of the box.
        width: of the two hidden layers.

    Source: regression of a second stage from its box's own samples, as in Cascade R-CNN (Cai and
        Vasconcelos 2018, arXiv 1712.00726), here from pixels; sampling is RoIAlign (He et al. 2017,
        arXiv 1703.06870).
    """

    def __init__(self, patch_px: int = 12, margin: float = 2.0, width: int = 128) -> None:
        super().__init__()
        self.patch_px = patch_px
        self.margin = margin
        self.layers = nn.Sequential(
            nn.Linear(3 * patch_px**2, width),
            nn.ReLU(inplace=True),
            nn.Linear(width, width),
            nn.ReLU(inplace=True),
        )
        self.shift = nn.Linear(width, 4)
        # boxes start out nearly where they are, so that training can begin from any detector
        nn.init.normal_(self.shift.weight, std=0.01)
        nn.init.zeros_(self.shift.bias)

    def forward(self, images: Tensor, boxes: Tensor, pictures: Tensor) -> Tensor:
        """(P, 4) boxes, xyxy pixels, a little nearer to what they frame.

        Args:
            images: (B, 3, H, W) float, 0..1.
            boxes: (P, 4) xyxy pixels.
            pictures: (P,) position of each box's picture in the batch.
        """
        # in float32 throughout: sides of a few pixels are to be told to a tenth
        with torch.autocast(images.device.type, enabled=False):
            boxes = boxes.float()
            centre = (boxes[:, :2] + boxes[:, 2:]) / 2
            side = (boxes[:, 2:] - boxes[:, :2]).clamp(min=1.0)
            reach = side * self.margin / 2
            windows = torch.cat([pictures[:, None].float(), centre - reach, centre + reach], 1)
            patches = roi_align(
                images.float(), windows, self.patch_px, sampling_ratio=2, aligned=True
            )
            shift = self.shift(self.layers(_stretched(patches).flatten(1)))
            share = (NOT_PX - box_sides(boxes)) / (NOT_PX - WHOLLY_PX)
            shift = shift * share.clamp(0, 1)[:, None]
            centre = centre + shift[:, :2] * side
            half = side / 2 * shift[:, 2:].clamp(-MOST_LOG_SIDE, MOST_LOG_SIDE).exp()
            return torch.cat([centre - half, centre + half], 1)


def _stretched(patches: Tensor) -> Tensor:
    """(P, C, S, S) with every band's mean taken off and one contrast: bright or dim look alike."""
    patches = patches - patches.mean((2, 3), keepdim=True)
    contrast = patches.square().mean((1, 2, 3), keepdim=True).sqrt()
    return patches / contrast.clamp(min=LEAST_CONTRAST)
