"""The second stage of R-CNN: what each proposal holds.

The modules are torchvision's, and so are the keys of their weights; what is done with them is
written here, for the same reasons as in the first stage.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.ops import roi_align

from smalldet.geometry.boxes import box_areas
from smalldet.models.losses import mean_over_processes, mute_mask
from smalldet.models.rcnn.anchors import SMOOTH_L1_BETA, BoxCoder
from smalldet.models.rcnn.box_forms import UPRIGHT, BoxForm
from smalldet.models.rcnn.sampling import BACKGROUND, sampled
from smalldet.targets import Target

BoxErrors = Callable[[Tensor, Tensor], Tensor]


class RegionPool(nn.Module):
    """Features of boxes, each from the level of its size: torchvision's, or by `aligned` others'.

    Args:
        output_px: side of the result.
        strides: of the levels pooled from.
        sampling_ratio: samples a bin and axis; 0 as many as there are pixels.
        aligned: pixel centres at halves, as in Detectron2.

    Source: levels of Lin et al. 2017, arXiv 1612.03144, eq. 1.
    """

    def __init__(
        self, output_px: int, strides: Sequence[int], sampling_ratio: int = 2, aligned: bool = False
    ) -> None:
        super().__init__()
        self.output_px = output_px
        self.strides = tuple(strides)
        self.sampling_ratio = sampling_ratio
        self.aligned = aligned

    def forward(self, features: list[Tensor], boxes: list[Tensor]) -> Tensor:
        """(R, C, output_px, output_px) for the boxes (P, 4) of all pictures, in order."""
        picture = torch.cat([torch.full_like(part[:, :1], i) for i, part in enumerate(boxes)])
        rois = torch.cat([picture, torch.cat(boxes)], 1)
        levels = self._levels(rois[:, 1:])
        pooled = features[0].new_zeros(
            len(rois), features[0].shape[1], self.output_px, self.output_px
        )
        for number, stride in enumerate(self.strides):
            here = (levels == number).nonzero()[:, 0]
            pooled[here] = self._align(features[number], rois[here], stride)
        return pooled

    def _align(self, level: Tensor, rois: Tensor, stride: int) -> Tensor:
        """(R, C, output_px, output_px) of a level (B, C, H, W); rois are pictures and boxes."""
        return roi_align(
            level,
            rois.to(level.dtype),
            self.output_px,
            1 / stride,
            self.sampling_ratio,
            self.aligned,
        )

    def _areas(self, boxes: Tensor) -> Tensor:
        return box_areas(boxes)

    def _levels(self, boxes: Tensor) -> Tensor:
        """A box of 224 px is pooled at stride 16, half of it at half the stride."""
        sides = self._areas(boxes).sqrt()
        level = torch.floor(4 + torch.log2(sides / 224) + 1e-6)
        finest, coarsest = (self.strides[i].bit_length() - 1 for i in (0, -1))
        return level.clamp(finest, coarsest).long() - finest


class Drawn(NamedTuple):
    """Proposals of a picture that learn: boxes (R, size), rows of the truth (R,), labels (R,) with
    0 for background, classes that are muted there (R, C)."""

    boxes: Tensor
    rows: Tensor
    labels: Tensor
    muted: Tensor


class RegionHeads(nn.Module):
    """The second stage: what each proposal holds, and its box.

    Output 0 is background, as torchvision has it.

    Args:
        box_head: pooled features to a vector.
        box_predictor: vector to (R, C + 1) logits and (R, K * (C + 1)) codes.
        pool: of boxes.
        coder: of boxes, by K numbers each.
        num_sampled: proposals of a picture that learn.
        positive_frac: most of them that hold an object.
        positive_iou: a proposal with as much of an object holds it; one with less is background.
        box_loss: of decoded boxes and truth; default smooth L1 of the codes.
        form: of the boxes.
    """

    def __init__(
        self,
        box_head: nn.Module,
        box_predictor: nn.Module,
        pool: RegionPool,
        coder: BoxCoder,
        *,
        num_sampled: int,
        positive_frac: float = 0.25,
        positive_iou: float = 0.5,
        box_loss: BoxErrors | None = None,
        form: BoxForm = UPRIGHT,
    ) -> None:
        super().__init__()
        self.box_head = box_head
        self.box_predictor = box_predictor
        self.pool = pool
        self.coder = coder
        self.num_sampled = num_sampled
        self.positive_frac = positive_frac
        self.positive_iou = positive_iou
        self.box_loss = box_loss
        self.form = form

    def forward(self, features: list[Tensor], boxes: list[Tensor]) -> tuple[Tensor, Tensor]:
        """(R, C + 1) logits and (R, C + 1, K) codes for the boxes of all pictures."""
        logits, codes = self.box_predictor(self.box_head(self.pool(features, boxes)))
        return logits, codes.view(*logits.shape, codes.shape[1] // logits.shape[1])

    @torch.no_grad()
    def draw(self, proposals: Tensor, target: Target, generator: torch.Generator) -> Drawn:
        """Proposals of one picture that learn, its objects themselves among the candidates."""
        truth = self.form.truth(target)
        boxes = torch.cat([proposals, truth.to(proposals)])
        rows = torch.zeros(len(boxes), dtype=torch.long, device=boxes.device)
        labels = torch.zeros_like(rows)
        if len(truth):
            best, rows = self.form.overlaps(boxes, truth).max(1)
            labels = torch.where(best >= self.positive_iou, target.labels[rows] + 1, BACKGROUND)
        drawn = sampled(labels, self.num_sampled, self.positive_frac, generator)
        boxes, labels = boxes[drawn], labels[drawn]
        return Drawn(boxes, rows[drawn], labels, mute_mask(self.form.centres(boxes), target))

    def loss(
        self, features: list[Tensor], drawn: Sequence[Drawn], targets: Sequence[Target]
    ) -> tuple[Tensor, Tensor]:
        """Class and box loss over the number of proposals drawn."""
        boxes = [part.boxes for part in drawn]
        logits, codes = self(features, boxes)
        labels = torch.cat([part.labels for part in drawn])
        muted = torch.cat([part.muted for part in drawn])
        held = labels.nonzero()[:, 0]
        pairs = zip(drawn, targets, strict=True)
        truth = torch.cat([self.form.truth(t)[part.rows[part.labels > 0]] for part, t in pairs])
        anchors, codes = torch.cat(boxes)[held], codes[held, labels[held]].float()
        if self.box_loss is None:
            wanted = self.coder.encode_single(truth, anchors)
            errors = F.smooth_l1_loss(codes, wanted, beta=SMOOTH_L1_BETA, reduction="sum")
        else:
            errors = self.box_loss(self.coder.decode_single(codes, anchors), truth).sum()
        norm = mean_over_processes(codes.new_tensor(float(len(labels)))).clamp(min=1)
        return _muted_cross_entropy(logits.float(), labels, muted).sum() / norm, errors / norm


def _muted_cross_entropy(logits: Tensor, labels: Tensor, muted: Tensor) -> Tensor:
    """(R,) cross entropy in which a muted place is background *or any of its muted classes*.

    So nothing pushes a muted class down at a place where it may stand unlabelled, and the others
    still learn that they are not there; where all are muted the loss is 0. An object with a label
    counts against every other class as usual.

    Args:
        logits: (R, C + 1), background first.
        labels: (R,), 0 for background.
        muted: (R, C) bool.
    """
    allowed = F.one_hot(labels, logits.shape[1]).bool()
    allowed[:, 1:] |= muted & (labels == BACKGROUND)[:, None]
    possible = logits.masked_fill(~allowed, float("-inf"))
    return logits.logsumexp(1) - possible.logsumexp(1)
