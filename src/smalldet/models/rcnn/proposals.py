"""The first stage of R-CNN: where anything may be.

The head is torchvision's, and so are the keys of its weights. What is done with it is written here,
because torchvision's own steps depend on `training`, draw from the global generator and know no
mute regions.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.models.detection.rpn import RPNHead
from torchvision.ops import batched_nms

from smalldet.columns import take
from smalldet.geometry.boxes import clip_boxes
from smalldet.models.losses import mean_over_processes, mute_mask
from smalldet.models.rcnn.anchors import (
    SMOOTH_L1_BETA,
    Anchors,
    Assign,
    BoxCoder,
)
from smalldet.models.rcnn.box_forms import UPRIGHT, BoxForm
from smalldet.models.rcnn.box_outputs import beside_each_other
from smalldet.models.rcnn.sampling import (
    BACKGROUND,
    IGNORED,
    centres_of,
    sampled,
)
from smalldet.targets import Target

MIN_PROPOSAL_PX = 1e-3
# a mute region this wide, as a share of the picture, is ground that nobody labelled, no object
WIDE_FRAC = 0.25
# of the anchors on such ground, those that least look like an object
QUIET_FRAC = 0.9


class AnchorOutputs(NamedTuple):
    """Of the first stage: (B, A) objectness logits, (B, A, K) codes, anchors by level."""

    objectness: Tensor
    codes: Tensor
    anchors: list[Tensor]


class ProposalNetwork(nn.Module):
    """The first stage: where anything may be.

    Args:
        head: torchvision's.
        anchors: of all levels.
        coder: of boxes, by K numbers each.
        assign: anchors (A, 4) and truth (N, 4) to (A,) rows of the truth, -1 background,
            -2 ignored.
        num_proposals: most of a level before and of a picture after suppression.
        nms_iou: of suppression within a level.
        num_sampled: anchors of a picture that learn.
        positive_frac: most of them that hold an object.
        form: of the proposals.
    """

    def __init__(
        self,
        head: RPNHead,
        anchors: Anchors,
        coder: BoxCoder,
        assign: Assign,
        *,
        num_proposals: int,
        nms_iou: float,
        num_sampled: int,
        positive_frac: float = 0.5,
        form: BoxForm = UPRIGHT,
    ) -> None:
        super().__init__()
        self.head = head
        self.anchors = anchors
        self.coder = coder
        self.assign = assign
        self.num_proposals = num_proposals
        self.nms_iou = nms_iou
        self.num_sampled = num_sampled
        self.positive_frac = positive_frac
        self.form = form

    def forward(self, features: list[Tensor]) -> tuple[Tensor, Tensor]:
        """Objectness logits (B, A) and box codes (B, A, K) of all anchors of all levels."""
        objectness, codes = self.head(features)
        each = self.anchors.num_each
        return beside_each_other(objectness, each).squeeze(2), beside_each_other(codes, each)

    def beside_anchors(
        self, features: list[Tensor], objectness: Tensor, codes: Tensor
    ) -> AnchorOutputs:
        """What `forward` gave for these features, with the anchors that it speaks of."""
        anchors = self.anchors([level.shape[-2:] for level in features])
        return AnchorOutputs(objectness, codes, anchors)

    @torch.no_grad()
    def propose(self, outputs: AnchorOutputs, height: int, width: int) -> list[Tensor]:
        """Proposals (P, 4) of each picture, strongest first; the same in training.

        Oriented ones are (P, 5), and suppressed by the boxes round them.
        """
        proposals = []
        sizes = [len(level) for level in outputs.anchors]
        for scores, codes in zip(outputs.objectness.float(), outputs.codes.float(), strict=True):
            boxes, strength, levels = [], [], []
            parts = zip(scores.split(sizes), codes.split(sizes), outputs.anchors, strict=True)
            for number, (level_scores, level_codes, anchors) in enumerate(parts):
                top, rows = level_scores.topk(min(self.num_proposals, len(level_scores)))
                decoded = self.coder.decode_single(level_codes[rows], anchors[rows])
                boxes.append(self.form.within(decoded, width, height))
                strength.append(top)
                levels.append(torch.full_like(rows, number))
            box, score, level = torch.cat(boxes), torch.cat(strength).sigmoid(), torch.cat(levels)
            outer = clip_boxes(self.form.enclosing(box), width, height)
            large = ((outer[:, 2:] - outer[:, :2]) >= MIN_PROPOSAL_PX).all(1)
            box, outer, score, level = box[large], outer[large], score[large], level[large]
            kept = batched_nms(outer, score, level, self.nms_iou)
            proposals.append(box[kept[: self.num_proposals]])
        return proposals

    def loss(
        self,
        outputs: AnchorOutputs,
        targets: Sequence[Target],
        generators: Sequence[torch.Generator],
    ) -> tuple[Tensor, Tensor]:
        """Objectness and box loss of the anchors drawn, over their number.

        An anchor in a region that mutes any class is not known to be background. On wide ground
        that mutes only some classes all but the tenth that the network itself scores highest
        learn that they are: objects hold fewer anchors than that, and where every picture mutes
        a class, as with two half-labelled sets, nothing else would tell background apart.
        """
        anchors = torch.cat(outputs.anchors)
        objectness_sum, box_sum = outputs.objectness.new_zeros(()), outputs.codes.new_zeros(())
        num_drawn = 0
        for picture, (target, generator) in enumerate(zip(targets, generators, strict=True)):
            with torch.no_grad():
                matched = self.assign(anchors, target.boxes)
                labels = torch.where(
                    matched >= 0, 1, torch.where(matched == -1, BACKGROUND, IGNORED)
                )
                if len(target.mute_boxes):
                    centres = centres_of(anchors)
                    muted = mute_mask(centres, target)
                    silent = muted.any(1) & (labels == BACKGROUND)
                    labels[silent] = IGNORED
                    open_ground = ~muted.all(1) & ~_in_narrow_region(centres, target)
                    ground = (silent & open_ground).nonzero()[:, 0]
                    labels[_quiet(outputs.objectness[picture], ground)] = BACKGROUND
                drawn = sampled(labels, self.num_sampled, self.positive_frac, generator)
                held = drawn[labels[drawn] == 1]
                truth = self.form.truth(target)[matched[held]]
                wanted = self.coder.encode_single(truth, anchors[held])
            objectness_sum = objectness_sum + F.binary_cross_entropy_with_logits(
                outputs.objectness[picture, drawn].float(), labels[drawn].float(), reduction="sum"
            )
            codes = outputs.codes[picture, held].float()
            box_sum = box_sum + F.smooth_l1_loss(
                codes, wanted, beta=SMOOTH_L1_BETA, reduction="sum"
            )
            num_drawn += len(drawn)
        norm = mean_over_processes(box_sum.new_tensor(float(num_drawn))).clamp(min=1)
        return objectness_sum / norm, box_sum / norm


def _in_narrow_region(centres: Tensor, target: Target) -> Tensor:
    """(A,) bool: in a mute region that may be an object: a cut one, or a crowd."""
    sides = target.mute_boxes[:, 2:] - target.mute_boxes[:, :2]
    narrow = (sides < WIDE_FRAC * centres.amax(0).to(sides)).any(1)
    return mute_mask(centres, take(target, narrow, "mute regions")).any(1)


def _quiet(objectness: Tensor, rows: Tensor) -> Tensor:
    """Those of `rows` (K,) that least look like an object by `objectness` (A,)."""
    order = objectness[rows].argsort(stable=True)
    return rows[order[: int(len(rows) * QUIET_FRAC)]]
