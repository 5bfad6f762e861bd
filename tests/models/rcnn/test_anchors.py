"""Anchors stand where those of torchvision's stand."""

from __future__ import annotations

import pytest
import torch
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.image_list import ImageList

from smalldet.models.rcnn.anchors import (
    AnchorConfig,
    Anchors,
    CornerCoder,
    box_coder,
)


def test_rounded_anchors_without_offset_are_torchvisions() -> None:
    sizes, ratios = ((8, 10), (32, 40)), (0.5, 1.0, 2.0)
    levels = [torch.zeros(1, 1, 8, 16), torch.zeros(1, 1, 4, 8)]
    pictures = ImageList(torch.zeros(1, 3, 32, 64), [(32, 64)])
    (theirs,) = AnchorGenerator(sizes, (ratios,) * 2)(pictures, levels)
    ours = Anchors(sizes, ratios, (4, 8), rounded=True, offset=0.0)
    assert torch.equal(torch.cat(ours([level.shape[-2:] for level in levels])), theirs)


def test_strides_hold_where_a_level_was_rounded_up() -> None:
    """A level of 13 places over 800 px has stride 64, not 800 // 13."""
    (level,) = Anchors([[64]], [1.0], [64])([torch.Size([13, 13])])
    centres = (level[:, :2] + level[:, 2:]) / 2
    assert centres[-1].tolist() == [12.5 * 64] * 2


@pytest.mark.parametrize("coder", [box_coder(), box_coder((10, 10, 5, 5)), CornerCoder()])
def test_codes_lead_back_to_the_box(coder) -> None:
    anchors = torch.tensor([[0.0, 0, 10, 20], [5, 5, 9, 9]])
    boxes = torch.tensor([[1.0, 2, 8, 30], [4, 4, 10, 9]])
    back = coder.decode_single(coder.encode_single(boxes, anchors), anchors)
    torch.testing.assert_close(back, boxes)


def test_sizes_must_fit_the_levels() -> None:
    with pytest.raises(ValueError, match="2 levels, of strides"):
        AnchorConfig().build([[8.0]], (4, 8))
    with pytest.raises(ValueError, match="as many sizes"):
        AnchorConfig(sizes=((8.0,), (8.0, 16.0)))
