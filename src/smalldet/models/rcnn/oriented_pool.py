"""Features of oriented boxes, sampled along their own axes."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from smalldet.geometry.oriented import rbox_areas
from smalldet.models.rcnn.regions import RegionPool

# Bounds memory: samples of all channels at once.
SAMPLES_AT_ONCE = 1 << 25


class OrientedPool(RegionPool):
    """`RegionPool` of oriented boxes (P, 5): columns of the result run along w, rows along h.

    The samples are those of torchvision's `roi_align`, turned with the box: at an angle of 0 the
    two are equal (`aligned`; without it `roi_align` also widens boxes thinner than a place).

    Source: Ding et al. 2019 (RoI Transformer), arXiv 1812.00155, section 3.3; Xie et al. 2021,
        arXiv 2108.05699.
    """

    def _areas(self, boxes: Tensor) -> Tensor:
        return rbox_areas(boxes)

    def _align(self, level: Tensor, rois: Tensor, stride: int) -> Tensor:
        side = self.output_px
        pooled = level.new_zeros(len(rois), level.shape[1], side, side)
        step = max(1, SAMPLES_AT_ONCE // (level.shape[1] * (side * self.sampling_ratio) ** 2))
        rboxes = torch.cat((rois[:, 1:5] / stride, rois[:, 5:]), 1)
        for number, features in enumerate(level.float()):
            for rows in (rois[:, 0] == number).nonzero()[:, 0].split(step):
                pooled[rows] = self._sampled(features, rboxes[rows]).to(pooled.dtype)
        return pooled

    def _sampled(self, features: Tensor, rboxes: Tensor) -> Tensor:
        """(P, C, output_px, output_px) of features (C, H, W); boxes in places, not pixels."""
        num = self.output_px * self.sampling_ratio
        steps = (torch.arange(num, device=rboxes.device) + 0.5) / num - 0.5
        along, across = (steps * rboxes[:, 2:3])[:, None, :], (steps * rboxes[:, 3:4])[:, :, None]
        x, y, cos, sin = (
            part[:, None, None]
            for part in (rboxes[:, 0], rboxes[:, 1], rboxes[:, 4].cos(), rboxes[:, 4].sin())
        )
        # of `grid_sample`: -1 and 1 are the map's borders, half a place beyond its outer centres
        offset = 0.0 if self.aligned else 1.0
        size = rboxes.new_tensor(features.shape[:0:-1])
        places = torch.stack((x + along * cos - across * sin, y + along * sin + across * cos), -1)
        grid = (2 * places + offset) / size - 1
        # As `roi_align` has it, samples count as the border's up to a place beyond its centres.
        reach = places - 0.5 + offset / 2
        inside = ((reach >= -1) & (reach <= size)).all(-1)
        found = F.grid_sample(
            features[None], grid.flatten(0, 1)[None], padding_mode="border", align_corners=False
        )
        found = (found[0] * inside.flatten(0, 1)).unflatten(1, (-1, num))
        return F.avg_pool2d(found.transpose(0, 1), self.sampling_ratio)
