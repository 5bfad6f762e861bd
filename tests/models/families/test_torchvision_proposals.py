"""The first stage is silent where any class is muted."""

from __future__ import annotations

import torch
from torchvision.models.detection.rpn import RPNHead

from smalldet.models.families.torchvision_anchors import Anchors, box_coder, build_assign
from smalldet.models.families.torchvision_proposals import ProposalNetwork
from smalldet.targets import Target


def test_proposals_get_no_negatives_where_any_class_is_muted() -> None:
    """The gradient of objectness is zero in the muted half, and not in the other."""
    network = ProposalNetwork(
        RPNHead(4, 1),
        Anchors([[8.0]], [1.0], [8]),
        box_coder(),
        build_assign("iou", 0.7, 0.3),
        num_proposals=10,
        nms_iou=0.7,
        num_sampled=256,
    )
    raw = network.raw([torch.rand(1, 4, 8, 8)])
    raw.objectness.retain_grad()
    target = Target(
        torch.zeros(0, 4),
        torch.zeros(0, dtype=torch.long),
        torch.tensor([[0.0, 0, 32, 64]]),
        torch.tensor([[False, True]]),
    )
    objectness, _ = network.loss(raw, [target], [torch.Generator().manual_seed(0)])
    objectness.backward()
    gradient = raw.objectness.grad
    assert gradient is not None
    halves = gradient.view(8, 8)
    assert (halves[:, :4] == 0).all() and (halves[:, 4:] > 0).all()
