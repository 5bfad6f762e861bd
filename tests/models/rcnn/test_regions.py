"""The second stage: pooling as torchvision's, and silence in mute regions."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torchvision.ops import MultiScaleRoIAlign

from smalldet.models.rcnn.regions import RegionPool, _muted_cross_entropy


def test_pooling_is_torchvisions() -> None:
    features = [torch.rand(2, 4, 64, 64), torch.rand(2, 4, 32, 32), torch.rand(2, 4, 16, 16)]
    corners = torch.rand(2, 30, 2) * 100
    boxes = list(torch.cat([corners, corners + 1 + torch.rand(2, 30, 2) ** 2 * 150], 2))
    theirs = MultiScaleRoIAlign(["0", "1", "2"], 7, 2)(
        {str(i): level for i, level in enumerate(features)}, boxes, [(256, 256)] * 2
    )
    assert torch.equal(RegionPool(7, (4, 8, 16))(features, boxes), theirs)


def test_cross_entropy_is_the_usual_one_where_nothing_is_muted() -> None:
    logits, labels = torch.randn(6, 4), torch.tensor([0, 1, 2, 3, 0, 1])
    ours = _muted_cross_entropy(logits, labels, torch.zeros(6, 3, dtype=torch.bool))
    torch.testing.assert_close(ours, F.cross_entropy(logits, labels, reduction="none"))


def test_nothing_pushes_a_muted_class_down_at_a_background_place() -> None:
    logits = torch.randn(1, 4, requires_grad=True)
    muted = torch.tensor([[True, False, False]])
    _muted_cross_entropy(logits, torch.tensor([0]), muted).sum().backward()
    assert logits.grad is not None
    assert logits.grad[0, 1] <= 0  # a step against it does not lower the logit
    assert (logits.grad[0, 2:] > 0).all()


def test_a_labelled_object_counts_against_the_muted_class() -> None:
    logits = torch.randn(1, 4, requires_grad=True)
    muted = torch.tensor([[True, False, False]])
    _muted_cross_entropy(logits, torch.tensor([2]), muted).sum().backward()
    assert logits.grad is not None and logits.grad[0, 1] > 0
