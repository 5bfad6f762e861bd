"""Backbones are asked for by strides, and are cut behind the coarsest."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import timm
import torch

from smalldet.models.backbones import Backbone
from smalldet.models.backbones.imagenet import imagenet_state


@pytest.mark.parametrize(
    ("name", "strides"),
    [
        ("tf_efficientnet_lite0", (4, 8, 16)),
        ("resnet18", (4, 8, 16, 32)),
        ("res2net50_26w_4s", (4, 8)),
        ("vgg11_bn", (2, 4, 8, 16)),
        ("mobilenetv3_small_050", (8, 16)),
    ],
)
def test_features_have_the_strides_and_channels_that_it_states(
    name: str, strides: tuple[int, ...]
) -> None:
    backbone = Backbone(name, strides).eval()
    features = backbone(torch.zeros(1, 3, 64, 96))
    assert [tuple(f.shape[1:]) for f in features] == [
        (channels, 64 // stride, 96 // stride)
        for channels, stride in zip(backbone.channels, strides, strict=True)
    ]


def test_what_lies_behind_the_coarsest_stride_is_cut() -> None:
    cut = sum(p.numel() for p in Backbone("tf_efficientnet_lite0", (4, 8, 16)).parameters())
    whole = sum(p.numel() for p in Backbone("tf_efficientnet_lite0", (4, 8, 16, 32)).parameters())
    assert cut < whole / 3


def test_frozen_stages_do_not_learn_and_keep_their_norms() -> None:
    backbone = Backbone("tf_efficientnet_lite0", (4, 8), num_frozen_stages=1).train()
    net: Any = backbone.net.model
    norms = net.bn1
    before = norms.running_mean.clone()
    torch.stack([f.sum() for f in backbone(torch.rand(2, 3, 64, 64))]).sum().backward()
    torch.testing.assert_close(norms.running_mean, before)
    assert net.conv_stem.weight.grad is None
    assert net.blocks[1][0].conv_pw.weight.grad is not None


def test_unknown_names_and_strides_are_refused() -> None:
    with pytest.raises(ValueError, match="resnet19"):
        Backbone("resnet19", (4, 8))
    with pytest.raises(ValueError, match="strides"):
        Backbone("resnet18", (4, 64))


def test_imagenet_weights_from_a_file_in_either_naming(tmp_path: Path) -> None:
    """timm's own names are taken as they are; another naming by order where all shapes agree."""
    model = timm.create_model("mobilenetv3_small_050")
    state = model.state_dict()
    torch.save(state, tmp_path / "timm.pth")
    torch.save({f"other.{i}": v for i, v in enumerate(state.values())}, tmp_path / "other.pth")
    torch.save({"x": torch.zeros(3)}, tmp_path / "wrong.pth")
    for file in ("timm.pth", "other.pth"):
        read = imagenet_state("mobilenetv3_small_050", tmp_path / file)
        assert all(torch.equal(read[k], v) for k, v in state.items())
        backbone = Backbone("mobilenetv3_small_050", (4, 8))
        backbone.load_imagenet(tmp_path / file)
        assert torch.equal(backbone.net.model.conv_stem.weight, state["conv_stem.weight"])
    with pytest.raises(ValueError, match=r"wrong\.pth"):
        imagenet_state("mobilenetv3_small_050", tmp_path / "wrong.pth")
    with pytest.raises(FileNotFoundError, match=r"absent\.pth"):
        imagenet_state("mobilenetv3_small_050", tmp_path / "absent.pth")
