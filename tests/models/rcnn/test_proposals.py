"""The first stage and regions in which objects may stand without a label."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torchvision.models.detection.rpn import RPNHead

from smalldet.models.rcnn.anchors import Anchors, box_coder, build_assign
from smalldet.models.rcnn.proposals import ProposalNetwork
from smalldet.targets import Target


@pytest.fixture
def network() -> ProposalNetwork:
    return ProposalNetwork(
        RPNHead(4, 1),
        Anchors([[8.0]], [1.0], [8]),
        box_coder(),
        build_assign("iou", 0.7, 0.3),
        num_proposals=10,
        nms_iou=0.7,
        num_sampled=256,
    )


def gradient_with_left_muted(
    network: ProposalNetwork, classes: list[bool], height_px: float = 64.0
) -> Tensor:
    """Scores rise row by row; the (8, 8) gradient of the objectness loss."""
    features = [torch.zeros(1, 4, 8, 8)]
    _, codes = network(features)
    objectness = torch.linspace(-1, 1, 64)[None].requires_grad_()
    target = Target(
        torch.zeros(0, 4),
        torch.zeros(0, dtype=torch.long),
        torch.tensor([[0.0, 0, 32, height_px]]),
        torch.tensor([classes]),
    )
    outputs = network.beside_anchors(features, objectness, codes)
    network.loss(outputs, [target], [torch.Generator().manual_seed(0)])[0].backward()
    assert objectness.grad is not None
    return objectness.grad.view(8, 8)


def test_nothing_is_background_where_all_classes_are_muted(network: ProposalNetwork) -> None:
    gradient = gradient_with_left_muted(network, [True, True])
    assert (gradient[:, :4] == 0).all() and (gradient[:, 4:] > 0).all()


def test_where_a_class_is_muted_what_looks_like_an_object_is_left_alone(
    network: ProposalNetwork,
) -> None:
    """Of the 32 muted anchors the 28 with the lowest scores learn that they are background."""
    gradient = gradient_with_left_muted(network, [False, True])
    assert (gradient[:7] > 0).all()
    assert (gradient[7, :4] == 0).all() and (gradient[7, 4:] > 0).all()


def test_nothing_is_background_in_a_muted_region_of_an_object_s_size(
    network: ProposalNetwork,
) -> None:
    """A cut object or a crowd is one object's worth of ground: none of it is known to be empty."""
    gradient = gradient_with_left_muted(network, [False, True], height_px=8)
    assert (gradient[0, :4] == 0).all() and (gradient[1:] > 0).all()
